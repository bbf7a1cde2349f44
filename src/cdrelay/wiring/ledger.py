"""The ledger for people and programs: its pages, its endpoints, its certificates."""

import socket
from functools import partial

from fastapi import FastAPI

from cdrelay.collector.agenda import Agenda
from cdrelay.collector.certification import Certificates
from cdrelay.collector.heat_map import HeatMaps
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.silence import Silence
from cdrelay.hub.ledger.api import ledger_api
from cdrelay.hub.ledger.parts import LedgerParts
from cdrelay.hub.ledger.routes import ledger_router
from cdrelay.wiring.collector import CollectorParts
from cdrelay.wiring.forgetting import records_kept_since
from cdrelay.wiring.foundation import Foundation
from cdrelay.wiring.lakes import open_tracing


def open_ledger_parts(foundation: Foundation, collector: CollectorParts) -> LedgerParts:
    """What the ledger is shown from."""
    settings, lake = foundation.settings, collector.store.lake
    silence = Silence(foundation.database, foundation.clock, settings.rules)
    manifests = Manifests(foundation.database)
    certificates = Certificates(
        collector.ledger,
        Agenda(foundation.database, manifests),
        lake.origins,
        silence,
        foundation.clock,
        settings.rules,
        kept_since=partial(records_kept_since, foundation),
        made_by=settings.instance_name or socket.gethostname(),
    )
    return LedgerParts(
        database=foundation.database,
        heat_maps=HeatMaps(foundation.database, settings.rules),
        ledger=collector.ledger,
        origins=lake.origins,
        manifests=manifests,
        certificates=certificates,
        silence=silence,
        tracing=open_tracing(foundation, "collector", collector.store),
        clock=foundation.clock,
        rules=settings.rules,
    )


def install_ledger(app: FastAPI, foundation: Foundation, collector: CollectorParts, *, pages: bool) -> None:
    """Add the endpoints and, when this process shows pages, the pages."""
    parts = open_ledger_parts(foundation, collector)
    app.include_router(ledger_api(parts))
    if pages:
        app.include_router(ledger_router(parts))
