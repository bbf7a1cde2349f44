"""Where real things are put together: the only place that knows all parts. What it opens it closes, last first."""

import fcntl
import random
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import duckdb
from fastapi import FastAPI

from cdrelay import __version__
from cdrelay.clock import Clock, SystemClock
from cdrelay.collector.answers import Patience
from cdrelay.collector.aside import Aside
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.partner_client import ClientLimits
from cdrelay.collector.receiving import Receiver
from cdrelay.collector.reconciliation import Reconciler
from cdrelay.collector.routes import webhook_router
from cdrelay.collector.sources import Sources
from cdrelay.control.database import Database
from cdrelay.control.incidents import Incidents
from cdrelay.control.receipts import Receipts
from cdrelay.control.secrets_at_rest import SecretBox
from cdrelay.errors import CdrelayError
from cdrelay.hub.routes import install_hub
from cdrelay.hub.status import CollectorStores, PublisherStores, StatusSource
from cdrelay.lake.engine import EngineLimits, open_engine
from cdrelay.lake.load import Loader, LoadLimits
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.spool import Spool
from cdrelay.lake.store import Lake
from cdrelay.lake.table import RecordTable
from cdrelay.lake.worker import LoadWorker
from cdrelay.publisher.api_errors import install_error_handlers
from cdrelay.publisher.callback import CallbackClient, CallbackLimits
from cdrelay.publisher.cuts import Cuts
from cdrelay.publisher.directory import Directory
from cdrelay.publisher.entitlement import Entitlement
from cdrelay.publisher.history_api import history_router
from cdrelay.publisher.intake import Intake, IntakeLimits
from cdrelay.publisher.intake_routes import intake_router
from cdrelay.publisher.outbox import Outbox
from cdrelay.publisher.partner_api import partner_router
from cdrelay.publisher.retry import RetryPolicy
from cdrelay.publisher.sending import Sender
from cdrelay.publisher.ticks import Ticker
from cdrelay.publisher.webhooks import Webhooks
from cdrelay.serving import Worker
from cdrelay.settings import Settings

HalfName = Literal["publisher", "collector"]
Role = Literal["publisher", "collector", "hub"]


@dataclass(frozen=True, slots=True)
class Foundation:
    """What both halves stand on."""

    settings: Settings
    clock: Clock
    database: Database
    secrets: SecretBox
    incidents: Incidents
    closing: ExitStack

    def close(self) -> None:
        """Close all that was opened on it, last first."""
        self.closing.close()


@dataclass(frozen=True, slots=True)
class Store:
    """A lake with its spool, loader and quarantine: each half has one of its own."""

    folder: Path
    spool: Spool
    lake: Lake
    loader: Loader
    quarantine: Quarantine
    engine: duckdb.DuckDBPyConnection


def open_foundation(settings: Settings, clock: Clock | None = None) -> Foundation:
    """Open (at first: make) the home folder: control database, migrated, and the key of the secrets at rest."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    clock = clock or SystemClock()
    closing = ExitStack()
    database = Database(settings.home / "control.db")
    closing.callback(database.close)
    database.migrate()
    return Foundation(
        settings, clock, database, SecretBox(settings.home / "secret.key"), Incidents(database, clock), closing
    )


class RoleTaken(CdrelayError):
    """Another process runs a role on this home folder."""


def claim_roles(foundation: Foundation, roles: Iterable[Role]) -> None:
    """Make sure that each role runs once on a home folder: two senders would deliver twice. Raises RoleTaken.

    The claim ends with the foundation, and with the process however it ends.
    """
    for role in sorted(roles):
        file = foundation.closing.enter_context((foundation.settings.home / f"{role}.lock").open("w"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RoleTaken(
                f"the {role} of {foundation.settings.home} runs already; stop it, or use another home with CDRELAY_HOME"
            ) from None


def load_limits(settings: Settings, half: HalfName) -> LoadLimits:
    """The bounds of a load, as set."""
    keep_hours = settings.publisher_keep_hours if half == "publisher" else settings.collector_keep_days * 24
    return LoadLimits(
        batch_bytes=settings.load_batch_bytes,
        unpacked_bytes=settings.unpacked_limit_bytes,
        version_reach=timedelta(hours=settings.version_reach_hours),
        max_age=timedelta(days=settings.record_max_age_days),
        max_ahead=timedelta(minutes=settings.record_max_ahead_minutes),
        keep=timedelta(hours=keep_hours) / settings.compress if keep_hours else None,
    )


def open_store(foundation: Foundation, half: HalfName) -> Store:
    """Open (at first: make) one half's lake and spool in the home folder."""
    settings, folder = foundation.settings, foundation.settings.home / half
    scratch = folder / "scratch"
    engine = open_engine(EngineLimits(settings.engine_memory_megabytes, settings.engine_threads), scratch)
    foundation.closing.callback(engine.close)
    spool = Spool(folder / "spool", settings.disk_reserve_bytes)
    quarantine = Quarantine(folder / "quarantine")
    table = RecordTable(folder / "lake")
    loader = Loader(
        spool,
        table,
        engine,
        quarantine,
        foundation.clock,
        load_limits(settings, half),
        Receipts(foundation.database, half).keep,
    )
    return Store(folder, spool, Lake(table, engine), loader, quarantine, engine)


@dataclass(frozen=True, slots=True)
class PublisherParts:
    """The publisher half."""

    store: Store
    directory: Directory
    webhooks: Webhooks
    entitlement: Entitlement
    outbox: Outbox
    cuts: Cuts
    ticker: Ticker


def open_publisher(foundation: Foundation) -> PublisherParts:
    """Open (at first: make) the publisher half of a home folder."""
    settings, store = foundation.settings, open_store(foundation, "publisher")
    directory = Directory(foundation.database, foundation.clock)
    webhooks = Webhooks(
        foundation.database,
        foundation.secrets,
        foundation.clock,
        allow_http_callbacks=settings.allow_http_callbacks,
    )
    entitlement = Entitlement(foundation.database)
    outbox = Outbox(foundation.database, store.folder / "outbox", foundation.clock)
    cuts = Cuts(foundation.database)
    ticker = Ticker(
        cuts=cuts,
        lake=store.lake,
        loader=store.loader,
        webhooks=webhooks,
        entitlement=entitlement,
        outbox=outbox,
        incidents=foundation.incidents,
        clock=foundation.clock,
        rules=settings.rules,
        send_empty_windows=settings.send_empty_windows,
    )
    return PublisherParts(store, directory, webhooks, entitlement, outbox, cuts, ticker)


def publisher_workers(foundation: Foundation, parts: PublisherParts) -> list[Worker]:
    """The publisher's loops: loading, ticks, sending."""
    settings = foundation.settings
    limits = CallbackLimits(
        connect_seconds=settings.callback_connect_seconds,
        total_seconds=settings.callback_total_seconds,
        allow_http=settings.allow_http_callbacks,
        allow_private=settings.allow_callbacks_to_private_addresses,
    )
    policy = RetryPolicy(
        first=timedelta(seconds=settings.retry_first_seconds),
        longest=timedelta(seconds=settings.retry_longest_seconds),
        reach=settings.rules.reach,
    )

    async def send() -> None:
        async with CallbackClient(limits) as callbacks:
            sender = Sender(
                outbox=parts.outbox,
                webhooks=parts.webhooks,
                callbacks=callbacks,
                incidents=foundation.incidents,
                clock=foundation.clock,
                policy=policy,
                slots=settings.deliveries_at_once,
                jitter=random.random,
            )
            await sender.run()

    loading = LoadWorker(parts.store.loader, foundation.clock, foundation.incidents.record)
    return [loading.run, parts.ticker.run, send]


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
        limits=ClientLimits(
            answer_seconds=settings.api_seconds,
            body_bytes=settings.unpacked_limit_bytes,
            patience=Patience(settings.api_attempts, settings.api_retry_longest_seconds),
        ),
        every_seconds=settings.reconcile_every_minutes * 60 / settings.compress,
    )
    return CollectorParts(store, foundation.database, sources, ledger, reconciler)


def collector_workers(foundation: Foundation, parts: CollectorParts) -> list[Worker]:
    """The collector's loops: loading, reconciliation."""
    loading = LoadWorker(parts.store.loader, foundation.clock, foundation.incidents.record)
    return [loading.run, parts.reconciler.run]


@dataclass(frozen=True, slots=True)
class Running:
    """A process to be: its app, its loops and the halves in it."""

    foundation: Foundation
    app: FastAPI
    workers: list[Worker]
    status: StatusSource
    publisher: PublisherParts | None
    collector: CollectorParts | None


def assemble(foundation: Foundation, roles: frozenset[Role]) -> Running:
    """Put the roles together in one app. Nothing runs yet."""
    publisher = open_publisher(foundation) if "publisher" in roles else None
    collector = open_collector(foundation) if "collector" in roles else None
    app = FastAPI(title="cdrelay", version=__version__, docs_url=None, redoc_url=None)
    workers: list[Worker] = []
    if publisher is not None:
        workers += publisher_workers(foundation, publisher)
        _install_publisher(app, foundation, publisher)
    if collector is not None:
        workers += collector_workers(foundation, collector)
        _install_collector(app, foundation, collector)
    status = _status_source(foundation, publisher, collector)
    spools = [half.store.spool for half in (publisher, collector) if half is not None]
    install_hub(app, status, spools, pages="hub" in roles)
    return Running(foundation, app, workers, status, publisher, collector)


def _status_source(
    foundation: Foundation, publisher: PublisherParts | None, collector: CollectorParts | None
) -> StatusSource:
    return StatusSource(
        foundation.database,
        foundation.incidents,
        foundation.clock,
        foundation.settings.rules,
        None
        if publisher is None
        else PublisherStores(publisher.store.lake, publisher.store.spool, publisher.cuts, publisher.outbox),
        None if collector is None else CollectorStores(collector.store.lake, collector.store.spool, collector.ledger),
    )


def _install_publisher(app: FastAPI, foundation: Foundation, parts: PublisherParts) -> None:
    settings, limits = foundation.settings, load_limits(foundation.settings, "publisher")
    intake = Intake(
        parts.store.spool,
        IntakeLimits(settings.body_limit_bytes, settings.unpacked_limit_bytes, limits.max_age, limits.max_ahead),
    )
    app.include_router(intake_router(parts.directory, intake, foundation.clock))
    directory, entitlement, lake, clock = parts.directory, parts.entitlement, parts.store.lake, foundation.clock
    app.include_router(partner_router(directory, entitlement, lake, clock, settings.rules))
    load = parts.store.loader.drain
    app.include_router(history_router(directory, entitlement, lake, load, clock, settings.history_rules))
    install_error_handlers(app)


def _install_collector(app: FastAPI, foundation: Foundation, parts: CollectorParts) -> None:
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
