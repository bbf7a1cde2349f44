"""The page of the running loop: one typed context, rendered."""

from dataclasses import dataclass
from datetime import datetime

import jinja2

from cdrelay import __version__
from cdrelay.collector.comparison import STATES
from cdrelay.collector.ledger import LedgerHour
from cdrelay.contract.query import in_words
from cdrelay.control.incidents import Incident
from cdrelay.hub.status import CollectorStatus, PublisherStatus, Status
from cdrelay.publisher.deliveries import Delivery

_SIGNS = {"open": "·", "matched": "✓", "short": "−", "repaired": "↺", "surplus": "+", "lost": "✕", "quiet": "○"}
_GRAVEST_FIRST = ("lost", "short", "surplus", "open", "repaired", "matched")


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour of the completeness strip."""

    state: str
    sign: str
    """Tells the state without colour."""
    start: datetime
    expected: int
    stored: int
    text: str
    """The whole cell in words, for a screen reader and as a tip."""


@dataclass(frozen=True, slots=True)
class Legend:
    """A state with its sign and meaning."""

    state: str
    sign: str
    meaning: str


@dataclass(frozen=True, slots=True)
class PageContext:
    """All that the page shows."""

    version: str
    now: datetime
    tick: str
    settle: str
    reach: str
    span: str
    compressed: bool
    publisher: PublisherStatus | None
    collector: CollectorStatus | None
    cells: list[Cell]
    legend: list[Legend]
    deliveries: list[Delivery]
    incidents: list[Incident]
    address: str


LEGEND = [
    Legend("matched", _SIGNS["matched"], "every expected record is stored"),
    Legend("quiet", _SIGNS["quiet"], "no calls, and the provider says so"),
    Legend("repaired", _SIGNS["repaired"], "complete after missing records were fetched"),
    Legend("open", _SIGNS["open"], "not decided yet"),
    Legend("short", _SIGNS["short"], "records are missing, and still to be had"),
    Legend("surplus", _SIGNS["surplus"], "more is stored than the provider counts"),
    Legend("lost", _SIGNS["lost"], "records are missing and out of the provider's reach"),
]


def page_context(status: Status, address: str) -> PageContext:
    """The context of one status; `address` is where the page was asked for."""
    rules, collector, publisher = status.rules, status.collector, status.publisher
    return PageContext(
        version=__version__,
        now=status.now,
        tick=in_words(rules.tick),
        settle=in_words(rules.settle),
        reach=in_words(rules.reach),
        span=in_words(rules.count_span),
        compressed=rules.tick.total_seconds() < 300,
        publisher=publisher,
        collector=collector,
        cells=[_cell(hour) for hour in collector.hours] if collector else [],
        legend=LEGEND,
        deliveries=publisher.latest if publisher else [],
        incidents=status.incidents,
        address=address.rstrip("/"),
    )


def _cell(hour: LedgerHour) -> Cell:
    state = next((state for state in _GRAVEST_FIRST if getattr(hour.states, state)), "open")
    if state == "matched" and not hour.expected:
        state = "quiet"
    counts = ", ".join(f"{number} {name}" for name in STATES if (number := getattr(hour.states, name)))
    text = (
        f"{hour.window.start:%Y-%m-%d %H:%M:%S} UTC: {state}; {hour.expected:,} expected, {hour.stored:,} stored;"
        f" organizations: {counts}"
    )
    return Cell(state, _SIGNS[state], hour.window.start, hour.expected, hour.stored, text)


_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("cdrelay.hub"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)
_TEMPLATES.filters["number"] = lambda value: f"{value:,}"
_TEMPLATES.filters["clock"] = lambda moment: f"{moment:%H:%M:%S}"


def render(status: Status, address: str) -> str:
    """The page as HTML."""
    return _TEMPLATES.get_template("page.html").render(page=page_context(status, address))
