"""Comparing what the provider counts with what is stored, and the state of a ledger window. Pure.

States of one organization's window, a whole hour of the contract. `expected` is the provider's count, `stored` ours:

| state    | means                                              | becomes                                             |
| -------- | -------------------------------------------------- | --------------------------------------------------- |
| open     | nothing missing so far; the hour is not complete   | any other, once its last regular delivery is past   |
| matched  | nothing is missing                                 | short when a late record raised the count; surplus  |
| short    | fewer stored than expected, also in an open hour   | repaired or matched when equal; lost                |
| repaired | nothing is missing, after a repair brought some    | short again; surplus                                |
| surplus  | nothing is missing, and more stored than expected  | matched, repaired when the count caught up; short   |
| lost     | still short out of the provider's reach, and no    | repaired, when a report is imported or a run under  |
|          | step of the repair is left that goes by itself     | way still brings them                               |

Every hour in reach of every organization that is known has a row. One that was never compared, because nothing ran or
the provider did not answer, is `open`, its proof is `none`, and its reason says so. When it leaves the reach like that
it stays as it is, and the reason says that: nobody knows whether anything is missing, so neither `matched` nor `lost`
would be true.

How it was proved: `ids`, every window of the hour came whole by its manifest, or the Report IDs of all records that the
provider lists were looked for and found; `counts`, the numbers are equal. A record that is missing here and another
that the provider does not count (it withdrew it, or never listed it) hide each other where counts are all there is. A
repeat hides nothing: the lake keeps one row for each id.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import MILLISECOND, Period, ceil_to, floor_to

State = Literal["open", "matched", "short", "repaired", "surplus", "lost"]
STATES: tuple[State, ...] = get_args(State)
Proof = Literal["counts", "ids", "none"]
"""How a window was proved: by equal counts, by Report IDs, or not at all."""
COMPLETE: frozenset[State] = frozenset({"matched", "repaired", "surplus"})
"""The states in which nothing is missing."""

LEFT_UNCOMPARED = "left the provider's reach uncompared"
"""How the reason begins of what nobody knows any more."""
BEGINNING_LEFT = f"{LEFT_UNCOMPARED}, its beginning"
COMPARED_UNDER_WAY = "compared only while it was under way"

_GRACE_SHARE = 10
"""A delivery has a tenth of a tick (30 s of the contract) to arrive before its records count as due."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One organization's counts for one period."""

    org_uuid: str
    expected: int
    stored: int
    absent: int = 0
    """Records that the provider gave and that are not stored, where their ids were compared."""

    @property
    def missing(self) -> int:
        """How many records are not there that should be."""
        return max(0, self.expected - self.stored, self.absent)


def compare(expected: Mapping[str, int], stored: Mapping[str, int], known: Collection[str]) -> list[Finding]:
    """A finding for each organization that the provider lists, and for each of `known`.

    A missing organization counts 0 on either side (FACTS 2.1). `known` are the organizations that concern this
    provider though it does not list them: other providers' records lie in the same lake.
    """
    return [Finding(org, expected.get(org, 0), stored.get(org, 0)) for org in sorted({*expected, *known})]


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
    found: Finding, fetched: int, previous: State | None, *, now: datetime, window: Period, rules: Rules
) -> State:
    """The state of a window; `fetched` is what all repairs of it have brought so far.

    Nothing becomes `lost` here: that takes the end of the repair ladder (`Ledger.give_up`).
    """
    if found.missing:
        return "lost" if previous == "lost" else "short"
    if due_until(now, rules) < window.end:
        return "open"
    if found.stored > found.expected:
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
    proof: Proof = "counts"
    way: str | None = None
    """The channel by which `brought` came."""
    reason: str | None = None
    """Why it is not complete, or holds more than it should."""
    recheck_at: datetime | None = None
    checked_at: datetime | None = None
    """When the provider was asked, if it was not for this check."""


@dataclass(frozen=True, slots=True)
class Former:
    """What the ledger said before."""

    expected: int
    fetched: int
    state: State
    stored: int = 0
    checked_at: datetime | None = None
    proof: Proof = "counts"
    reason: str | None = None
    recheck_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One organization in one span: what was found before and after its repair."""

    span: Period
    before: Finding
    after: Finding
    whole_hour: int
    """What is stored of the whole window."""
    asked: bool = False
    """Whether its records were fetched."""
    by_ids: bool = False
    """Whether the span is proved by ids, if nothing is missing."""
    problem: str | None = None
    """What kept its records from being fetched."""
    in_quarantine: int = 0
    """Its records of the window that are in quarantine."""
    in_doubt: bool = False
    """Whether counts prove nothing of it, and its records could not be fetched."""


def verdict(check: Check, former: Former | None, *, now: datetime, rules: Rules) -> Verdict | None:
    """What to write about one organization after a check; None: the ledger says it better already.

    A span that starts late, because the beginning of its window has left the reach, cannot speak for the window: it is
    heard when it is short or was, or when the ledger calls the window short. Then the window is expected to hold what
    is stored of the part that left and what the provider says of the rest, and no less than it was expected to hold
    before. Where the beginning was never compared, only what is missing can be said: when the rest is complete, the
    window stays open, its proof none. A span that ends early is the beginning of a window that is not complete, and
    there is nothing better yet.
    """
    window, after = window_of(check.span.start, rules), check.after
    before = check.whole_hour - (after.stored - check.before.stored)
    if former and former.fetched:  # what another run brought and told in the meantime is not told again
        before = max(before, former.stored)
    brought = max(0, check.whole_hour - before) if check.asked else 0
    found, by_ids = after, check.by_ids
    if check.span.start > window.start:
        if not check.asked and not (former and former.state == "short"):
            return None
        left = check.whole_hour - after.stored
        expected = max(left + after.expected, former.expected if former else 0)
        found = Finding(after.org_uuid, expected, check.whole_hour, after.absent)
        by_ids = False
        if former is None or former.proof == "none" or former.state == "open":
            return _of_the_end(check, found, brought, window)
    fetched = brought + (former.fetched if former else 0)
    state = judge(found, fetched, former.state if former else None, now=now, window=window, rules=rules)
    if check.in_doubt and not found.missing:
        doubt = f"other sources' records may hide a loss: {check.problem}"
        return Verdict(found.org_uuid, window, found.expected, found.stored, brought, "open", "none", reason=doubt)
    reason = why(found, state, problem=check.problem, in_quarantine=check.in_quarantine)
    proof: Proof = "ids" if by_ids and not found.missing else "counts"
    way = "repair" if brought else None
    return Verdict(found.org_uuid, window, found.expected, found.stored, brought, state, proof, way, reason)


def _of_the_end(check: Check, found: Finding, brought: int, window: Period) -> Verdict:
    """Of a window whose beginning was never compared whole: what is missing is known, that nothing is, is not."""
    state: State = "short" if found.missing else "open"
    reason = why(found, state, problem=check.problem, in_quarantine=check.in_quarantine) or BEGINNING_LEFT
    way = "repair" if brought else None
    return Verdict(found.org_uuid, window, found.expected, found.stored, brought, state, "none", way, reason)


def why(found: Finding, state: State, *, problem: str | None = None, in_quarantine: int = 0) -> str | None:
    """Why a window is as it is, in words for a person; None where its state says all."""
    if state == "surplus":
        return f"{found.stored - found.expected} stored that the provider does not count"
    if not found.missing:
        return None
    missing = f"{found.missing} missing"
    if in_quarantine:
        missing = f"{missing}, {in_quarantine} in quarantine"
        if in_quarantine >= found.missing:
            return missing
    return f"{missing}; {problem or 'the records endpoint does not give them'}"
