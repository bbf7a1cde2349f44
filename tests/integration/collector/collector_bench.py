"""A collector over a real lake and a real provider, at a time that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from fastapi import FastAPI

from cdrelay.clock import ManualClock
from cdrelay.collector.aside import Aside
from cdrelay.collector.ledger import Ledger, ReconciliationReport
from cdrelay.collector.receiving import Receiver
from cdrelay.collector.reconciliation import Reconciler
from cdrelay.collector.routes import webhook_router
from cdrelay.collector.sources import SourceChange, Sources
from cdrelay.contract.answers import Patience
from cdrelay.lake.spool import Envelope, Spool
from cdrelay.provider_exchange import ClientLimits
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation, open_store
from tests.support.provider import TOKEN, Call, Provider, body_of
from tests.support.server import serving as serving_app

START = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
LIMITS = ClientLimits(answer_seconds=10, body_bytes=10_000_000, patience=Patience(3, 0))
"""Waits of no length: a manual clock stands still."""


class Bench:
    """Open until `close`. The source is called `webex`; it has no provider until `reconciler` is asked for one."""

    def __init__(self, home: Path) -> None:
        self.clock = ManualClock(START)
        self.settings = read_settings({"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0"})
        self.foundation = open_foundation(self.settings, self.clock)
        self.database = self.foundation.database
        self.incidents = self.foundation.incidents
        self.store = open_store(self.foundation, "collector")
        self.sources = Sources(self.database, self.foundation.secrets, self.clock)
        self.ledger = Ledger(self.database)
        self.aside = Aside(self.store.folder / "aside")

    def close(self) -> None:
        """Close what was opened."""
        self.foundation.close()

    def receiver(self, *, body_limit: int = 10_000_000, unpacked_limit: int = 20_000_000, reserve: int = 0) -> Receiver:
        """On the bench's spool."""
        spool = Spool(self.store.spool.folder, reserve)
        return Receiver(
            self.sources,
            spool,
            self.aside,
            self.incidents,
            self.clock,
            body_limit_bytes=body_limit,
            unpacked_limit_bytes=unpacked_limit,
        )

    def reconciler(self, provider: Provider, name: str = "webex") -> Reconciler:
        """Over the real parts, with `provider` as that of a source."""
        if name not in {source.name for source in self.sources.list()}:
            self.sources.add(name, SourceChange(api=provider.base, token=TOKEN))
        return Reconciler(
            self.sources,
            self.ledger,
            self.store.lake,
            self.store.loader,
            self.store.spool,
            incidents=self.incidents,
            clock=self.clock,
            rules=self.settings.rules,
            limits=LIMITS,
            every_seconds=43_200,
        )

    def deliver(self, records: Iterable[Call], source: str = "webex") -> None:
        """As if a webhook had brought them."""
        envelope = Envelope(id=str(uuid4()), source=source, channel="webhook", received=self.clock.now())
        self.store.spool.put(envelope, body_of(records))

    def states(self) -> dict[tuple[str, int], str]:
        """The ledger, by organization and hour of the day."""
        return {(row.org_uuid, row.window.start.hour): row.state for row in self.ledger.rows(most=100_000)}


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
async def serving(receiver: Receiver) -> AsyncIterator[str]:
    """The receiver over real HTTP; its address."""
    app = FastAPI()
    app.include_router(webhook_router(receiver))
    async with serving_app(app) as address:
        yield address
