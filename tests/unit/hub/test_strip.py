"""The strip of hours: every hour of the reach once, whatever the ledger holds."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.collector.comparison import STATES
from cdrelay.collector.ledger_rows import LedgerHour, LedgerTotals
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.hub.strip import LEGEND, Cell, strip

NOW = datetime(2026, 11, 24, 12, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""Of the present hour."""


def hour(ago: int, expected: int = 10, stored: int = 10, length: timedelta = HOUR, **states: int) -> LedgerHour:
    start = START - ago * HOUR
    return LedgerHour(Period(start, start + length), expected, stored, LedgerTotals(**states))


def cells(*hours: LedgerHour, rules: Rules = Rules()) -> list[Cell]:  # noqa: B008  # a frozen value
    return [cell for row in strip(hours, NOW, rules) for cell in row.cells]


def test_the_present_hour_is_the_last_of_forty_eight() -> None:
    shown = cells()

    assert [cell.start for cell in shown] == [START - ago * HOUR for ago in range(47, -1, -1)]


def test_a_row_starts_with_its_first_cell() -> None:
    rows = strip([], NOW, Rules())

    assert [row.start for row in rows] == [START - ago * HOUR for ago in (47, 35, 23, 11)]


def test_an_hour_out_of_reach_is_not_shown() -> None:
    assert {cell.state for cell in cells(hour(48, lost=1))} == {"unchecked"}


@pytest.mark.parametrize("state", STATES)
def test_the_gravest_state_marks_the_hour(state: str) -> None:
    order = ("lost", "short", "surplus", "open", "repaired", "matched")
    milder = dict.fromkeys(order[order.index(state) :], 1)

    assert cells(hour(3, **milder))[-4].state == state


def test_a_matched_hour_without_calls_is_quiet() -> None:
    assert cells(hour(3, expected=0, stored=0, matched=2))[-4].state == "quiet"


def test_a_cell_tells_its_hour_state_and_numbers_in_words() -> None:
    assert cells(hour(3, expected=1200, stored=1190, matched=4, short=1))[-4].text == (
        "2026-11-24 09:00:00 UTC: short; 1,200 expected, 1,190 stored; organizations: 4 matched, 1 short"
    )


def test_every_state_has_a_sign_of_its_own() -> None:
    assert len({entry.sign for entry in LEGEND}) == len({entry.state for entry in LEGEND}) == len(STATES) + 2


def test_compressed_hours_are_cells_too() -> None:
    shown = cells(rules=Rules().compressed(60))

    assert len(shown) == 48
    assert shown[-1].start == NOW


def test_an_hour_off_the_grid_replaces_those_it_covers() -> None:
    off_grid = LedgerHour(Period(START - 90 * HOUR / 60, START - 30 * HOUR / 60), 1, 1, LedgerTotals(matched=1))

    shown = cells(off_grid)

    assert [cell.state for cell in shown[-3:]] == ["unchecked", "matched", "unchecked"]
    assert len(shown) == 47


@given(st.sets(st.integers(0, 60)))
def test_cells_are_in_order_and_none_comes_twice(known: set[int]) -> None:
    starts = [cell.start for cell in cells(*(hour(ago, matched=1) for ago in known))]

    assert starts == sorted(set(starts))
    assert len(starts) == 48
