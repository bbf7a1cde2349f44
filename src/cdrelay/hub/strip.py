"""Completeness as a strip of hours: every hour of the contract's reach, also those about which nothing is known."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdrelay.collector.comparison import STATES
from cdrelay.collector.ledger_rows import LedgerHour
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period, floor_to

CELLS_A_ROW = 12
"""So many fit the narrowest telephone."""

_GRAVEST_FIRST = ("lost", "short", "surplus", "open", "repaired", "matched")


@dataclass(frozen=True, slots=True)
class Legend:
    """A state of an hour, with the sign that tells it without colour, and its meaning."""

    state: str
    sign: str
    meaning: str


LEGEND = (
    Legend("matched", "✓", "every expected record is stored"),
    Legend("quiet", "○", "no calls, and the provider says so"),
    Legend("repaired", "↺", "complete after missing records were fetched"),
    Legend("open", "·", "not decided yet"),
    Legend("unchecked", "?", "not compared with the provider’s count, or not known any more"),
    Legend("short", "−", "records are missing, and still to be had"),
    Legend("surplus", "+", "more is stored than the provider counts"),
    Legend("lost", "✕", "records are missing and out of the provider’s reach"),
)
SIGNS = {entry.state: entry.sign for entry in LEGEND}
"""Of each state."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour."""

    state: str
    sign: str
    start: datetime
    expected: int | None
    """None: nobody has asked the provider."""
    stored: int | None
    text: str
    """The whole cell in words, for a screen reader and as a tip."""


@dataclass(frozen=True, slots=True)
class StripRow:
    """Cells in a line, oldest first."""

    start: datetime
    cells: list[Cell]


def reach_hours(hours: Sequence[LedgerHour], now: datetime, rules: Rules) -> list[LedgerHour]:
    """Those hours that the strip of `now` shows."""
    start, end = _bounds(now, rules)
    return [hour for hour in hours if hour.window.start < end and hour.window.end > start]


def strip(hours: Sequence[LedgerHour], now: datetime, rules: Rules) -> list[StripRow]:
    """The hours of the reach, the present one last; where the ledger says nothing, the cell says so."""
    known = reach_hours(hours, now, rules)
    cells = [_cell(hour) for hour in known]
    # Hours of the ledger may lie off the grid, when time was compressed otherwise before.
    cells += [
        _unchecked(hour)
        for hour in hours_of_reach(now, rules)
        if not any(one.window.start < hour.end and one.window.end > hour.start for one in known)
    ]
    cells.sort(key=lambda cell: cell.start)
    rows = [cells[at : at + CELLS_A_ROW] for at in range(0, len(cells), CELLS_A_ROW)]
    return [StripRow(row[0].start, row) for row in rows]


def _bounds(now: datetime, rules: Rules) -> tuple[datetime, datetime]:
    end = floor_to(now, rules.count_span) + rules.count_span
    return end - math.ceil(rules.reach / rules.count_span) * rules.count_span, end


def hours_of_reach(now: datetime, rules: Rules) -> Iterator[Period]:
    """The hours that a strip of `now` shows, the oldest first."""
    start, end = _bounds(now, rules)
    while start < end:
        yield Period(start, start + rules.count_span)
        start += rules.count_span


def _cell(hour: LedgerHour) -> Cell:
    state = next((state for state in _GRAVEST_FIRST if getattr(hour.states, state)), "open")
    if state == "matched" and not hour.expected:
        state = "quiet"
    counts = ", ".join(f"{number} {name}" for name in STATES if (number := getattr(hour.states, name)))
    text = (
        f"{_at(hour.window.start)}: {state}; {hour.expected:,} expected, {hour.stored:,} stored;"
        f" organizations: {counts}"
    )
    return Cell(state, SIGNS[state], hour.window.start, hour.expected, hour.stored, text)


def _unchecked(hour: Period) -> Cell:
    text = f"{_at(hour.start)}: unchecked; not compared with the provider’s count"
    return Cell("unchecked", SIGNS["unchecked"], hour.start, None, None, text)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
