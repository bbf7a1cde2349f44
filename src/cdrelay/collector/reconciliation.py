"""Reconciling, source by source: once, or for ever at intervals.

Runs may overlap, also in several processes: fetching twice stores once, and the ledger keeps the later verdict.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import structlog

from cdrelay.clock import Clock
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.ledger import Ledger, ReconciliationReport
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.collector.receiving import IncidentLog
from cdrelay.collector.source_run import CountingLake, DrainingLoader, SourceRun, Stores, Tally
from cdrelay.collector.sources import Source, Sources
from cdrelay.contract.answers import ProviderUnavailable
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.errors import CdrelayError
from cdrelay.lake.spool import Spool
from cdrelay.provider_exchange import ClientLimits

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is with one source: spans done, of how many."""

    source: str
    done: int
    spans: int


class Reconciler:
    """Compares what each source's provider counts with what is stored, and fetches what is missing."""

    def __init__(
        self,
        sources: Sources,
        ledger: Ledger,
        lake: CountingLake,
        loader: DrainingLoader,
        spool: Spool,
        *,
        incidents: IncidentLog,
        clock: Clock,
        rules: Rules,
        limits: ClientLimits,
        every_seconds: float,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._sources = sources
        self._ledger = ledger
        self._stores = Stores(ledger, lake, loader, spool, new_id)
        self._incidents = incidents
        self._clock = clock
        self._rules = rules
        self._limits = limits
        self._every_seconds = every_seconds

    async def run(self) -> None:
        """Reconcile at once and then every `every_seconds`, for ever."""
        while True:
            try:
                await self.run_once()
            except Exception:  # noqa: BLE001 - the outermost loop: the next run may find the trouble gone
                _log.exception("reconciliation.failed")
            await self._clock.sleep(self._every_seconds)

    async def run_once(
        self, source_name: str | None = None, progress: Callable[[Progress], None] | None = None
    ) -> list[ReconciliationReport]:
        """One run over the named source, or over all that have an address and a token.

        Raises SourceUnknown, SecretUnreadable, DatabaseUnavailable when the sources cannot be read; all that goes wrong
        later is told in the reports.
        """
        everything = await asyncio.to_thread(self._sources.list)
        chosen = [one for one in everything if source_name == one.name or (source_name is None and _can_be_asked(one))]
        if source_name is not None and not chosen:
            raise SourceUnknown(source_name)
        return [await self._reconcile(one, len(everything) == 1, progress or (lambda _: None)) for one in chosen]

    async def _reconcile(
        self, source: Source, alone: bool, progress: Callable[[Progress], None]
    ) -> ReconciliationReport:
        started_at, requests, tally = self._clock.now(), 0, Tally()
        if source.api and source.token:
            async with PartnerClient(source.api, source.token, self._clock, self._limits) as client:
                run = SourceRun(source.name, client, self._stores, self._clock, self._rules, alone=alone)
                try:
                    await run.run(lambda done, spans: progress(Progress(source.name, done, spans)))
                except ProviderUnavailable:
                    run.tally.problems.append("the provider does not answer, so the run ended early")
                except CdrelayError as error:
                    run.tally.problems.insert(0, f"the run ended early: {error}")
            requests, tally = client.requests, run.tally
        else:
            tally.problems.append(
                "the source has no api address or no token; `cdrelay collector source set` gives it both"
            )
        report = ReconciliationReport(
            source=source.name,
            started_at=started_at,
            finished_at=self._clock.now(),
            requests=requests,
            windows=tally.windows,
            short=tally.short,
            repaired=tally.repaired,
            fetched=tally.fetched,
            lost=len(tally.lost),
            problem=tally.problem(),
        )
        await asyncio.to_thread(self._tell, report, tally)
        return report

    def _tell(self, report: ReconciliationReport, tally: Tally) -> None:
        """Log the run, keep it, and record as incidents what a person should see."""
        duration = (report.finished_at - report.started_at).total_seconds()
        _log.info(
            "reconciliation.finished",
            source=report.source,
            requests=report.requests,
            windows=report.windows,
            short=report.short,
            repaired=report.repaired,
            fetched=report.fetched,
            lost=report.lost,
            complete=report.problem is None,
            seconds=round(duration, 3),
        )
        if report.problem is not None:
            self._incidents.record("reconcile", f"source {report.source}: {report.problem}")
        if tally.lost:
            missing = sum(row.expected - row.stored for row in tally.lost)
            first, last = write_time(tally.lost[0].window.start), write_time(tally.lost[-1].window.end)
            lost = f"{missing} records of {len(tally.lost)} windows between {first} and {last} are lost"
            self._incidents.record("reconcile", f"source {report.source}: {lost}")
        try:
            self._ledger.keep_report(report)
        except CdrelayError as error:
            # The run is done and told; that it cannot be kept changes nothing about it.
            _log.warning("reconciliation.not_kept", source=report.source, reason=type(error).__name__)


def _can_be_asked(source: Source) -> bool:
    return source.api is not None and source.token is not None
