"""One reconciliation run over one source: span by span, compare, fetch what is missing, compare again, write it down.

The span that leaves the provider's reach first comes first. What fails for one organization or hour is noted and left
behind; what the provider forbids, and what fails on our side, ends the run. No transaction is open while the provider
is asked.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cdrelay.clock import Clock
from cdrelay.collector.comparison import (
    Finding,
    Former,
    Verdict,
    compare,
    due_until,
    in_reach,
    margin,
    verdict,
    window_of,
)
from cdrelay.collector.ledger import Ledger, LedgerRow
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.contract.answers import ProviderRejected, ProviderUnavailable
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period, spans_to_reconcile
from cdrelay.lake.spool import Envelope, Spool

_SILENT_SPANS = 3
"""A provider that is unavailable for so many spans in a row is not asked for the others."""
_PROBLEMS_TOLD = 3


class CountingLake(Protocol):
    """What is stored."""

    def count_by_organization(self, period: Period) -> Mapping[str, int]:
        """Records of each organization that has any, by Report time."""
        ...


class DrainingLoader(Protocol):
    """Brings what waits in the spool into the lake."""

    def drain(self) -> object:
        """Load all that waits; harmless to repeat."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a run reads and writes on our side."""

    ledger: Ledger
    lake: CountingLake
    loader: DrainingLoader
    spool: Spool
    new_id: Callable[[], str]


@dataclass(slots=True)
class Tally:
    """What a run has done so far."""

    windows: int = 0
    short: int = 0
    repaired: int = 0
    fetched: int = 0
    lost: list[LedgerRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def count(self, before: Finding, after: Finding) -> None:
        """Add one organization's span."""
        brought = max(0, after.stored - before.stored) if before.missing else 0
        self.windows += 1
        self.short += after.missing > 0
        self.repaired += brought > 0 and not after.missing
        self.fetched += brought

    def problem(self) -> str | None:
        """The first problems in one line; None when there were none."""
        told = "; ".join(self.problems[:_PROBLEMS_TOLD])
        more = len(self.problems) - _PROBLEMS_TOLD
        return (f"{told}; and {more} more" if more > 0 else told) or None


def spans_due(now: datetime, rules: Rules) -> list[Period]:
    """What to compare at `now`: all that can be asked for and should be here already, the oldest first."""
    until = due_until(now, rules)
    return [
        Period(span.start, min(span.end, until))
        for span in spans_to_reconcile(now, rules, margin(rules))
        if span.start < until
    ]


class SourceRun:
    """One run. `alone` says that no other source's records can lie in the lake."""

    def __init__(
        self, source: str, client: PartnerClient, stores: Stores, clock: Clock, rules: Rules, *, alone: bool
    ) -> None:
        self._source = source
        self._client = client
        self._stores = stores
        self._clock = clock
        self._rules = rules
        self._alone = alone
        self.tally = Tally()

    async def run(self, progress: Callable[[int, int], None]) -> None:
        """Go through all spans, telling `progress` how many are done of how many.

        Raises ProviderRefused, NoRoom, DatabaseUnavailable, SourceUnknown (removed meanwhile); `tally` says how far it
        came.
        """
        spans = spans_due(self._clock.now(), self._rules)
        silent = 0
        for number, span in enumerate(spans):
            progress(number, len(spans))
            try:
                await self._span(span)
                silent = 0
            except (ProviderRejected, ProviderUnavailable) as error:
                self.tally.problems.append(f"hour from {write_time(span.start)}: {error}")
                silent = silent + 1 if isinstance(error, ProviderUnavailable) else 0
                if silent == _SILENT_SPANS:
                    raise
        progress(len(spans), len(spans))
        out_of_reach = self._clock.now() - self._rules.reach
        self.tally.lost = await asyncio.to_thread(self._stores.ledger.give_up, self._source, out_of_reach)

    async def _span(self, planned: Period) -> None:
        span = in_reach(planned, self._clock.now(), self._rules)
        if span is None:
            return
        # The provider first: what comes in between is then more than expected, and not missed in vain.
        expected = await self._client.counts(span)
        before = await asyncio.to_thread(self._compare, expected, span)
        fetching = [one for one in before if one.missing]
        for one in fetching:
            try:
                await self._fetch(one.org_uuid, span)
            except (ProviderRejected, ProviderUnavailable) as error:
                where = f"organization {one.org_uuid}, hour from {write_time(span.start)}"
                self.tally.problems.append(f"{where}: {error}")
        await asyncio.to_thread(self._conclude, span, before, bool(fetching))

    def _compare(self, expected: Mapping[str, int], span: Period) -> list[Finding]:
        stored = self._count(span)
        unlisted = stored.keys() if self._alone else self._stores.ledger.organizations(self._source)
        return compare(expected, stored, unlisted)

    def _count(self, span: Period) -> Mapping[str, int]:
        self._stores.loader.drain()
        return self._stores.lake.count_by_organization(span)

    async def _fetch(self, organization: str, planned: Period) -> None:
        """Bring one organization's records of a span into the spool; those already stored do no harm."""
        span = in_reach(planned, self._clock.now(), self._rules)
        if span is None:
            return
        async for body in self._client.records(organization, span):
            envelope = Envelope(
                id=self._stores.new_id(), source=self._source, channel="repair", received=self._clock.now()
            )
            await asyncio.to_thread(self._stores.spool.put, envelope, body)

    def _conclude(self, span: Period, before: list[Finding], fetched: bool) -> None:
        """Count again where something was fetched, and put the verdicts down."""
        window, now = window_of(span.start, self._rules), self._clock.now()
        stored = self._count(span) if fetched else {one.org_uuid: one.stored for one in before}
        hours = stored if span.start == window.start else self._stores.lake.count_by_organization(window)
        former: Mapping[str, Former] = self._stores.ledger.former(self._source, window)
        verdicts: list[Verdict] = []
        for one in before:
            after = Finding(one.org_uuid, one.expected, stored.get(one.org_uuid, 0))
            self.tally.count(one, after)
            whole_hour, said = hours.get(one.org_uuid, 0), former.get(one.org_uuid)
            found = verdict(one, after, whole_hour=whole_hour, former=said, span=span, now=now, rules=self._rules)
            verdicts += [] if found is None else [found]
        self._stores.ledger.write(self._source, verdicts, now)
