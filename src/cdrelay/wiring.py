"""Where real things are put together: the only place that knows all parts. What it opens it closes, last first."""

import fcntl
import random
import ssl
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import duckdb
from argon2 import PasswordHasher
from fastapi import FastAPI

from cdrelay import __version__
from cdrelay.clock import Clock, SystemClock
from cdrelay.collector.aside import Aside
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.receiving import Receiver
from cdrelay.collector.reconciliation import Reconciler
from cdrelay.collector.routes import webhook_router
from cdrelay.collector.sources import Sources
from cdrelay.contract.answers import Patience
from cdrelay.contract.history import HistoryRules
from cdrelay.control.database import Database
from cdrelay.control.incidents import Incidents
from cdrelay.control.receipts import Receipts
from cdrelay.control.secrets_at_rest import SecretBox
from cdrelay.errors import CdrelayError
from cdrelay.hub.oauth.consent_page import consent_router
from cdrelay.hub.oauth.tokens_page import TokensPage, tokens_router
from cdrelay.hub.openapi import install_openapi
from cdrelay.hub.routes import install_hub
from cdrelay.hub.setup.draft import Drafts
from cdrelay.hub.setup.log_routes import log_router
from cdrelay.hub.setup.parts import SetupParts
from cdrelay.hub.setup.routes import action_router, setup_router
from cdrelay.hub.setup.trial import Trials
from cdrelay.hub.sign_in.form import SignInPage
from cdrelay.hub.sign_in.password_page import password_router
from cdrelay.hub.sign_in.provider import Provider, ProviderSettings
from cdrelay.hub.sign_in.provider_routes import provider_router
from cdrelay.hub.sign_in.routes import install_refusals, sign_in_router
from cdrelay.hub.sign_in.sessions import SessionLimits, SignIn
from cdrelay.hub.status import CollectorStores, PublisherStores, StatusSource
from cdrelay.lake.engine import EngineLimits, open_engine
from cdrelay.lake.load import Loader, LoadLimits
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.spool import Spool
from cdrelay.lake.store import Lake
from cdrelay.lake.table import RecordTable
from cdrelay.lake.worker import LoadWorker
from cdrelay.provider_exchange import ClientLimits
from cdrelay.publisher.administrators import Administrators, SignInPolicy
from cdrelay.publisher.alert_mail import AlertMail, MailServer
from cdrelay.publisher.alert_sending import AlertSender, AlertWebhooks, watch_given_up
from cdrelay.publisher.alerts import Alerts
from cdrelay.publisher.api_errors import install_error_handlers
from cdrelay.publisher.callback import CallbackClient, CallbackLimits, trusted_authorities
from cdrelay.publisher.cuts import Cuts
from cdrelay.publisher.delivery_log import DeliveryLog
from cdrelay.publisher.directory import Directory
from cdrelay.publisher.directory_resources import open_directory_api
from cdrelay.publisher.entitlement import Entitlement
from cdrelay.publisher.history_api import history_router
from cdrelay.publisher.intake import Intake, IntakeLimits
from cdrelay.publisher.intake_routes import intake_router
from cdrelay.publisher.integrations import Integrations
from cdrelay.publisher.oauth import OAuth, TokenLifetimes
from cdrelay.publisher.outbox import Outbox
from cdrelay.publisher.partner_api import partner_router
from cdrelay.publisher.preparing import Preparation
from cdrelay.publisher.rate_limit import RateLimit
from cdrelay.publisher.recording import Attempts
from cdrelay.publisher.regions import Regions
from cdrelay.publisher.resending import Resending
from cdrelay.publisher.retry import RetryPolicy
from cdrelay.publisher.sending import Sender
from cdrelay.publisher.sources.record_sources import RecordSources
from cdrelay.publisher.sources.running import SourceReaders, SourceWorker
from cdrelay.publisher.sources.taking import Taker
from cdrelay.publisher.spreading import Spreader
from cdrelay.publisher.ticks import Ticker
from cdrelay.publisher.token_api import token_router
from cdrelay.publisher.webhooks import Webhooks
from cdrelay.serving import Worker
from cdrelay.settings import SettingError, Settings

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
    hasher: PasswordHasher
    """Says what hashing a password costs."""

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


def open_foundation(settings: Settings, clock: Clock | None = None, hasher: PasswordHasher | None = None) -> Foundation:
    """Open (at first: make) the home folder: control database, migrated, and the key of the secrets at rest.

    A clock and a hasher of passwords are given by tests alone.
    """
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    clock = clock or SystemClock()
    closing = ExitStack()
    database = Database(settings.home / "control.db")
    closing.callback(database.close)
    database.migrate()
    return Foundation(
        settings=settings,
        clock=clock,
        database=database,
        secrets=SecretBox(settings.home / "secret.key"),
        incidents=Incidents(database, clock),
        closing=closing,
        hasher=hasher or PasswordHasher(),
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
        keep_log=timedelta(days=settings.delivery_log_days) / settings.compress if settings.delivery_log_days else None,
    )
    resending = Resending(cuts, spreader, outbox, webhooks, clock, rules)
    record_sources = RecordSources(foundation.database, foundation.secrets, foundation.clock)
    return PublisherParts(store, directory, record_sources, webhooks, entitlement, outbox, cuts, ticker, resending)


def intake_limits(settings: Settings) -> IntakeLimits:
    """What the publisher believes of what it takes in, as set."""
    limits = load_limits(settings, "publisher")
    return IntakeLimits(settings.body_limit_bytes, settings.unpacked_limit_bytes, limits.max_age, limits.max_ahead)


def client_limits(settings: Settings) -> ClientLimits:
    """How a provider's endpoints are asked, as set."""
    return ClientLimits(
        answer_seconds=settings.api_seconds,
        body_bytes=settings.unpacked_limit_bytes,
        patience=Patience(settings.api_attempts, settings.api_retry_longest_seconds),
    )


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
    return [loading.run, reading.run, parts.ticker.run, *delivering]


def delivery_workers(foundation: Foundation, webhooks: Webhooks, outbox: Outbox) -> list[Worker]:
    """The loops that send deliveries and alerts. Raises SettingError."""
    settings, clock, database = foundation.settings, foundation.clock, foundation.database
    trust = _trust(settings)
    limits = callback_limits(settings)
    alerts = Alerts(database, clock, by_mail=bool(settings.mail_server))

    async def send() -> None:
        attempts = Attempts(database, clock, alerts)
        async with CallbackClient(limits, trust=trust) as callbacks:
            sender = Sender(
                outbox=outbox,
                attempts=attempts,
                preparation=Preparation(outbox, webhooks, attempts, sha256=settings.sign_sha256),
                callbacks=callbacks,
                incidents=foundation.incidents,
                clock=clock,
                policy=retry_policy(settings),
                slots=settings.deliveries_at_once,
                jitter=random.random,
            )
            await sender.run()

    async def tell_webhooks() -> None:
        async with CallbackClient(limits, trust=trust) as callbacks:
            channel = AlertWebhooks(webhooks, callbacks, sha256=settings.sign_sha256)
            await AlertSender("webhook", alerts, channel.tell, clock, random.random).run()

    async def tell_by_mail() -> None:
        channel = AlertMail(_mail_server(settings), trust, alerts.partner_name)
        try:
            await AlertSender("mail", alerts, channel.tell, clock, random.random).run()
        finally:
            channel.close()

    async def look() -> None:
        await watch_given_up(alerts, clock)

    return [send, tell_webhooks, look, *([tell_by_mail] if settings.mail_server else [])]


def retry_policy(settings: Settings) -> RetryPolicy:
    """When what failed is sent again, as set."""
    hours = settings.switch_off_after_hours
    return RetryPolicy(
        first=timedelta(seconds=settings.retry_first_seconds),
        longest=timedelta(seconds=settings.retry_longest_seconds),
        reach=settings.rules.reach,
        switch_off_after=timedelta(hours=hours) / settings.compress if hours else None,
    )


def callback_limits(settings: Settings) -> CallbackLimits:
    """What callbacks may do, as set."""
    return CallbackLimits(
        connect_seconds=settings.callback_connect_seconds,
        send_seconds=settings.callback_send_seconds,
        answer_seconds=settings.callback_answer_seconds,
        total_seconds=settings.callback_total_seconds,
        allow_http=settings.allow_http_callbacks,
        allow_private=settings.allow_callbacks_to_private_addresses,
    )


def _trust(settings: Settings) -> ssl.SSLContext:
    try:
        return trusted_authorities(Path(settings.callback_ca_file) if settings.callback_ca_file else None)
    except OSError as error:
        raise SettingError(
            f"callback_ca_file: {settings.callback_ca_file} holds no certificate authorities that can be read:"
            f" {error.strerror or error}"
        ) from error


def _mail_server(settings: Settings) -> MailServer:
    host, _, port = settings.mail_server.rpartition(":")
    return MailServer(
        host.strip("[]"),
        int(port),
        sender=settings.mail_from,
        starttls=settings.mail_starttls,
        user=settings.mail_user,
        password=settings.mail_password,
    )


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
    """Put the roles together in one app, and remove what a crash left half written. Nothing runs yet."""
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
    for spool in spools:
        spool.sweep()
    install_hub(app, status, spools, pages="hub" in roles)
    if "hub" in roles:
        _install_pages(app, foundation, publisher)
    install_openapi(app)
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


def open_administrators(foundation: Foundation) -> Administrators:
    """Who may sign in at the hub."""
    settings = foundation.settings
    policy = SignInPolicy(settings.sign_in_failures, timedelta(minutes=settings.sign_in_lock_minutes))
    return Administrators(foundation.database, foundation.clock, policy, foundation.hasher)


def open_oauth(foundation: Foundation) -> OAuth:
    """Consents and the tokens that follow from them."""
    settings = foundation.settings
    access, refresh = (timedelta(days=days) for days in (settings.access_token_days, settings.refresh_token_days))
    return OAuth(foundation.database, foundation.clock, TokenLifetimes(access, refresh))


def open_provider(foundation: Foundation) -> Provider:
    """The company's OpenID Connect provider. Raises SettingError."""
    settings = foundation.settings
    if not (settings.oidc_client_id and settings.oidc_client_secret):
        raise SettingError("oidc_issuer: oidc_client_id and oidc_client_secret go with it")
    own = ProviderSettings(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        allow_http=settings.allow_http_callbacks,
        trust=_trust(settings),
    )
    return Provider(own, foundation.clock)


def _install_pages(app: FastAPI, foundation: Foundation, publisher: PublisherParts | None) -> None:
    """The pages behind the sign-in; those about a webhook where its publisher runs."""
    settings, clock = foundation.settings, foundation.clock
    administrators = open_administrators(foundation)
    limits = SessionLimits(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))
    sign_in = SignIn(foundation.database, administrators, clock, limits)
    tries = RateLimit(clock, settings.sign_in_requests_per_minute, timedelta(minutes=1))
    page = SignInPage(sign_in, administrators.policy, tries, offers_provider=bool(settings.oidc_issuer))
    app.include_router(sign_in_router(page))
    app.include_router(password_router(page))
    install_refusals(app, sign_in)
    if page.offers_provider:
        app.include_router(provider_router(page, open_provider(foundation), foundation.secrets, clock))
    integrations, oauth = Integrations(foundation.database, clock), open_oauth(foundation)
    directory = Directory(foundation.database, clock)
    app.include_router(consent_router(sign_in, integrations, oauth, directory))
    longest = timedelta(days=settings.access_token_days)
    app.include_router(tokens_router(TokensPage(sign_in, integrations, oauth, directory, clock, longest), sign_in))
    if publisher is not None:
        parts = _setup_parts(foundation, publisher, sign_in)
        for router in (action_router(parts), setup_router(parts), log_router(parts)):
            app.include_router(router)


def _setup_parts(foundation: Foundation, publisher: PublisherParts, sign_in: SignIn) -> SetupParts:
    settings, clock, lake = foundation.settings, foundation.clock, publisher.store.lake
    limits, trust = callback_limits(settings), _trust(settings)
    return SetupParts(
        sign_in=sign_in,
        directory=publisher.directory,
        webhooks=publisher.webhooks,
        drafts=Drafts(foundation.secrets, clock),
        log=DeliveryLog(foundation.database),
        preview=lambda partner_id, period: publisher.entitlement.preview(partner_id, lake.period(period)),
        send_again=publisher.resending.send_again,
        trials=Trials(lambda: CallbackClient(limits, trust=trust), sha256=settings.sign_sha256),
        clock=clock,
        rules=settings.rules,
        send_empty_windows=settings.send_empty_windows,
    )


def _install_publisher(app: FastAPI, foundation: Foundation, parts: PublisherParts) -> None:
    settings = foundation.settings
    intake = Intake(parts.store.spool, intake_limits(settings))
    app.include_router(intake_router(parts.directory, intake, foundation.clock, parts.record_sources.pushing))
    directory, entitlement, lake, clock = parts.directory, parts.entitlement, parts.store.lake, foundation.clock
    regions, history = Regions.read(settings.region, settings.region_hosts), settings.history_rules
    rules, rate, pages = settings.partner_rules, settings.partner_rate, history.feed.pages
    partner_api = partner_router(directory, entitlement, lake, clock, rules, rate=rate, regions=regions, pages=pages)
    app.include_router(partner_api)
    load = parts.store.loader.drain
    app.include_router(history_router(directory, entitlement, lake, load, clock, history, regions))
    app.include_router(token_router(Integrations(foundation.database, clock), open_oauth(foundation)))
    app.include_router(open_directory_api(foundation.database, clock, open_administrators(foundation)))
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
