"""Reconciling the sources: for ever by the schedule, or once by hand.

Sources run side by side, a bounded number of requests at a time, and what leaves a provider's reach first goes first,
over all of them: a provider that does not answer holds up no other. Runs may overlap, also in several processes:
fetching twice stores once, and the ledger keeps what was asked last.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from cdrelay.clock import Clock
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.history_client import HistoryClient, Pace
from cdrelay.collector.incident_log import IncidentLog
from cdrelay.collector.ledger_rows import ReconciliationReport
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.collector.recount import Recount
from cdrelay.collector.repair_ladder import RepairLadder
from cdrelay.collector.schedule import Cause, DueHour, cause_of, due_hours, spans_due
from cdrelay.collector.slots import Slots
from cdrelay.collector.source_run import RunScope, SourceRun
from cdrelay.collector.sources import Source, Sources
from cdrelay.collector.stores import Stores
from cdrelay.collector.tally import Tally
from cdrelay.collector.uncompared import Uncompared
from cdrelay.contract.answers import ProviderUnavailable
from cdrelay.contract.history import HistoryRules
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.errors import CdrelayError
from cdrelay.provider_exchange import ClientLimits, TokenFor

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is with one source: hours done, of how many."""

    source: str
    done: int
    spans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileRules:
    """How reconciling behaves."""

    rules: Rules
    history: HistoryRules
    limits: ClientLimits
    every: timedelta
    """Between two comparisons of an hour while it is in reach."""
    at_once: int
    """Hours that are compared at a time, each of another source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to be compared by hand; None leaves nothing out."""

    source: str | None = None
    organization: str | None = None
    period: Period | None = None
    by_ids: bool = False
    """Fetch all records and compare their ids, also where the counts are equal."""


class Reconciler:
    """Compares what each source's provider counts with what is stored, and fetches what is missing."""

    def __init__(
        self,
        sources: Sources,
        stores: Stores,
        token_for: Callable[[str], TokenFor],
        *,
        incidents: IncidentLog,
        clock: Clock,
        rules: ReconcileRules,
    ) -> None:
        self._sources = sources
        self._stores = stores
        self._token_for = token_for
        self._incidents = incidents
        self._clock = clock
        self._how = rules
        self._rules = rules.rules
        self._slots = Slots(rules.at_once)
        self._paces: dict[str, Pace] = {}
        self._uncompared = Uncompared(stores, rules.rules)
        self._told: dict[str, str | None] = {}
        self.step: Callable[[str], None] = lambda source: None
        """Called with the name of a source each time it was looked after: what a test waits for."""

    async def run(self) -> None:
        """Look every minute what is due, and see to it, for ever."""
        started_at = self._clock.now()
        running: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                try:
                    await self._begin_due(started_at, running)
                except CdrelayError as error:
                    _log.warning("reconciliation.postponed", reason=str(error))
                except Exception:  # noqa: BLE001 - the outermost loop: the next look may find the trouble gone
                    _log.exception("reconciliation.failed")
                await self._clock.sleep(self._rules.tick.total_seconds() / 5)
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    async def _begin_due(self, started_at: datetime, running: dict[str, asyncio.Task[None]]) -> None:
        everything = await asyncio.to_thread(self._sources.list)
        alone = len(await asyncio.to_thread(self._sources.names)) == 1
        for source in everything:
            if source.kind != "webhook" or (source.name in running and not running[source.name].done()):
                continue
            running[source.name] = asyncio.create_task(self._look_after(source, started_at, alone=alone))

    async def _look_after(self, source: Source, started_at: datetime, *, alone: bool) -> None:
        """One look at a source: what is due of it, and a run where something is."""
        try:
            now = self._clock.now()
            facts = await asyncio.to_thread(self._stores.agenda.facts, source.name, now, self._rules, started_at)
            due = due_hours(facts, now, self._rules, self._how.every) if source.reconcilable else []
            gone = now - self._rules.reach
            waiting = await asyncio.to_thread(self._stores.ledger.short, source.name, ended_by=gone, due_by=now)
            if due or (waiting and source.reconcilable):
                scope = RunScope(alone=alone)
                await self._reconcile(source, due, scope, cause_of(due), lambda done, hours: None)
            await asyncio.to_thread(self._uncompared.note, source, now, alone=alone)
        except CdrelayError as error:
            _log.warning("reconciliation.postponed", source=source.name, reason=str(error))
        except Exception:  # noqa: BLE001 - one source's trouble is not the others'
            _log.exception("reconciliation.source_failed", source=source.name)
        self.step(source.name)

    async def run_once(
        self,
        source_name: str | None = None,
        progress: Callable[[Progress], None] | None = None,
        asked: Asked | None = None,
    ) -> list[ReconciliationReport]:
        """One run by hand over the named source, or over all that have an address and a token; all hours in reach.

        Raises SourceUnknown, SecretUnreadable, DatabaseUnavailable when the sources cannot be read; all that goes wrong
        later is told in the reports.
        """
        asked = asked or Asked(source=source_name)
        name, show = asked.source, progress or (lambda _: None)
        if name is None:
            chosen = [one for one in await asyncio.to_thread(self._sources.list) if one.reconcilable]
        else:
            chosen = [await asyncio.to_thread(self._sources.get, name)]
        alone = len(await asyncio.to_thread(self._sources.names)) == 1
        runs = [self._by_hand(one, asked, show, alone=alone) for one in chosen]
        return list(await asyncio.gather(*runs))

    async def _by_hand(
        self, source: Source, asked: Asked, show: Callable[[Progress], None], *, alone: bool
    ) -> ReconciliationReport:
        period = asked.period
        due = [
            DueHour(span.start + self._rules.reach, source.name, span, "hand")
            for span in spans_due(self._clock.now(), self._rules)
            if period is None or (span.start < period.end and period.start < span.end)
        ]
        scope = RunScope(alone=alone, organization=asked.organization, by_ids=asked.by_ids, by_hand=True)

        def told(done: int, spans: int) -> None:
            show(Progress(source.name, done, spans))

        report = await self._reconcile(source, due, scope, "hand", told)
        with suppress(SourceUnknown):  # removed meanwhile, which the report tells
            if period is not None:
                recount = Recount(self._stores, self._rules)
                await asyncio.to_thread(recount.incomplete, source.name, self._clock.now(), period, asked.organization)
            await asyncio.to_thread(self._uncompared.note, source, self._clock.now(), alone=alone)
        return report

    async def _reconcile(
        self,
        source: Source,
        due: Sequence[DueHour],
        scope: RunScope,
        cause: Cause,
        progress: Callable[[int, int], None],
    ) -> ReconciliationReport:
        started_at, requests, tally = self._clock.now(), 0, Tally()
        if source.api is None or not source.reconcilable:
            tally.problems.append(_unasked(source))
        else:
            token = self._token_for(source.name)
            async with (
                PartnerClient(source.api, token, self._clock, self._how.limits) as client,
                self._history(source, token) as history,
            ):
                run = SourceRun(source.name, client, self._stores, self._clock, self._rules, scope)
                tally = run.tally
                ladder = RepairLadder(source.name, history, self._stores, self._clock, self._rules, self._how.history)
                try:
                    await run.run(due, self._slots, progress)
                    await ladder.climb(tally)
                except ProviderUnavailable:
                    tally.ended = "the provider does not answer, so the run ended early"
                    tally.problems.append(tally.ended)
                except CdrelayError as error:
                    tally.ended = f"the run ended early: {error}"
                    tally.problems.insert(0, tally.ended)
            requests = client.requests + history.requests
        report = ReconciliationReport(
            source=source.name,
            started_at=started_at,
            finished_at=self._clock.now(),
            requests=requests,
            windows=tally.windows,
            short=tally.short,
            repaired=tally.repaired,
            fetched=tally.fetched,
            lost=tally.lost,
            problem=tally.problem(),
            cause=cause,
        )
        await asyncio.to_thread(self._tell, report, tally)
        return report

    @asynccontextmanager
    async def _history(self, source: Source, token: TokenFor) -> AsyncIterator[HistoryClient]:
        base = source.history_base or ""
        pace = self._paces.setdefault(source.name, Pace(self._clock, self._how.history))
        how = self._how
        async with HistoryClient(base, token, self._clock, how.limits, how.history, pace) as history:
            yield history

    def _tell(self, report: ReconciliationReport, tally: Tally) -> None:
        """Log the run, keep it, and record as incidents what a person should see: the same problem once."""
        duration = (report.finished_at - report.started_at).total_seconds()
        _log.info(
            "reconciliation.finished",
            source=report.source,
            cause=report.cause,
            requests=report.requests,
            windows=report.windows,
            short=report.short,
            repaired=report.repaired,
            fetched=report.fetched,
            lost=report.lost,
            complete=report.problem is None,
            seconds=round(duration, 3),
        )
        what = tally.ended or report.problem
        if report.problem is not None and self._told.get(report.source) != what:
            self._incidents.record("reconcile", f"source {report.source}: {report.problem}")
        self._told[report.source] = what
        if tally.told_lost is not None:
            self._incidents.record("reconcile", f"source {report.source}: {tally.told_lost}")
        try:
            self._stores.ledger.keep_report(report)
        except CdrelayError as error:
            # The run is done and told; that it cannot be kept changes nothing about it.
            _log.warning("reconciliation.not_kept", source=report.source, reason=type(error).__name__)


def _unasked(source: Source) -> str:
    """Why the provider of a source cannot be asked, and what to do."""
    if source.kind != "webhook":
        return "the source is pulled; there are no counts to compare with"
    if source.api is None:
        return f"the source has no address of its provider; `cdrelay collector source set {source.name} --api URL`"
    return f"there is no token for the provider; `cdrelay collector login {source.name}` gets one"
