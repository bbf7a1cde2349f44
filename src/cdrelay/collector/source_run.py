"""Comparing the hours of one source: count, compare, fetch what is missing, compare again, write it down.

What fails for one organization or hour is noted and left behind; what the provider forbids, and what fails on our side,
ends the run. No transaction is open while the provider is asked.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cdrelay.clock import Clock
from cdrelay.collector.comparison import (
    Check,
    Finding,
    Former,
    Verdict,
    compare,
    due_until,
    in_reach,
    verdict,
    window_of,
)
from cdrelay.collector.fetching import Fetching
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.collector.quarantine_counts import Lacked
from cdrelay.collector.schedule import DueHour, next_check
from cdrelay.collector.shared_organizations import Shared, shared_organizations
from cdrelay.collector.slots import Slots
from cdrelay.collector.stores import Stores
from cdrelay.collector.tally import Tally
from cdrelay.contract.answers import ProviderRejected, ProviderUnavailable
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.errors import CdrelayError

_MOST_ORGANIZATIONS = 1_000_000
_SILENT_SPANS = 3
"""A provider that is unavailable for so many spans in a row is not asked for the others."""
KNOWN_REACHES = 15
"""An organization concerns a source for so many times the reach (30 days) after its last call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScope:
    """What a run is to look at."""

    alone: bool
    """Whether no other source's records can lie in the lake."""
    organization: str | None = None
    """Only this one."""
    by_ids: bool = False
    """Whether to fetch all records and compare their ids, also where the counts are equal."""
    by_hand: bool = False
    """Whether a person asked for it, who may know that fetching again helps."""


class SourceRun:
    """One run over one source."""

    def __init__(
        self, source: str, client: PartnerClient, stores: Stores, clock: Clock, rules: Rules, scope: RunScope
    ) -> None:
        self._source = source
        self._client = client
        self._stores = stores
        self._clock = clock
        self._rules = rules
        self._scope = scope
        self._known: frozenset[str] | None = None
        self.tally = Tally()

    async def run(self, due: Sequence[DueHour], slots: Slots, progress: Callable[[int, int], None]) -> None:
        """Go through the hours in their order, each in a slot, telling `progress` how many are done of how many.

        Raises ProviderRefused, ProviderUnavailable, NoRoom, DatabaseUnavailable, SourceUnknown (removed meanwhile), and
        what a token cannot be had for; `tally` says how far it came.
        """
        silent = 0
        for number, hour in enumerate(due):
            progress(number, len(due))
            try:
                async with slots.held(hour.deadline):
                    await self._hour(hour.span)
                silent = 0
            except (ProviderRejected, ProviderUnavailable) as error:
                self.tally.problems.append(f"hour from {write_time(hour.span.start)}: {error}")
                silent = silent + 1 if isinstance(error, ProviderUnavailable) else 0
                if silent == _SILENT_SPANS:
                    raise
        progress(len(due), len(due))

    async def _hour(self, planned: Period) -> None:
        asked_at, window = self._clock.now(), window_of(planned.start, self._rules)
        # The run may have been planned a while ago: of an hour that was under way then, more is due by now.
        end = min(window.end, due_until(asked_at, self._rules))
        span = in_reach(Period(planned.start, end), asked_at, self._rules) if planned.start < end else None
        if span is None:  # out of reach, or the clock was set back meanwhile
            return
        told = len(self.tally.problems)
        try:
            # The provider first: what comes in between is then more than expected, and not missed in vain.
            expected = await self._client.counts(span)
            fetching = Fetching(self._source, self._client, self._stores.spool, self._clock, self._stores.new_id)
            before = await asyncio.to_thread(self._compare, expected, span)
            vain = await asyncio.to_thread(self._vain, before, span)
            for one in before:
                left = in_reach(span, self._clock.now(), self._rules)
                if left and one.missing and one.org_uuid not in vain:
                    await fetching.fetch(one.org_uuid, left)
            shared = await asyncio.to_thread(self._shared, before, span, window)
            for org in sorted(shared.doubtful):
                if left := in_reach(span, self._clock.now(), self._rules):
                    await fetching.fetch(org, left)
            gaps = [
                looked
                for gap in await asyncio.to_thread(self._gaps, span)
                if (looked := await self._look_for_ids(fetching, gap, expected if gap == span else None, vain))
            ]
        except Exception as error:
            await asyncio.to_thread(self._stores.agenda.failed, self._source, window, asked_at, _in_short(error))
            raise
        self.tally.problems += [
            f"organization {org}, hour from {write_time(span.start)}: {problem}"
            for org, problem in fetching.problems.items()
        ]
        await asyncio.to_thread(self._conclude, span, before, fetching, gaps, shared, asked_at)
        failed = self.tally.problems[told:]
        if failed and (gaps or shared.doubtful & fetching.problems.keys()):
            await asyncio.to_thread(self._stores.agenda.failed, self._source, window, asked_at, failed[0])
        elif self._scope.organization is None:
            whole = span.start == window.start
            await asyncio.to_thread(self._stores.agenda.compared, self._source, window, asked_at, from_beginning=whole)

    def _compare(self, expected: Mapping[str, int], span: Period) -> list[Finding]:
        stored = self._count(span)
        if self._known is None:
            since = self._clock.now() - KNOWN_REACHES * self._rules.reach
            self._known = self._stores.ledger.organizations(self._source, since)
        known = {*self._known, *(stored if self._scope.alone else ())}
        found = compare(expected, stored, known)
        only = self._scope.organization
        return found if only is None else [one for one in found if one.org_uuid == only]

    def _count(self, span: Period) -> Mapping[str, int]:
        self._stores.loader.drain()
        return self._stores.lake.count_by_organization(span)

    def _vain(self, before: Sequence[Finding], span: Period) -> frozenset[str]:
        """Organizations that lack only what the provider gave already and cannot be stored: it would give the same."""
        window, short = window_of(span.start, self._rules), {one.org_uuid: one.missing for one in before if one.missing}
        # Of a window whose beginning is out of reach nobody knows which of them lie in the rest.
        if not short or self._scope.by_hand or span.start > window.start:
            return frozenset()
        lacked = {
            row.org_uuid: Lacked(max(0, row.expected - row.stored), row.checked_at)
            for row in self._stores.ledger.rows(window, source=self._source, most=_MOST_ORGANIZATIONS)
            if row.proof != "none"
        }
        return self._stores.quarantine.vain(short, window, self._clock.now(), lacked)

    def _shared(self, before: Sequence[Finding], span: Period, window: Period) -> Shared:
        if self._scope.alone:
            return Shared()
        return shared_organizations(self._stores, self._source, before, span, window)

    def _gaps(self, span: Period) -> list[Period]:
        """Where counts are not enough: all of the span when ids are asked for, else windows that did not come whole."""
        if self._scope.by_ids:
            return [span]
        missing = self._stores.manifests.missing(self._source, self._clock.now(), self._rules)
        cut = [
            Period(max(one.window.start, span.start), min(one.window.end, span.end))
            for one in missing
            if one.window.start < span.end and span.start < one.window.end
        ]
        return _joined(cut)

    async def _look_for_ids(
        self, fetching: Fetching, planned: Period, counted: Mapping[str, int] | None, vain: frozenset[str]
    ) -> Period | None:
        """Fetch the records of every organization that the provider counts any of in a gap; what is in reach of it.

        But of those in `vain`: the counts say that theirs are missing, so that nothing is called proved.
        """
        gap = in_reach(planned, self._clock.now(), self._rules)
        if gap is None:
            return None
        counts = await self._client.counts(gap) if counted is None else counted
        only = self._scope.organization
        for org, count in sorted(counts.items()):
            if count and org not in vain and only in (None, org):
                await fetching.fetch(org, gap)
        return gap

    def _conclude(
        self,
        span: Period,
        before: list[Finding],
        fetching: Fetching,
        gaps: Sequence[Period],
        shared: Shared,
        asked_at: datetime,
    ) -> None:
        """Count again where something was fetched, and put the verdicts down."""
        window, asked = window_of(span.start, self._rules), fetching.asked
        stored = self._count(span) if asked else {one.org_uuid: one.stored for one in before}
        hours = stored if span == window else self._stores.lake.count_by_organization(window)
        after = [
            Finding(one.org_uuid, one.expected, stored.get(one.org_uuid, 0), self._absent(one.org_uuid, fetching, span))
            for one in before
        ]
        short = any(one.missing for one in after)
        in_quarantine = self._stores.quarantine.count(window) if short else {}
        proved, looked_for = self._proved(span, gaps), shared.doubtful | shared.proved
        checks = [
            Check(
                span=span,
                before=one,
                after=then,
                whole_hour=hours.get(one.org_uuid, 0),
                asked=one.org_uuid in asked,
                by_ids=(proved or one.org_uuid in looked_for) and one.org_uuid not in fetching.problems,
                problem=fetching.problems.get(one.org_uuid),
                in_quarantine=in_quarantine.get(one.org_uuid, 0),
                in_doubt=one.org_uuid in shared.doubtful & fetching.problems.keys(),
            )
            for one, then in zip(before, after, strict=True)
        ]
        for check in checks:
            self.tally.count(check)
        self._write(window, checks, asked_at)

    def _absent(self, org: str, fetching: Fetching, span: Period) -> int:
        """How many of the records that came are not stored; a newer version at another Report time will do."""
        ids = fetching.ids.get(org)
        if not ids:
            return 0
        missing = ids - self._stores.lake.report_ids(org, span)
        if missing:
            around = Period(span.start - self._rules.reach, span.end + self._rules.reach)
            missing -= self._stores.lake.report_ids(org, around)
        return len(missing)

    def _proved(self, span: Period, gaps: Sequence[Period]) -> bool:
        """Whether each window of the span came whole or is in a gap whose records were all looked for."""
        if self._stores.manifests.proves(self._source, span):
            return True
        if not gaps:
            return False
        # Windows lie on the grid of ticks, and so do spans, but for the oldest.
        start = span.start
        while start < span.end:
            tick = Period(start, min(start + self._rules.tick, span.end))
            in_gap = any(gap.start <= tick.start and tick.end <= gap.end for gap in gaps)
            if not in_gap and not self._stores.manifests.proves(self._source, tick):
                return False
            start = tick.end
        return True

    def _write(self, window: Period, checks: list[Check], asked_at: datetime) -> None:
        now = self._clock.now()

        def decide(former: Mapping[str, Former]) -> list[Verdict]:
            # What was asked after this moment was asked before the clock was set back.
            found, latest = [], self._clock.now()
            for check in checks:
                said = former.get(check.after.org_uuid)
                if (
                    said is not None
                    and said.proof != "none"
                    and said.checked_at
                    and asked_at < said.checked_at <= latest
                ):
                    continue  # another run asked later, and knows better
                # As of the question: what became due since was not asked for.
                one = verdict(check, said, now=asked_at, rules=self._rules)
                if one is not None:
                    found.append(replace(one, recheck_at=next_check(one.state, window, now, self._rules)))
            return found

        written = self._stores.ledger.revise(self._source, window, asked_at, decide)
        self.tally.short_windows += [(one.org_uuid, window) for one in written if one.state == "short"]


def _joined(periods: Sequence[Period]) -> list[Period]:
    """The same time in as few periods as can be; they are in order."""
    joined: list[Period] = []
    for period in periods:
        if joined and period.start <= joined[-1].end:
            joined[-1] = Period(joined[-1].start, max(joined[-1].end, period.end))
        else:
            joined.append(period)
    return joined


def _in_short(error: Exception) -> str:
    return str(error) if isinstance(error, CdrelayError) else f"the run ended early ({type(error).__name__})"
