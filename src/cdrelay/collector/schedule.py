"""When which hour of a source is compared with its provider, and why. Pure.

An hour is compared

* as soon as its last regular delivery is past, and again every so often (`reconcile_every_minutes`) while it is in
  reach; half the reach (24 hours) after its end, when the last late records should be there; and an hour before its
  beginning leaves the reach (cause `schedule`). A row of the ledger can ask for more by its `recheck_at`;
* when the process starts, unless it was compared in the hour before: a process that starts again and again asks for
  all hours once an hour and no more (`start`);
* when nothing was delivered for three ticks and then something, whoever of the two was away, for the hours of that
  gap; and when asking for it failed before: 5, 10, 20 and then every 30 minutes (`outage`);
* when one of its windows did not come whole (`window`).

What leaves the provider's reach first comes first, whatever the cause. What is known of an hour lies in the control
database, so a process that starts anew goes on where another stopped. What lies ahead of the clock, because
that was set back, counts as not known.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from cdrelay.collector.comparison import State, due_until, margin, window_of
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period, spans_to_reconcile

Cause = Literal["hand", "window", "outage", "start", "schedule"]
"""Why an hour is compared; the first that holds is told."""

_CAUSES: tuple[Cause, ...] = ("hand", "window", "outage", "start", "schedule")
SILENT_TICKS = 3
"""So many ticks without a delivery are an outage, once deliveries come again."""
_LONGEST_DOUBLING = 10


@dataclass(frozen=True, slots=True)
class HourFacts:
    """What is known of one hour of a source."""

    tried_at: datetime | None = None
    failures: int = 0
    """How often in a row asking failed."""
    compared_at: datetime | None = None
    """When it was last compared, be it only what could be asked for of it."""
    recheck_at: datetime | None = None
    """The earliest moment that a row of the ledger asks for."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of a source."""

    source: str
    hours: Mapping[datetime, HourFacts] = field(default_factory=dict)
    """By the start of the hour."""
    missing: Sequence[Period] = ()
    """Windows that did not come whole."""
    gaps: Sequence[Period] = ()
    """Times without a delivery, each ended by one."""
    started_at: datetime | None = None
    """When the process began to reconcile; None: that is no reason to ask."""


@dataclass(frozen=True, slots=True, order=True)
class DueHour:
    """An hour to compare now."""

    deadline: datetime
    """When its beginning leaves the provider's reach."""
    source: str
    span: Period
    cause: Cause


def spans_due(now: datetime, rules: Rules) -> list[Period]:
    """All that can be compared at `now`: what can be asked for and should be here already, the oldest first."""
    until = due_until(now, rules)
    return [
        Period(span.start, min(span.end, until))
        for span in spans_to_reconcile(now, rules, margin(rules))
        if span.start < until
    ]


def due_hours(facts: SourceFacts, now: datetime, rules: Rules, every: timedelta) -> list[DueHour]:
    """What of a source is to be compared at `now`, what leaves the reach first first."""
    facts = _credible(facts, now + rules.tick)
    if now < paused_until(facts.hours.values(), rules, now):
        return []
    found = []
    for span in spans_due(now, rules):
        window = window_of(span.start, rules)
        hour = facts.hours.get(window.start, HourFacts())
        cause = _cause(facts, hour, span, window, now, rules, every)
        if cause is not None:
            found.append(DueHour(span.start + rules.reach, facts.source, span, cause))
    return found


def _credible(facts: SourceFacts, latest: datetime) -> SourceFacts:
    """Without the moments after `latest`: the clock was set back since, and to wait for them could take days."""

    def past(moment: datetime | None) -> datetime | None:
        return moment if moment is not None and moment <= latest else None

    hours = {
        start: replace(
            hour,
            tried_at=past(hour.tried_at),
            failures=hour.failures if past(hour.tried_at) else 0,
            compared_at=past(hour.compared_at),
        )
        for start, hour in facts.hours.items()
    }
    return replace(facts, hours=hours, started_at=past(facts.started_at))


def in_edge_order(due: Iterable[DueHour]) -> list[DueHour]:
    """Of all sources together, what leaves a provider's reach first first."""
    return sorted(due)


def cause_of(due: Iterable[DueHour]) -> Cause:
    """The one cause that a run over several hours is told to have."""
    return min((one.cause for one in due), key=_CAUSES.index, default="schedule")


def backoff(failures: int, rules: Rules) -> timedelta:
    """How long to leave alone what failed so many times in a row: a tick, doubled each time, at most half an hour."""
    return min(rules.tick * 2.0 ** min(max(failures, 1) - 1, _LONGEST_DOUBLING), rules.count_span / 2)


def paused_until(hours: Iterable[HourFacts], rules: Rules, now: datetime) -> datetime:
    """Until when a source is left alone because the last that was asked of it failed; `now` when it is not."""
    tried = [hour for hour in hours if hour.tried_at is not None]
    last = max(tried, key=lambda hour: (hour.tried_at or now, hour.failures), default=HourFacts())
    if not last.failures or last.tried_at is None:
        return now
    if any(hour.compared_at is not None and hour.compared_at >= last.tried_at for hour in tried):
        return now
    return last.tried_at + backoff(last.failures, rules)


def gaps_of(received: Iterable[tuple[datetime, datetime]], rules: Rules) -> list[Period]:
    """The gaps among pairs of successive deliveries that are long enough to be an outage."""
    return [Period(before, after) for before, after in received if after - before >= SILENT_TICKS * rules.tick]


def next_check(state: State, window: Period, now: datetime, rules: Rules) -> datetime | None:
    """When a window that is in this state at `now` is to be compared again at the latest; None: never.

    A short one soon, and less often as it gets older: after 15 minutes, or a quarter of its age; and when it has left
    the reach, because then it may be lost. One with a surplus too, while it can be asked: a newer version of a record,
    which is yet to come, may belong to another hour.
    """
    edge, left = window.start + rules.reach - rules.count_span, window.end + rules.reach
    if state == "lost":
        return None
    if state == "short" or (state == "surplus" and now < edge):
        soon = now + max(SILENT_TICKS * rules.tick, (now - window.end) / 4)
        return min([soon, *(moment for moment in (edge, left) if now < moment)])
    moments = (settled_at(window, rules), *second_looks(window, rules))
    return next((moment for moment in moments if now < moment), None)


def settled_at(window: Period, rules: Rules) -> datetime:
    """From when an hour can be compared whole."""
    return window.end + rules.settle + rules.tick / 10


def second_looks(window: Period, rules: Rules) -> tuple[datetime, datetime]:
    """When late records should have come, and the last chance before the hour begins to leave the reach."""
    return window.end + rules.reach / 2, window.start + rules.reach - rules.count_span


def _cause(
    facts: SourceFacts, hour: HourFacts, span: Period, window: Period, now: datetime, rules: Rules, every: timedelta
) -> Cause | None:
    compared = hour.compared_at
    if hour.failures and hour.tried_at is not None:
        return "outage" if now >= hour.tried_at + backoff(hour.failures, rules) else None
    if any(_meet(one, span) and (compared is None or due_until(compared, rules) < one.end) for one in facts.missing):
        return "window"
    if span.end < window.end:
        return None  # the hour is under way
    if any(_meet(_concerned(gap, rules), window) and (compared is None or compared < gap.end) for gap in facts.gaps):
        return "outage"
    if _before_start(facts, compared, window, rules):
        return "start"
    return "schedule" if _scheduled(hour, window, now, rules, every) else None


def _before_start(facts: SourceFacts, compared: datetime | None, window: Period, rules: Rules) -> bool:
    started = facts.started_at
    if started is None or started < settled_at(window, rules):
        return False
    return compared is None or compared < started - rules.count_span


def _scheduled(hour: HourFacts, window: Period, now: datetime, rules: Rules, every: timedelta) -> bool:
    compared, recheck = hour.compared_at, hour.recheck_at
    if compared is None or due_until(compared, rules) < window.end or compared <= now - every:
        return True
    looks = [*second_looks(window, rules), *([] if recheck is None else [recheck])]
    return any(compared < moment <= now for moment in looks)


def _concerned(gap: Period, rules: Rules) -> Period:
    """The calls whose deliveries were due in a gap."""
    return Period(gap.start - rules.settle - rules.tick, gap.end)


def _meet(one: Period, other: Period) -> bool:
    return one.start < other.end and other.start < one.end
