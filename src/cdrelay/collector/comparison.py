"""Comparing what the provider counts with what is stored, and the state of a ledger window. Pure.

States of one organization's window, a whole hour of the contract. `expected` is the provider's count, `stored` ours:

| state    | means                                              | becomes                                             |
| -------- | -------------------------------------------------- | --------------------------------------------------- |
| open     | nothing missing so far; the hour is not complete   | any other, once its last regular delivery is past   |
| matched  | equal                                              | short when a late record raised the count; surplus  |
| short    | fewer stored than expected, also in an open hour   | repaired or matched when equal; lost out of reach   |
| repaired | equal, after fetching brought at least one record  | short again; surplus                                |
| surplus  | more stored than expected                          | matched, repaired when the count caught up; short   |
| lost     | still short when the provider no longer answers    | repaired, if a run under way still brings them      |

A window that was never compared whole while it was in reach, because nothing ran or the provider did not answer, stays
open for ever or has no row at all.

Limit: counts are all the provider gives. When a record is missing here, and another is stored that the provider does
not count (it withdrew it, or never listed it), the counts are equal and the loss is not seen. A repeat cannot hide a
loss on our side: the lake keeps one row for each id.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import MILLISECOND, Period, ceil_to, floor_to

State = Literal["open", "matched", "short", "repaired", "surplus", "lost"]
STATES: tuple[State, ...] = get_args(State)

_GRACE_SHARE = 10
"""A delivery has a tenth of a tick (30 s of the contract) to arrive before its records count as due."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One organization's counts for one period."""

    org_uuid: str
    expected: int
    stored: int

    @property
    def missing(self) -> int:
        """How many records are not there that should be."""
        return max(0, self.expected - self.stored)


def compare(expected: Mapping[str, int], stored: Mapping[str, int], unlisted: Collection[str]) -> list[Finding]:
    """A finding for each organization the provider lists, and for those of `unlisted` of which something is stored.

    A missing organization counts 0 on either side (FACTS 2.1). `unlisted` are the organizations that concern this
    provider though it does not list them: other providers' records lie in the same lake.
    """
    concerned = set(expected) | (set(unlisted) & set(stored))
    return [Finding(org, expected.get(org, 0), stored.get(org, 0)) for org in sorted(concerned)]


def due_until(now: datetime, rules: Rules) -> datetime:
    """Calls that ended before this moment should be here at `now`: their regular delivery is past, and its grace."""
    return floor_to(now - rules.tick / _GRACE_SHARE, rules.tick) - rules.settle


def margin(rules: Rules) -> timedelta:
    """How far inside the allowed range to ask: 6 s of the contract, for clocks that differ and the way of a request.

    At least half a second, as the network is not compressed with the contract, but never more than half a tick.
    """
    return min(max(rules.tick / 50, timedelta(milliseconds=500)), rules.tick / 2)


def in_reach(period: Period, now: datetime, rules: Rules) -> Period | None:
    """What of `period` can be asked for at `now`; None when nothing can any more."""
    # A whole millisecond, as on the wire: a finer start would be cut there and not here, and the counts would differ.
    start = max(period.start, ceil_to(now - rules.reach + margin(rules), MILLISECOND))
    return Period(start, period.end) if start < period.end else None


def window_of(moment: datetime, rules: Rules) -> Period:
    """The ledger window, a whole hour, that `moment` lies in."""
    start = floor_to(moment, rules.count_span)
    return Period(start, start + rules.count_span)


def judge(
    expected: int, stored: int, fetched: int, previous: State | None, *, now: datetime, window: Period, rules: Rules
) -> State:
    """The state of a window; `fetched` is what all repairs of it have brought so far."""
    if stored < expected:
        return "lost" if window.end <= now - rules.reach or previous == "lost" else "short"
    if due_until(now, rules) < window.end:
        return "open"
    if stored > expected:
        return "surplus"
    return "repaired" if fetched or previous in ("repaired", "lost") else "matched"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found for one organization and window, and so what the ledger is to say."""

    org_uuid: str
    window: Period
    expected: int
    stored: int
    brought: int
    """Records that the repair of this check brought; the ledger adds them up."""
    state: State


@dataclass(frozen=True, slots=True)
class Former:
    """What the ledger said before."""

    expected: int
    fetched: int
    state: State


def verdict(
    before: Finding,
    after: Finding,
    *,
    whole_hour: int,
    former: Former | None,
    span: Period,
    now: datetime,
    rules: Rules,
) -> Verdict | None:
    """What to write about one organization in `span`; None: the ledger says it better already.

    `before` and `after` are the counts of the span before and after its repair, `whole_hour` what is stored of the
    whole window. A span that starts late, because the beginning of its window has left the reach, cannot speak for the
    window: it is heard only when it was short. Then the window is expected to hold what is stored of the part that
    left and what the provider says of the rest, and no less than it was expected to hold before. A span that ends
    early is the beginning of a window that is not complete, and there is nothing better yet.
    """
    window = window_of(span.start, rules)
    brought = max(0, after.stored - before.stored) if before.missing else 0
    expected, stored = after.expected, after.stored
    if span.start > window.start:
        if not before.missing:
            return None
        stored = whole_hour
        expected = max(whole_hour - after.stored + after.expected, former.expected if former else 0)
    fetched = brought + (former.fetched if former else 0)
    state = judge(expected, stored, fetched, former.state if former else None, now=now, window=window, rules=rules)
    return Verdict(before.org_uuid, window, expected, stored, brought, state)
