"""The heat map in a terminal: a line for each organization, and a sign for each hour, in colour where there is one."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from rich.text import Text

from cdrelay.collector.heat_map import HeatMap, HeatRow, Sums
from cdrelay.collector.heat_marks import MARKS, Mark
from cdrelay.contract.windows import Period
from cdrelay.hub.strip import LEGEND, SIGNS

LABEL, MISSING = 8, 7
_BESIDE = LABEL + MISSING + 2
"""Columns of the terminal that are not cells."""
_STYLES: dict[Mark, str] = {
    "lost": "bold white on red",
    "short": "bold black on yellow",
    "surplus": "magenta",
    "unchecked": "bold",
    "open": "dim",
    "repaired": "cyan",
    "matched": "green",
    "quiet": "dim green",
}
# For terminals that know no other signs.
_LETTERS: dict[Mark, str] = {
    "lost": "X",
    "short": "-",
    "surplus": "+",
    "unchecked": "?",
    "open": ".",
    "repaired": "r",
    "matched": "m",
    "quiet": "o",
}
_STEPS = (1, 2, 3, 4, 6, 8, 12, 24, 48, 168)


def step_for(period: Period, hour: timedelta, width: int) -> timedelta:
    """How long a column must be for the period to fit a terminal so wide."""
    room = max(1, width - _BESIDE)
    return next((n * hour for n in _STEPS if -(-period.length // (n * hour)) <= room), period.length)


def heat_lines(drawn: HeatMap, step: timedelta, *, unicode: bool) -> Iterator[Text]:
    """Heads, then the organizations, the worst first, under the name of their source where there are several."""
    yield from _heads(drawn.columns, step)
    named = len({row.key.source for row in drawn.rows}) > 1
    for row in drawn.rows:
        yield _line(row, named, unicode=unicode)


def legend_lines(sums: Sums, *, unicode: bool) -> Iterator[Text]:
    """What the signs mean, and how many hours are so."""
    meanings = {entry.state: entry.meaning for entry in LEGEND}
    for mark in MARKS:
        number = f"{getattr(sums, mark):,}"
        if number != "0":
            line = Text.assemble((_sign(mark, unicode=unicode), _STYLES[mark]), f" {mark:<10}{number:>9}  ")
            said = meanings[mark]
            yield line.append(said if unicode else said.replace("’", "'"), "dim")


def _heads(columns: Sequence[Period], step: timedelta) -> Iterator[Text]:
    daily = step >= timedelta(days=1)
    over, form = ("%Y-%m", "%d") if daily else ("%m-%d", "%H") if step >= timedelta(hours=1) else ("%H:", "%M")
    names = [f"{column.start:{form}}" for column in columns]
    yield Text(" " * _BESIDE + _groups([f"{column.start:{over}}" for column in columns]), "dim")
    for at, label in ((0, f"{'':<{LABEL}} {'':>{MISSING}} "), (1, f"{'org':<{LABEL}} {'missing':>{MISSING}} ")):
        yield Text(label + "".join(name[at] for name in names), "dim")


def _groups(groups: Sequence[str]) -> str:
    """Each name where its columns begin, as far as there is room for it."""
    line = ""
    for at, name in enumerate(groups):
        if (not at or groups[at - 1] != name) and len(line) <= at:
            line = line.ljust(at) + name + " "
    return line.rstrip()


def _line(row: HeatRow, named: bool, *, unicode: bool) -> Text:
    missing = f"{row.sums.missing:,}" if row.sums.missing else ""
    line = Text(f"{row.key.org_uuid[:LABEL]} ")
    line.append(f"{missing:>{MISSING}} ", "bold yellow")
    for cell in row.cells:
        line.append(_sign(cell.mark, unicode=unicode), _STYLES[cell.mark])
    return line.append(f" {row.key.source}", "dim") if named else line


def _sign(mark: Mark, *, unicode: bool) -> str:
    return SIGNS[mark] if unicode else _LETTERS[mark]
