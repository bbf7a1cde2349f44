"""What was acknowledged and is not in the lake yet: an answer out of the lake alone would call complete what is not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from cdrelay.clock import Clock
from cdrelay.contract.times import write_time
from cdrelay.publisher.api_errors import RETRY_SECONDS, ApiError

_LEAST = timedelta(seconds=10)
"""In compressed time too: a load takes as long as ever."""

_log = structlog.get_logger(__name__)


class WaitingPayloads(Protocol):
    """What is needed of the spool."""

    def holds_from_before(self, moment: datetime) -> bool:
        """Whether a payload waits that came before `moment`. Raises OSError."""
        ...


class Backlog:
    """Keeps answers from being given while they would lack what is due. Safe to use from any thread."""

    def __init__(self, spool: WaitingPayloads, load: Callable[[], object], clock: Clock, settle: timedelta) -> None:
        """`load` stores all that waits; `settle` is how long a call rests before it can be asked for.

        A payload may wait for two fifths of that: who asks for an hour as soon as it can be asked for still gets all
        that was acknowledged in the three fifths after its end.
        """
        self._spool = spool
        self._load = load
        self._clock = clock
        self._longest_wait = max(settle * 2 / 5, _LEAST)

    def require_loaded(self) -> None:
        """Raises ApiError 503 with Retry-After when a payload has waited too long. It does not wait, nor load."""
        # Whose records wait, and of which hours, only a load finds out: calls are handed in late, and corrected.
        before = self._clock.now() - self._longest_wait
        try:
            waits = self._spool.holds_from_before(before)
        except OSError as error:
            raise _not_now(
                "it cannot be seen whether records wait to be stored, which the answer would lack"
            ) from error
        if waits:
            what = f"records that were received before {write_time(before)} are not stored yet"
            raise _not_now(f"{what}, and the answer would lack them")

    def load(self) -> None:
        """Store all that waits, at once. Raises ApiError 503 when that fails."""
        try:
            self._load()
        except Exception as error:
            _log.warning("answer.load_failed", error=type(error).__name__)
            raise _not_now("records that were received cannot be stored at the moment") from error


def _not_now(why: str) -> ApiError:
    return ApiError(503, why, {"Retry-After": str(RETRY_SECONDS)})
