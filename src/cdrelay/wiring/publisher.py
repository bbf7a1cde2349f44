"""The publisher half: its parts, its loops and its routes."""

from dataclasses import dataclass

from fastapi import FastAPI

from cdrelay.contract.history import HistoryRules
from cdrelay.lake.worker import LoadWorker
from cdrelay.publisher.access.integrations import Integrations
from cdrelay.publisher.access.token_api import token_router
from cdrelay.publisher.api.backlog import Backlog
from cdrelay.publisher.api.history_api import history_router
from cdrelay.publisher.api.partner_api import partner_router
from cdrelay.publisher.api.regions import Regions
from cdrelay.publisher.api_errors import install_error_handlers
from cdrelay.publisher.delivery.cuts import Cuts
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.delivery.resending import Resending
from cdrelay.publisher.delivery.spreading import Spreader
from cdrelay.publisher.delivery.ticks import Ticker
from cdrelay.publisher.delivery.webhooks import Webhooks
from cdrelay.publisher.directory.entitlement import Entitlement
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.directory_api.resources import open_directory_api
from cdrelay.publisher.intake.routes import intake_router
from cdrelay.publisher.intake.taking import Intake
from cdrelay.publisher.sources.limits import IntakeLimits
from cdrelay.publisher.sources.record_sources import RecordSources
from cdrelay.publisher.sources.running import SourceReaders, SourceWorker
from cdrelay.publisher.sources.taking import Taker
from cdrelay.serving import Worker
from cdrelay.settings import Settings
from cdrelay.wiring.access import open_administrators, open_oauth
from cdrelay.wiring.delivering import delivery_workers
from cdrelay.wiring.forgetting import delivery_log, forgetting, of_publisher
from cdrelay.wiring.foundation import Foundation, Store, client_limits, load_limits, open_store


@dataclass(frozen=True, slots=True)
class PublisherParts:
    """The publisher half."""

    store: Store
    directory: Directory
    record_sources: RecordSources
    webhooks: Webhooks
    entitlement: Entitlement
    outbox: Outbox
    cuts: Cuts
    ticker: Ticker
    resending: Resending


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
    clock, rules = foundation.clock, settings.rules
    spreader = Spreader(store.lake, entitlement, outbox, clock, rules, send_empty_windows=settings.send_empty_windows)
    ticker = Ticker(
        cuts=cuts,
        lake=store.lake,
        loader=store.loader,
        webhooks=webhooks,
        spreader=spreader,
        outbox=outbox,
        incidents=foundation.incidents,
        clock=clock,
        rules=rules,
        keep_log=delivery_log(settings),
        believes=foundation.seen_clock.believes,
    )
    resending = Resending(cuts, spreader, outbox, webhooks, clock, rules)
    record_sources = RecordSources(foundation.database, foundation.secrets, foundation.clock)
    return PublisherParts(store, directory, record_sources, webhooks, entitlement, outbox, cuts, ticker, resending)


def intake_limits(settings: Settings) -> IntakeLimits:
    """What the publisher believes of what it takes in, as set."""
    limits = load_limits(settings, "publisher")
    return IntakeLimits(settings.body_limit_bytes, settings.unpacked_limit_bytes, limits.max_age, limits.max_ahead)


def source_readers(foundation: Foundation, parts: PublisherParts) -> SourceReaders:
    """What reads the sources of records."""
    settings = foundation.settings
    return SourceReaders(
        parts.record_sources,
        Taker(parts.store.spool, foundation.clock, intake_limits(settings)),
        parts.store.quarantine,
        foundation.clock,
        limits=client_limits(settings),
        rules=HistoryRules().compressed(settings.compress),
        report=foundation.incidents.record,
    )


def publisher_workers(foundation: Foundation, parts: PublisherParts) -> list[Worker]:
    """The publisher's loops: loading, sources, ticks, sending, alerts. Raises SettingError."""
    loading = LoadWorker(parts.store.loader, foundation.clock, foundation.incidents.record)
    delivering = delivery_workers(foundation, parts.webhooks, parts.outbox)
    reading = SourceWorker(
        parts.record_sources, source_readers(foundation, parts), foundation.clock, foundation.incidents.record
    )
    pruning = forgetting(foundation, of_publisher(foundation))
    return [loading.run, reading.run, parts.ticker.run, pruning, *delivering]


def install_publisher(app: FastAPI, foundation: Foundation, parts: PublisherParts) -> None:
    """Add the publisher's routes."""
    settings = foundation.settings
    intake = Intake(parts.store.spool, intake_limits(settings))
    app.include_router(intake_router(parts.directory, intake, foundation.clock, parts.record_sources.pushing))
    directory, entitlement, lake, clock = parts.directory, parts.entitlement, parts.store.lake, foundation.clock
    regions, history = Regions.read(settings.region, settings.region_hosts), settings.history_rules
    rules, rate, pages = settings.partner_rules, settings.partner_rate, history.feed.pages
    backlog = Backlog(parts.store.spool, parts.store.loader.drain, clock, rules.settle)
    app.include_router(
        partner_router(directory, entitlement, lake, backlog, clock, rules, rate=rate, regions=regions, pages=pages)
    )
    app.include_router(history_router(directory, entitlement, lake, backlog, clock, history, regions))
    app.include_router(token_router(Integrations(foundation.database, clock), open_oauth(foundation)))
    app.include_router(open_directory_api(foundation.database, clock, open_administrators(foundation)))
    install_error_handlers(app)
