"""The heat map as a table that can be looked at, read and walked through: heads, and a link for each cell. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from cdrelay.collector.heat_map import HeatCell
from cdrelay.contract.query import in_words
from cdrelay.contract.windows import Period
from cdrelay.hub.strip import SIGNS

# Columns of this length or more, what names one, and what names the group that it is in.
_NAMES = (
    (timedelta(days=1), "%d", "%Y-%m"),
    (timedelta(hours=1), "%H", "%m-%d"),
    (timedelta(minutes=1), "%M", "%m-%d %H:"),
    (timedelta(0), "%S", "%H:%M:"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that a head stands over."""

    name: str
    columns: int


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column."""

    name: str
    said: str
    """In full."""
    first: bool
    """Whether it is the first of its group."""


@dataclass(frozen=True, slots=True)
class CellLink:
    """A cell, and where it leads."""

    mark: str
    sign: str
    said: str
    address: str | None
    """None: it has not begun, and there is nothing to lead to."""
    first: bool


def heads(columns: Sequence[Period], step: timedelta) -> tuple[list[Group], list[Head]]:
    """Both rows of heads."""
    _, name, over = next(each for each in _NAMES if step >= each[0])
    groups: list[Group] = []
    found: list[Head] = []
    for title, members in groupby(columns, key=lambda column: f"{column.start:{over}}"):
        starts = [column.start for column in members]
        groups.append(Group(title, len(starts)))
        found += [Head(f"{start:{name}}", f"{start:%Y-%m-%d %H:%M:%S}", start == starts[0]) for start in starts]
    return groups, found


def links(
    cells: Sequence[HeatCell], heads: Sequence[Head], now: datetime, address: Callable[[HeatCell], str]
) -> Iterator[CellLink]:
    """The cells of one row."""
    for cell, head in zip(cells, heads, strict=True):
        leads = address(cell) if cell.period.start <= now else None
        yield CellLink(cell.mark, SIGNS[cell.mark], said_of(cell), leads, head.first)


def step_in_words(step: timedelta) -> str:
    """How long a column is: `an hour`, `6 hours`, `a day`."""
    return {timedelta(hours=1): "an hour", timedelta(days=1): "a day"}.get(step) or in_words(step)


def said_of(cell: HeatCell) -> str:
    """The cell as a screen reader says it; when it is, the heads say."""
    if not cell.compared:
        return cell.mark
    more = f", {cell.unchecked:,} not compared" if cell.unchecked else ""
    return f"{cell.mark}: {cell.stored:,} of {cell.expected:,} stored{more}"
