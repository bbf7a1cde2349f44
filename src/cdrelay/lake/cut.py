"""Where a window ends: in loads and in time."""

from dataclasses import dataclass
from datetime import datetime

from cdrelay.contract.windows import EPOCH


@dataclass(frozen=True, slots=True)
class Cut:
    """The state that a tick sees: loads up to `load_seq`, calls that ended before `cutoff`.

    What a tick owes is what its cut holds and the one before does not; see `Lake.window`.
    """

    load_seq: int
    cutoff: datetime


NOTHING_BEFORE = Cut(0, EPOCH)
"""Stands for the cut before the very first."""
