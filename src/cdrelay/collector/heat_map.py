"""The ledger as a heat map: a row for each organization, the worst first, and a column for each hour or day."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, not_, or_, select

from cdrelay.collector.comparison import STATES
from cdrelay.collector.heat_marks import GRAVITY, Mark, columns_of, due_edge, hours_due, mark_of
from cdrelay.contract.paging import cut_page
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import ledger, sources


class OrgKey(NamedTuple):
    """A row of the map: an organization as one source knows it."""

    source: str
    org_uuid: str


@dataclass(frozen=True, slots=True)
class Sums:
    """Hours of organizations by mark, and the records in them."""

    lost: int = 0
    short: int = 0
    unchecked: int = 0
    surplus: int = 0
    open: int = 0
    repaired: int = 0
    matched: int = 0
    quiet: int = 0
    expected: int = 0
    stored: int = 0
    missing: int = 0
    """Records that are not stored and should be, over the hours where some are."""

    @property
    def compared(self) -> int:
        """Hours that the ledger says something about."""
        return self.lost + self.short + self.surplus + self.open + self.repaired + self.matched + self.quiet

    @property
    def worst_first(self) -> tuple[int, ...]:
        """Sorts the worst organization first."""
        return tuple(-n for n in (self.lost, self.short, self.missing, self.unchecked, self.surplus, self.repaired))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Sums)))


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One organization in one column. Of several hours the gravest marks it."""

    period: Period
    mark: Mark
    compared: int
    """Hours that were; without any the numbers say nothing."""
    unchecked: int
    expected: int
    stored: int


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One organization."""

    key: OrgKey
    sums: Sums
    cells: Sequence[HeatCell]


@dataclass(frozen=True, slots=True)
class HeatQuestion:
    """What to show: a period of whole hours, in columns of `step` (a multiple of an hour of the contract)."""

    period: Period
    step: timedelta
    source: str | None = None
    organization: str = ""
    """How its UUID begins."""
    state: Mark | None = None
    """Only organizations with an hour that is so."""
    page: int = 1
    rows: int = 100


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The answer."""

    columns: Sequence[Period]
    rows: Sequence[HeatRow]
    page: int
    pages: int
    organizations: int
    """Those that the question is about, on all pages."""
    sums: Sums
    """Of all of them."""


NOT_COMPARED = and_(ledger.c.state == "open", ledger.c.proof == "none")
"""The condition that a row of the ledger says only that the hour was not compared."""
_LACKING = ledger.c.state.in_(("short", "lost"))
# Where ids were compared a record can be missing though the counts are equal.
MISSING: ColumnElement[int] = case((_LACKING, func.max(1, ledger.c.expected - ledger.c.stored)), else_=0)
"""How many records of a row are missing, at least."""


class HeatMaps:
    """Draws them from the ledger. Blocking; raises DatabaseUnavailable."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database = database
        self._rules = rules

    def sources(self) -> list[str]:
        """The names of the sources there are."""
        with self._database.read() as connection:
            return list(connection.execute(select(sources.c.name).order_by(sources.c.name)).scalars())

    def draw(self, question: HeatQuestion, now: datetime) -> HeatMap:
        """One page of the map as it is at `now`; a page past the end is the last one."""
        found = self._sums(question, now)
        if question.state is not None:
            found = {key: sums for key, sums in found.items() if getattr(sums, question.state)}
        keys = sorted(found, key=lambda key: (found[key].worst_first, key))
        pages = cut_page(keys, 1, question.rows).pages
        page = cut_page(keys, min(question.page, pages), question.rows)
        columns = columns_of(question.period, question.step)
        cells = self._cells(page.items, question, columns, now)
        rows = [HeatRow(key, found[key], cells[key]) for key in page.items]
        return HeatMap(columns, rows, page.number, pages, len(keys), sum(found.values(), Sums()))

    def row(self, key: OrgKey, period: Period, now: datetime) -> HeatRow:
        """One organization, hour by hour; one that the ledger has never heard of is not compared."""
        question = HeatQuestion(period, self._rules.count_span, key.source, key.org_uuid)
        columns = columns_of(period, question.step)
        unknown = Sums(unchecked=hours_due(period, now, self._rules))
        sums = self._sums(question, now).get(key, unknown)
        return HeatRow(key, sums, self._cells([key], question, columns, now)[key])

    def knows(self, key: OrgKey) -> bool:
        """Whether the ledger has ever heard of the organization."""
        of_key = (ledger.c.source == key.source, ledger.c.org_uuid == key.org_uuid)
        with self._database.read() as connection:
            return connection.execute(select(ledger.c.state).where(*of_key).limit(1)).first() is not None

    def _sums(self, question: HeatQuestion, now: datetime) -> dict[OrgKey, Sums]:
        """By organization. One of which there is an hour just before the period, and none in it, is there too."""
        period, within = question.period, ledger.c.window_start >= question.period.start
        past, compared = ledger.c.window_start < due_edge(now, self._rules), not_(NOT_COMPARED)
        states = [and_(ledger.c.state == state, or_(compared, not_(past))) for state in STATES]
        quiet = and_(ledger.c.state == "matched", ledger.c.expected == 0)
        counted = [func.count().filter(within, each) for each in (and_(past, compared), quiet, *states)]
        records = [
            func.coalesce(func.sum(each).filter(within), 0) for each in (ledger.c.expected, ledger.c.stored, MISSING)
        ]
        asked = (
            select(ledger.c.source, ledger.c.org_uuid, *counted, *records)
            .where(ledger.c.window_start >= period.start - self._rules.count_span, ledger.c.window_start < period.end)
            .group_by(ledger.c.source, ledger.c.org_uuid)
        )
        if question.source is not None:
            asked = asked.where(ledger.c.source == question.source)
        if question.organization:
            asked = asked.where(ledger.c.org_uuid.startswith(question.organization, autoescape=True))
        due = hours_due(period, now, self._rules)
        with self._database.read() as connection:
            rows = connection.execute(asked).all()
        return {OrgKey(row[0], row[1]): _summed(due, *row[2:]) for row in rows}

    def _cells(
        self, keys: Sequence[OrgKey], question: HeatQuestion, columns: Sequence[Period], now: datetime
    ) -> Mapping[OrgKey, list[HeatCell]]:
        hours: dict[OrgKey, dict[datetime, list[_Hour]]] = defaultdict(lambda: defaultdict(list))
        first, step, edge = question.period.start, question.step, due_edge(now, self._rules)
        for source, org_uuid, start, state, proof, expected, stored in self._hours(keys, question.period):
            column, due = first + (start - first) // step * step, start < edge
            hours[OrgKey(source, org_uuid)][column].append(
                _Hour(mark_of(state, proof, expected, due=due), due, expected, stored)
            )
        edges = {column: hours_due(column, now, self._rules) for column in columns}
        return {
            key: [_cell(column, hours[key].get(column.start, ()), edges[column]) for column in columns] for key in keys
        }

    def _hours(self, keys: Sequence[OrgKey], period: Period) -> Sequence[Any]:
        if not keys:
            return ()
        asked = select(
            ledger.c.source,
            ledger.c.org_uuid,
            ledger.c.window_start,
            ledger.c.state,
            ledger.c.proof,
            ledger.c.expected,
            ledger.c.stored,
        ).where(
            # Not as pairs: SQLite finds pairs by no index. Another source's organization of that id is passed over.
            ledger.c.source.in_({key.source for key in keys}),
            ledger.c.org_uuid.in_({key.org_uuid for key in keys}),
            ledger.c.window_start >= period.start,
            ledger.c.window_start < period.end,
        )
        with self._database.read() as connection:
            return connection.execute(asked).all()


class _Hour(NamedTuple):
    mark: Mark
    due: bool
    expected: int
    stored: int


def _summed(due: int, past: int, quiet: int, *numbers: int) -> Sums:
    states, (expected, stored, missing) = numbers[: len(STATES)], numbers[len(STATES) :]
    unchecked = max(0, due - past)
    by_mark = dict(zip(STATES, states, strict=True)) | {"quiet": quiet}
    by_mark["matched"] -= quiet
    return Sums(**by_mark, unchecked=unchecked, expected=expected, stored=stored, missing=missing)


def _cell(column: Period, hours: Sequence[_Hour], due: int) -> HeatCell:
    known = [hour for hour in hours if hour.mark != "unchecked"]
    unchecked = max(0, due - sum(hour.due for hour in known))
    marks: list[Mark] = [hour.mark for hour in known]
    if unchecked:
        marks.append("unchecked")
    mark: Mark = min(marks, key=GRAVITY.__getitem__, default="open")
    expected, stored = (sum(getattr(hour, name) for hour in known) for name in ("expected", "stored"))
    return HeatCell(column, mark, len(known), unchecked, expected, stored)
