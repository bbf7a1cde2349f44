"""What these pages are made from, and the frame that they share."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Response

from cdrelay.clock import Clock
from cdrelay.collector.alarms.store import Alarms
from cdrelay.collector.aside import Aside
from cdrelay.collector.in_quarantine import InQuarantine
from cdrelay.collector.source_states import SourceStates
from cdrelay.hub.navigation import COLLECTOR
from cdrelay.hub.pages import render_page


@dataclass(frozen=True, slots=True)
class CollectingParts:
    """All of it belongs to the collector of this process."""

    alarms: Alarms
    sources: SourceStates
    quarantine: InQuarantine
    aside: Aside
    """Bodies that were no list of records at all."""
    clock: Clock


def page(template: str, *, status: int = 200, path: str, now: datetime, **context: Any) -> Response:
    """One of these pages; `path` is that of the navigation."""
    return render_page(
        f"collecting/{template}", None, status=status, path=path, navigation=COLLECTOR, now=now, **context
    )


def pages_of(number: int, on_each: int) -> int:
    """How many pages so many things take; one where there is nothing."""
    return max(1, -(-number // on_each))
