"""The collector half: its parts, its loops and its routes."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from fastapi import FastAPI

from cdrelay.collector.agenda import Agenda
from cdrelay.collector.alarms.store import Alarms
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.pull_loops import PullLoops
from cdrelay.collector.pulling import Puller
from cdrelay.collector.quarantine_counts import QuarantineByHour
from cdrelay.collector.reconciliation import Reconciler, ReconcileRules
from cdrelay.collector.refusals import RefusalCounts
from cdrelay.collector.sources import Sources
from cdrelay.collector.stores import Stores
from cdrelay.collector.token_exchange import TokenExchange
from cdrelay.collector.token_safe import TokenSafe
from cdrelay.collector.tokens import Tokens
from cdrelay.contract.history import HistoryRules
from cdrelay.control.database import Database
from cdrelay.lake.worker import LoadWorker
from cdrelay.serving import Worker
from cdrelay.settings import Settings
from cdrelay.wiring.alarms import alarm_workers, open_alarms
from cdrelay.wiring.forgetting import forgetting, of_collector
from cdrelay.wiring.foundation import Foundation, Store, client_limits, open_store
from cdrelay.wiring.receiving import open_webhooks


@dataclass(frozen=True, slots=True)
class CollectorParts:
    """The collector half."""

    store: Store
    database: Database
    sources: Sources
    tokens: Tokens
    ledger: Ledger
    stores: Stores
    reconciler: Reconciler
    alarms: Alarms
    refused: RefusalCounts = field(default_factory=RefusalCounts)
    """Of deliveries, in this process."""


def open_collector(foundation: Foundation) -> CollectorParts:
    """Open (at first: make) the collector half of a home folder."""
    settings, store = foundation.settings, open_store(foundation, "collector")
    sources = Sources(foundation.database, foundation.secrets, foundation.clock)
    tokens = open_tokens(foundation, sources)
    ledger = Ledger(foundation.database)
    stores = Stores(
        ledger=ledger,
        agenda=Agenda(foundation.database, Manifests(foundation.database)),
        manifests=Manifests(foundation.database),
        lake=store.lake,
        loader=store.loader,
        spool=store.spool,
        quarantine=QuarantineByHour(store.quarantine, store.lake.report_ids, settings.rules),
        new_id=lambda: str(uuid4()),
    )
    reconciler = Reconciler(
        sources,
        stores,
        tokens.token_for,
        incidents=foundation.incidents,
        clock=foundation.clock,
        rules=reconcile_rules(settings),
    )
    return CollectorParts(
        store, foundation.database, sources, tokens, ledger, stores, reconciler, open_alarms(foundation)
    )


def reconcile_rules(settings: Settings) -> ReconcileRules:
    """How reconciling behaves, as set."""
    return ReconcileRules(
        rules=settings.rules,
        history=HistoryRules().compressed(settings.compress),
        limits=client_limits(settings),
        every=timedelta(minutes=settings.reconcile_every_minutes) / settings.compress,
        at_once=settings.reconcile_at_once,
    )


def open_token_exchange(foundation: Foundation) -> TokenExchange:
    """What asks providers for tokens."""
    return TokenExchange(foundation.clock, foundation.settings.api_seconds)


def open_tokens(foundation: Foundation, sources: Sources) -> Tokens:
    """What keeps the sources' tokens valid."""
    safe = TokenSafe(foundation.settings.home / "collector" / "tokens", foundation.secrets)
    return Tokens(sources, open_token_exchange(foundation), safe, foundation.clock, foundation.incidents)


def collector_workers(foundation: Foundation, parts: CollectorParts) -> list[Worker]:
    """The collector's loops: loading, reconciliation, tokens, pulling, alarms. Raises SettingError."""
    loading = LoadWorker(parts.store.loader, foundation.clock, foundation.incidents.record)
    pulling = PullLoops(parts.sources, open_puller(foundation, parts), foundation.clock, foundation.incidents)
    alarms = alarm_workers(foundation, parts.store, parts.alarms)
    pruning = forgetting(foundation, of_collector(foundation, parts.stores.manifests, parts.alarms))
    return [loading.run, parts.reconciler.run, parts.tokens.run, pulling.run, pruning, *alarms]


def open_puller(foundation: Foundation, parts: CollectorParts) -> Puller:
    """What pulls the sources that do not deliver."""
    return Puller(
        parts.sources,
        parts.tokens,
        parts.store.spool,
        incidents=foundation.incidents,
        clock=foundation.clock,
        rules=HistoryRules().compressed(foundation.settings.compress),
        limits=client_limits(foundation.settings),
    )


def install_collector(app: FastAPI, foundation: Foundation, parts: CollectorParts) -> None:
    """Add the collector's routes."""
    app.include_router(open_webhooks(foundation, parts.sources, parts.store, parts.refused))
