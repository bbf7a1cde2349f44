"""The collector half: its parts, its loops and its routes."""

from dataclasses import dataclass

from fastapi import FastAPI

from cdrelay.collector.aside import Aside
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.receiving import Receiver
from cdrelay.collector.reconciliation import Reconciler
from cdrelay.collector.routes import webhook_router
from cdrelay.collector.sources import Sources
from cdrelay.control.database import Database
from cdrelay.lake.worker import LoadWorker
from cdrelay.serving import Worker
from cdrelay.wiring.foundation import Foundation, Store, client_limits, open_store


@dataclass(frozen=True, slots=True)
class CollectorParts:
    """The collector half."""

    store: Store
    database: Database
    sources: Sources
    ledger: Ledger
    reconciler: Reconciler


def open_collector(foundation: Foundation) -> CollectorParts:
    """Open (at first: make) the collector half of a home folder."""
    settings, store = foundation.settings, open_store(foundation, "collector")
    sources = Sources(foundation.database, foundation.secrets, foundation.clock)
    ledger = Ledger(foundation.database)
    reconciler = Reconciler(
        sources,
        ledger,
        store.lake,
        store.loader,
        store.spool,
        incidents=foundation.incidents,
        clock=foundation.clock,
        rules=settings.rules,
        limits=client_limits(settings),
        every_seconds=settings.reconcile_every_minutes * 60 / settings.compress,
    )
    return CollectorParts(store, foundation.database, sources, ledger, reconciler)


def collector_workers(foundation: Foundation, parts: CollectorParts) -> list[Worker]:
    """The collector's loops: loading, reconciliation."""
    loading = LoadWorker(parts.store.loader, foundation.clock, foundation.incidents.record)
    return [loading.run, parts.reconciler.run]


def install_collector(app: FastAPI, foundation: Foundation, parts: CollectorParts) -> None:
    """Add the collector's routes."""
    settings = foundation.settings
    receiver = Receiver(
        parts.sources,
        parts.store.spool,
        Aside(parts.store.folder / "aside", reserve_bytes=settings.disk_reserve_bytes),
        foundation.incidents,
        foundation.clock,
        body_limit_bytes=settings.body_limit_bytes,
        unpacked_limit_bytes=settings.unpacked_limit_bytes,
    )
    app.include_router(webhook_router(receiver))
