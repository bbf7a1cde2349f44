"""All roles of a process in one app."""

from dataclasses import dataclass

from fastapi import FastAPI

from cdrelay import __version__
from cdrelay.collector.drift import Drift
from cdrelay.hub.error_pages import install_error_pages
from cdrelay.hub.openapi import install_openapi
from cdrelay.hub.routes import install_hub
from cdrelay.hub.status import CollectorStores, PublisherStores, StatusSource
from cdrelay.serving import Worker
from cdrelay.wiring.collecting import install_collecting
from cdrelay.wiring.collector import CollectorParts, collector_workers, install_collector, open_collector
from cdrelay.wiring.foundation import Foundation, Role
from cdrelay.wiring.ledger import install_ledger
from cdrelay.wiring.pages import install_pages
from cdrelay.wiring.publisher import PublisherParts, install_publisher, open_publisher, publisher_workers


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
        install_publisher(app, foundation, publisher)
    if collector is not None:
        workers += collector_workers(foundation, collector)
        install_collector(app, foundation, collector)
    status = _status_source(foundation, publisher, collector)
    spools = [half.store.spool for half in (publisher, collector) if half is not None]
    for spool in spools:
        spool.sweep()
    install_hub(app, status, spools, pages="hub" in roles)
    if "hub" in roles:
        install_error_pages(app, home="/" if publisher is None else "/sign-in")
    if "hub" in roles and publisher is not None:
        install_pages(app, foundation, publisher)
    if collector is not None:
        install_ledger(app, foundation, collector, pages="hub" in roles)
    if "hub" in roles and collector is not None:
        install_collecting(app, foundation, collector)
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
        else PublisherStores(
            publisher.store.lake, publisher.store.spool, publisher.store.quarantine, publisher.cuts, publisher.outbox
        ),
        None
        if collector is None
        else CollectorStores(
            collector.store.lake,
            collector.store.spool,
            collector.ledger,
            collector.alarms,
            Drift(collector.database),
            collector.store.quarantine,
            collector.refused,
        ),
    )
