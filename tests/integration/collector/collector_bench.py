"""A collector over a real lake and a real provider, at a time that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import FastAPI

from cdrelay.clock import ManualClock
from cdrelay.collector.admission import ReceivingLimits
from cdrelay.collector.agenda import Agenda
from cdrelay.collector.aside import Aside
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.ledger_rows import ReconciliationReport
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.quarantine_counts import QuarantineByHour
from cdrelay.collector.receiving import Receiver
from cdrelay.collector.reconciliation import Reconciler, ReconcileRules
from cdrelay.collector.routes import AfterCommit, webhook_router
from cdrelay.collector.sources import SourceChange, Sources
from cdrelay.collector.stores import Stores
from cdrelay.contract.answers import Patience
from cdrelay.contract.history import HistoryRules
from cdrelay.contract.windows import Period
from cdrelay.lake.spool import Envelope, Spool
from cdrelay.provider_exchange import ClientLimits
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation, open_store
from cdrelay.wiring.collector import open_tokens
from tests.support.homes import prepared
from tests.support.provider import TOKEN, Call, Provider, body_of
from tests.support.server import serving as serving_app

START = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
LIMITS = ClientLimits(answer_seconds=10, body_bytes=10_000_000, patience=Patience(3, 0))
"""Waits of no length: a manual clock stands still."""


class Bench:
    """Open until `close`. The source is called `webex`; it has no provider until `reconciler` is asked for one."""

    def __init__(self, home: Path) -> None:
        self.clock = ManualClock(START)
        self.settings = read_settings({"CDRELAY_HOME": str(prepared(home)), "CDRELAY_DISK_RESERVE_BYTES": "0"})
        self.foundation = open_foundation(self.settings, self.clock)
        self.database = self.foundation.database
        self.incidents = self.foundation.incidents
        self.store = open_store(self.foundation, "collector")
        self.sources = Sources(self.database, self.foundation.secrets, self.clock)
        self.ledger = Ledger(self.database)
        self.aside = Aside(self.store.folder / "aside")
        self.manifests = Manifests(self.database)
        self.stores = Stores(
            ledger=self.ledger,
            agenda=Agenda(self.database, self.manifests),
            manifests=self.manifests,
            lake=self.store.lake,
            loader=self.store.loader,
            spool=self.store.spool,
            quarantine=QuarantineByHour(self.store.quarantine, self.store.lake.report_ids, self.settings.rules),
            new_id=lambda: str(uuid4()),
        )
        self.at_once = 4

    def close(self) -> None:
        """Close what was opened."""
        self.foundation.close()

    def receiver(
        self, *, body_limit: int = 10_000_000, unpacked_limit: int = 20_000_000, reserve: int = 0, **limits: Any
    ) -> Receiver:
        """On the bench's spool; `limits` are further ones of ReceivingLimits."""
        spool = Spool(self.store.spool.folder, reserve)
        bounds = ReceivingLimits(body_bytes=body_limit, unpacked_bytes=unpacked_limit, **limits)
        return Receiver(self.sources, spool, self.aside, self.incidents, self.clock, bounds)

    def reconciler(self, provider: Provider, name: str = "webex") -> Reconciler:
        """Over the real parts, with `provider` as that of a source."""
        if name not in {source.name for source in self.sources.list()}:
            self.sources.add(name, SourceChange(api=provider.base, token=TOKEN))
        # No pause between two questions to cdr_feed: a manual clock stands still.
        history = replace(HistoryRules(), first_requests=0)
        every = timedelta(hours=12)
        return Reconciler(
            self.sources,
            self.stores,
            open_tokens(self.foundation, self.sources).token_for,
            incidents=self.incidents,
            clock=self.clock,
            rules=ReconcileRules(
                rules=self.settings.rules, history=history, limits=LIMITS, every=every, at_once=self.at_once
            ),
        )

    def deliver(self, records: Iterable[Call], source: str = "webex") -> None:
        """As if a webhook had brought them."""
        envelope = Envelope(id=str(uuid4()), source=source, channel="webhook", received=self.clock.now())
        self.store.spool.put(envelope, body_of(records))

    def period(self, hour: int) -> Period:
        """That hour of the day."""
        start = START.replace(hour=hour, minute=0)
        return Period(start, start + timedelta(hours=1))

    def states(self) -> dict[tuple[str, int], str]:
        """The ledger where there were calls, by organization and hour of the day."""
        rows = [row for row in self.ledger.rows(most=100_000) if row.expected or row.stored]
        return {(row.org_uuid, row.window.start.hour): row.state for row in rows}


async def only(reconciler: Reconciler) -> ReconciliationReport:
    """The report of a run over one source."""
    (report,) = await reconciler.run_once()
    return report


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds; fail after ten seconds."""
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to hold")


@asynccontextmanager
async def serving(receiver: Receiver, after_commit: AfterCommit | None = None) -> AsyncIterator[str]:
    """The receiver over real HTTP; its address."""
    app = FastAPI()
    app.include_router(webhook_router(receiver, after_commit))
    async with serving_app(app) as address:
        yield address
