"""What is believed of what is taken in, whichever way it comes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cdrelay.records.identity import Plausible


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """What a body or a file may be, and which Report times are believed."""

    body_bytes: int
    """As it comes over HTTP."""
    unpacked_bytes: int
    max_age: timedelta
    max_ahead: timedelta

    def plausible(self, now: datetime) -> Plausible:
        """The Report times that are believed at `now`."""
        return Plausible(now - self.max_age, now + self.max_ahead)
