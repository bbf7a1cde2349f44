"""The ledger: for each source, organization and whole hour, what was expected, what is stored, and the state of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or_update

from cdrelay.collector.comparison import STATES, Former, State, Verdict
from cdrelay.collector.errors import SourceUnknown
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import ledger, reconciliations, sources

Proof = Literal["counts", "ids", "none"]
"""How a window was proved: by equal counts, by the digests of all its deliveries too, or not at all."""


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """How many windows of organizations are in each state."""

    open: int = 0
    matched: int = 0
    short: int = 0
    repaired: int = 0
    surplus: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What is known of one organization's window."""

    source: str
    org_uuid: str
    window: Period
    expected: int
    stored: int
    state: State
    fetched: int
    """Records that repairs of this window brought, over all checks."""
    checked_at: datetime
    proof: Proof = "counts"
    ways: tuple[str, ...] = ()
    """How records of it were brought, if any were: channels of the spool."""
    reason: str | None = None
    """Why it is not complete, or could not be compared."""
    completed_at: datetime | None = None
    """Since when nothing is missing."""
    recheck_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LedgerHour:
    """All organizations' windows of one hour together."""

    window: Period
    expected: int
    stored: int
    states: LedgerTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationReport:
    """What one run did for one source."""

    source: str
    started_at: datetime
    finished_at: datetime
    requests: int
    windows: int
    """Windows of organizations compared."""
    short: int
    """Of these, still short at the end."""
    repaired: int
    """Of these, completed by what was fetched in this run."""
    fetched: int
    """Records that were missing and are stored now."""
    lost: int
    """Windows that left the provider's reach and were short still; told once."""
    problem: str | None
    """What kept the run from being complete."""


class Ledger:
    """The store of verdicts. All methods block and raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def former(self, source: str, window: Period) -> dict[str, Former]:
        """What it says of a window, by organization."""
        question = select(ledger.c.org_uuid, ledger.c.expected, ledger.c.fetched, ledger.c.state).where(
            ledger.c.source == source, ledger.c.window_start == window.start
        )
        with self._database.read() as connection:
            return {row[0]: Former(*row[1:]) for row in connection.execute(question)}

    def organizations(self, source: str) -> frozenset[str]:
        """Those of which the source has ever counted a record."""
        question = select(ledger.c.org_uuid).distinct().where(ledger.c.source == source, ledger.c.expected > 0)
        with self._database.read() as connection:
            return frozenset(connection.execute(question).scalars())

    def write(self, source: str, verdicts: Sequence[Verdict], now: datetime) -> None:
        """Put the verdicts down, all or none; what was brought is added to what was before. Raises SourceUnknown.

        Two runs that check the same window at once leave the later verdict; `fetched` may then count a record twice.
        """
        if not verdicts:
            return
        rows = [
            {
                "source": source,
                "org_uuid": one.org_uuid,
                "window_start": one.window.start,
                "window_end": one.window.end,
                "expected": one.expected,
                "stored": one.stored,
                "state": one.state,
                "fetched": one.brought,
                "checked_at": now,
            }
            for one in verdicts
        ]
        statement = insert_or_update(ledger)
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["source", "org_uuid", "window_start"],
            set_={
                "window_end": new.window_end,
                "expected": new.expected,
                "stored": new.stored,
                "state": new.state,
                "fetched": ledger.c.fetched + new.fetched,
                "checked_at": new.checked_at,
            },
        )
        with self._database.write() as connection:
            # The source may have been removed while its provider was asked; its ledger went with it.
            if connection.execute(select(sources.c.name).where(sources.c.name == source)).first() is None:
                raise SourceUnknown(source)
            connection.execute(statement, rows)

    def give_up(self, source: str, out_of_reach: datetime) -> list[LedgerRow]:
        """Mark as lost what is short and ended at or before `out_of_reach`; which those are. Each is told once."""
        short = (ledger.c.source == source, ledger.c.state == "short", ledger.c.window_end <= out_of_reach)
        with self._database.write() as connection:
            rows = connection.execute(select(ledger).where(*short).order_by(ledger.c.window_start)).all()
            connection.execute(update(ledger).where(*short).values(state="lost"))
        return [_row(row, state="lost") for row in rows]

    def totals(self, source: str | None = None) -> LedgerTotals:
        """How many windows are in each state."""
        question = select(ledger.c.state, func.count()).group_by(ledger.c.state)
        if source is not None:
            question = question.where(ledger.c.source == source)
        with self._database.read() as connection:
            return LedgerTotals(**{row[0]: row[1] for row in connection.execute(question)})

    def by_hour(self, hours: int) -> list[LedgerHour]:
        """The last `hours` windows that have any row, newest first, over all sources and organizations."""
        start = ledger.c.window_start
        counted = [func.count().filter(ledger.c.state == state) for state in STATES]
        sums = [func.max(ledger.c.window_end), func.sum(ledger.c.expected), func.sum(ledger.c.stored)]
        question = select(start, *sums, *counted).group_by(start).order_by(start.desc()).limit(hours)
        with self._database.read() as connection:
            rows = connection.execute(question).all()
        return [
            LedgerHour(Period(row[0], row[1]), row[2], row[3], LedgerTotals(**dict(zip(STATES, row[4:], strict=True))))
            for row in rows
        ]

    def rows(
        self,
        period: Period | None = None,
        org_uuid: str | None = None,
        *,
        states: Sequence[State] = (),
        most: int = 1_000,
    ) -> list[LedgerRow]:
        """Windows that meet `period`, newest first, at most `most`; None and () leave nothing out."""
        question = select(ledger).order_by(ledger.c.window_start.desc(), ledger.c.source, ledger.c.org_uuid).limit(most)
        if period is not None:
            question = question.where(ledger.c.window_start < period.end, ledger.c.window_end > period.start)
        if org_uuid is not None:
            question = question.where(ledger.c.org_uuid == org_uuid)
        if states:
            question = question.where(ledger.c.state.in_(states))
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(question)]

    def keep_report(self, report: ReconciliationReport) -> None:
        """Put a run down. Raises SourceUnknown when its source was removed meanwhile."""
        with self._database.write() as connection:
            if connection.execute(select(sources.c.name).where(sources.c.name == report.source)).first() is None:
                raise SourceUnknown(report.source)
            connection.execute(
                insert(reconciliations).values(
                    source=report.source,
                    started_at=report.started_at,
                    finished_at=report.finished_at,
                    requests=report.requests,
                    windows=report.windows,
                    short=report.short,
                    repaired=report.repaired,
                    problem=report.problem,
                )
            )


def _row(row: Row[Any], state: State | None = None) -> LedgerRow:
    values = row._mapping
    return LedgerRow(
        source=values["source"],
        org_uuid=values["org_uuid"],
        window=Period(values["window_start"], values["window_end"]),
        expected=values["expected"],
        stored=values["stored"],
        state=state or values["state"],
        fetched=values["fetched"],
        checked_at=values["checked_at"],
        proof=values["proof"],
        ways=tuple(values["ways"].split()),
        reason=values["reason"],
        completed_at=values["completed_at"],
        recheck_at=values["recheck_at"],
    )
