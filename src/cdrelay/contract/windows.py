"""Half-open periods of time and where their edges lie.

A call that ends exactly on an edge is in the period that starts there (FACTS 1.1), on both sides of the wire.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cdrelay.contract.rules import Rules

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
"""The unit of times on the wire."""


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """[start, end): aware, in UTC, not empty. Raises ValueError for anything else."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() is None or self.end.utcoffset() is None:
            raise ValueError("a period needs times with a zone")
        if not self.start < self.end:
            raise ValueError("a period ends after it starts")

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, datetime) and self.start <= moment < self.end

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


def floor_to(moment: datetime, step: timedelta) -> datetime:
    """The last multiple of `step` since 1970 that is not after `moment`."""
    return moment - (moment - EPOCH) % step


def ceil_to(moment: datetime, step: timedelta) -> datetime:
    """The first multiple of `step` since 1970 that is not before `moment`."""
    return moment + (EPOCH - moment) % step


def window_of_tick(tick: datetime, rules: Rules) -> Period:
    """The calls a delivery at `tick` is due to hold: those that ended in [tick - 10 min, tick - 5 min)."""
    end = tick - rules.settle
    return Period(end - rules.tick, end)


def ticks_owed(last: datetime | None, now: datetime, rules: Rules) -> Iterator[datetime]:
    """The ticks after `last` up to `now`, oldest first; with no `last`, just the present one.

    Ticks whose window has left the reach are not owed: their calls ride, as late ones, in the oldest that is.
    """
    present = floor_to(now, rules.tick)
    if last is None:
        yield present
        return
    oldest_in_reach = floor_to(now - rules.reach, rules.tick) + rules.tick
    # From the grid and not from `last`, which lies off it when time was compressed otherwise then.
    tick = max(floor_to(last, rules.tick) + rules.tick, oldest_in_reach)
    while tick <= present:
        yield tick
        tick += rules.tick


def spans_to_reconcile(now: datetime, rules: Rules, margin: timedelta = timedelta(0)) -> list[Period]:
    """The periods to ask counts for: what can be asked at `now`, cut at whole hours, what leaves the reach first first.

    `margin` keeps both ends that far inside the allowed range, for a clock that differs from the provider's and for
    the time a request takes. All edges are whole milliseconds, as they are on the wire: a finer one would be cut there
    and not here, and both sides would count different periods.
    """
    earliest = ceil_to(now - rules.reach + margin, MILLISECOND)
    latest = floor_to(now - rules.settle - margin, MILLISECOND)
    spans = []
    start = earliest
    while start < latest:
        end = min(floor_to(start, rules.count_span) + rules.count_span, latest)
        spans.append(Period(start, end))
        start = end
    return spans
