"""The heat map in a terminal."""

from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.cli.heat_lines import heat_lines, legend_lines, step_for
from cdrelay.collector.heat_map import HeatCell, HeatMap, HeatRow, OrgKey, Sums
from cdrelay.collector.heat_marks import Mark, columns_of
from cdrelay.contract.windows import Period

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def drawn(*rows: tuple[str, list[Mark], int]) -> HeatMap:
    columns = columns_of(Period(START, START + len(rows[0][1]) * HOUR), HOUR)
    found = [
        HeatRow(
            OrgKey(source, f"{number}1111111-2222-4333-8444-555555555555"),
            Sums(missing=missing),
            [HeatCell(column, mark, 1, 0, 1, 1) for column, mark in zip(columns, marks, strict=True)],
        )
        for number, (source, marks, missing) in enumerate(rows)
    ]
    return HeatMap(columns, found, 1, 1, len(rows), Sums())


def test_a_line_has_the_organization_what_is_missing_and_a_sign_for_each_hour() -> None:
    marks: list[Mark] = ["lost", "short", "unchecked", "surplus", "open", "repaired", "matched", "quiet"]
    day, tens, units, line = (text.plain for text in heat_lines(drawn(("webex", marks, 1_234)), HOUR, unicode=True))

    assert line == "01111111   1,234 ✕−?+·↺✓○"
    assert day.endswith(" 11-22")
    assert (tens[17:], units[17:]) == ("11111111", "23456789")
    assert units.startswith("org      missing ")


def test_a_terminal_that_knows_no_other_signs_gets_letters() -> None:
    marks: list[Mark] = ["lost", "matched"]
    lines = [text.plain for text in heat_lines(drawn(("webex", marks, 0)), HOUR, unicode=False)]
    legend = [text.plain for text in legend_lines(Sums(lost=1, unchecked=2, quiet=3), unicode=False)]

    assert lines[-1].endswith(" Xm")
    assert all(line.isascii() for line in [*lines, *legend])
    assert [line[:8] for line in legend] == ["X lost  ", "? unchec", "o quiet "]


def test_sources_are_named_where_there_are_several() -> None:
    several: list[Mark] = ["matched"]
    lines = [text.plain for text in heat_lines(drawn(("east", several, 0), ("west", several, 0)), HOUR, unicode=True)]

    assert [line.split()[-1] for line in lines[-2:]] == ["east", "west"]


@pytest.mark.parametrize(
    ("hours", "width", "step"), [(49, 80, 1), (100, 80, 2), (168, 80, 3), (744, 80, 12), (9_000, 30, 9_000)]
)
def test_columns_get_longer_where_the_terminal_is_too_narrow(hours: int, width: int, step: int) -> None:
    assert step_for(Period(START, START + hours * HOUR), HOUR, width) == step * HOUR
