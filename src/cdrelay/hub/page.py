"""The page of the running loop: one typed context, rendered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cdrelay import __version__
from cdrelay.collector.alarms.store import Alarm
from cdrelay.contract.query import in_words
from cdrelay.control.incidents import Incident
from cdrelay.hub.ledger.table import step_in_words
from cdrelay.hub.navigation import COLLECTOR
from cdrelay.hub.pages import TEMPLATES
from cdrelay.hub.payload_figures import LoadedPayload
from cdrelay.hub.setup.hours import WORDS
from cdrelay.hub.standing import Standing, standing
from cdrelay.hub.status import CollectorStatus, PublisherStatus, Status
from cdrelay.hub.strip import LEGEND, Legend, StripRow, strip
from cdrelay.publisher.delivery.deliveries import Delivery

REFRESH_SECONDS = 5
"""How often the page renews itself, unless it was asked for with `?paused`."""


@dataclass(frozen=True, slots=True)
class PageContext:
    """All that the page shows."""

    now: datetime
    paused: bool
    refresh_seconds: int
    tick: str
    reach: str
    span: str
    compressed: bool
    standing: Standing
    publisher: PublisherStatus | None
    collector: CollectorStatus | None
    recent_size: str
    rows: list[StripRow]
    compared: bool
    """Whether any hour of the strip was."""
    legend: tuple[Legend, ...]
    deliveries: list[Delivery]
    payloads: list[LoadedPayload]
    alarms: list[Alarm]
    incidents: list[Incident]
    address: str


def page_context(status: Status, address: str, *, paused: bool = False) -> PageContext:
    """The context of one status; `address` is where the page was asked for."""
    rules, collector, publisher = status.rules, status.collector, status.publisher
    rows = strip(collector.hours, status.now, rules) if collector else []
    return PageContext(
        now=status.now,
        paused=paused,
        refresh_seconds=REFRESH_SECONDS,
        tick=in_words(rules.tick),
        reach=in_words(rules.reach),
        span=step_in_words(rules.count_span),
        compressed=status.compressed,
        standing=standing(status),
        publisher=publisher,
        collector=collector,
        recent_size=size_in_words(publisher.sending.recent_bytes) if publisher else "",
        rows=rows,
        compared=any(cell.expected is not None for row in rows for cell in row.cells),
        legend=LEGEND,
        deliveries=publisher.latest if publisher else [],
        payloads=collector.latest if collector else [],
        alarms=collector.alarms if collector else [],
        incidents=status.incidents,
        address=address.rstrip("/"),
    )


def size_in_words(size: int) -> str:
    """Bytes as a person says them: `0 bytes`, `12.3 kB`, `4.0 GB`."""
    if size < 1000:
        return f"{size} bytes"
    amount, units = size / 1000, ["kB", "MB", "GB"]
    # From 999.95 on, the next unit: it would be shown as 1000.0.
    while amount >= 999.95 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:,.1f} {units[0]}"


def render(status: Status, address: str, *, paused: bool = False) -> str:
    """The page as HTML."""
    navigation = {"/": "The loop"}
    if status.collector is not None:
        navigation |= COLLECTOR
    if status.publisher is not None:
        navigation["/sign-in"] = "Sign in"
    page = page_context(status, address, paused=paused)
    return _framed("page.html", navigation, page=page, words=WORDS)


def render_unavailable(reason: str) -> str:
    """The page that stands in while there is no status to show."""
    return _framed("unavailable.html", {}, reason=reason, refresh_seconds=REFRESH_SECONDS)


def _framed(template: str, navigation: Mapping[str, str], **context: Any) -> str:
    page = TEMPLATES.get_template(template)
    return page.render(version=__version__, signed_in=None, navigation=navigation, path="/", **context)
