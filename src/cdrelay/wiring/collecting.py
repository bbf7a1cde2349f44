"""The pages of what the collector's operator looks for first: alarms, sources, quarantine."""

from fastapi import FastAPI

from cdrelay.collector.arrivals import Arrivals
from cdrelay.collector.in_quarantine import InQuarantine
from cdrelay.collector.source_states import SourceStates
from cdrelay.hub.collecting.parts import CollectingParts
from cdrelay.hub.collecting.routes import collecting_router
from cdrelay.wiring.collector import CollectorParts
from cdrelay.wiring.foundation import Foundation
from cdrelay.wiring.receiving import open_aside


def install_collecting(app: FastAPI, foundation: Foundation, collector: CollectorParts) -> None:
    """Add the pages; they are about the collector of this process."""
    database, alarms = foundation.database, collector.alarms
    parts = CollectingParts(
        alarms=alarms,
        sources=SourceStates(database, Arrivals(database), alarms),
        quarantine=InQuarantine(collector.store.quarantine.listing, database),
        aside=open_aside(foundation),
        clock=foundation.clock,
    )
    app.include_router(collecting_router(parts))
