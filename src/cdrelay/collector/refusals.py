"""Deliveries that the collector itself refuses, told to its operator and counted: their sender may tell nobody."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from cdrelay.clock import Clock
from cdrelay.collector.admission import TooManyAtOnce, TooManyRequests
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.incident_log import IncidentLog
from cdrelay.errors import CdrelayError

_EVERY = timedelta(hours=1)
"""So seldom the same is told again: who sends without a pause must not push out what else there is to be told."""
_WORDS: dict[type[CdrelayError], str] = {
    SourceUnknown: "there is no source of that name, or it is pulled",
    TooManyRequests: "more came than webhook_requests_per_minute",
    TooManyAtOnce: "as many bodies as bodies_at_once were under way",
}
"""Of what is said to its sender in other words."""


Reason = Literal["unknown_source", "encoding", "too_large", "signature", "too_slow", "rate", "at_once"]
"""Why one was refused: 404, 415, 413, 401, 408, 429 and 503 of many at once. Never what its sender says of itself."""


class RefusalCounts:
    """How many were refused since the process began. Counted by the event loop, read by any thread."""

    def __init__(self) -> None:
        self._numbers: dict[Reason, int] = dict.fromkeys(get_args(Reason), 0)

    def add(self, reason: Reason) -> None:
        """One more."""
        self._numbers[reason] += 1

    def by_reason(self) -> Mapping[Reason, int]:
        """All reasons, also those for which there was none."""
        return dict(self._numbers)


@dataclass(slots=True)
class _Told:
    at: datetime
    since: int = 0


class Refusals:
    """Tells the first of a kind at once, and then once an hour how many there were. For the event loop."""

    def __init__(self, incidents: IncidentLog, clock: Clock) -> None:
        self._incidents = incidents
        self._clock = clock
        self._told: dict[tuple[str, type[CdrelayError]], _Told] = {}

    async def note(self, source: str, error: CdrelayError) -> None:
        """One was refused, for `error`. The name of a source that does not exist is the sender's and is not told."""
        name = "" if isinstance(error, SourceUnknown) else source
        now = self._clock.now()
        told = self._told.get((name, type(error)))
        # Also when the clock was set back.
        if told is not None and told.at <= now < told.at + _EVERY:
            told.since += 1
            return
        self._told[name, type(error)] = _Told(now)
        more = f"; {told.since:,} more since {told.at:%H:%M} UTC" if told is not None and told.since else ""
        why = next((words for kind, words in _WORDS.items() if isinstance(error, kind)), str(error))
        whose = f"of source {name}" if name else "to an address of no source"
        await asyncio.to_thread(self._incidents.record, "receive", f"a delivery {whose} was refused: {why}{more}")
