"""The ledger: for each source, organization and whole hour, what was expected, what is stored, and the state of it."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, insert, select, text, update
from sqlalchemy.dialects.sqlite import insert as insert_or_update

from cdrelay.collector.comparison import LEFT_UNCOMPARED, STATES, Former, State, Verdict
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.ledger_forgetting import forgotten_until, forgotten_windows
from cdrelay.collector.ledger_rows import (
    LedgerHour,
    LedgerRow,
    LedgerTotals,
    ReconciliationReport,
    ledger_row,
    ledger_values,
)
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import ledger, reconciliations, sources

_INCOMPLETE = text("state IN ('short', 'lost')")
"""As its index says it: SQLite uses an index of some rows only where it sees that it fits."""


class Ledger:
    """The store of verdicts. All methods block and raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def organizations(self, source: str, since: datetime) -> frozenset[str]:
        """Those of which the source has counted a record since then."""
        question = (
            select(ledger.c.org_uuid)
            .distinct()
            .where(ledger.c.source == source, ledger.c.expected > 0, ledger.c.window_start >= since)
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(question).scalars())

    def revise(
        self,
        source: str,
        window: Period,
        now: datetime,
        decide: Callable[[Mapping[str, Former]], Sequence[Verdict]],
    ) -> Sequence[Verdict]:
        """Put down what `decide` makes of what the ledger says of a window; what it decided.

        In one transaction, so that of two runs at once the second sees what the first has said. `decide` is quick and
        asks nobody. Raises SourceUnknown.
        """
        of_window = (ledger.c.source == source) & (ledger.c.window_start == window.start)
        question = select(
            ledger.c.org_uuid,
            ledger.c.expected,
            ledger.c.fetched,
            ledger.c.state,
            ledger.c.stored,
            ledger.c.checked_at,
            ledger.c.proof,
            ledger.c.reason,
            ledger.c.recheck_at,
        ).where(of_window)
        with self._database.write() as connection:
            verdicts = decide({row[0]: Former(*row[1:]) for row in connection.execute(question)})
            _put(connection, source, verdicts, now)
        return verdicts

    def write(self, source: str, verdicts: Sequence[Verdict], now: datetime) -> None:
        """Put the verdicts down, all or none; what was brought is added to what was before. Raises SourceUnknown."""
        with self._database.write() as connection:
            _put(connection, source, verdicts, now)

    def note_uncompared(
        self, source: str, window: Period, stored: Mapping[str, int], known: Collection[str], reason: str, now: datetime
    ) -> None:
        """See that each of `known` has a row for a window that was not compared, and why; others' stay as they are.

        A window that was compared while it was under way, and not since, is told to be so. Raises SourceUnknown.
        """
        rows = [
            {
                "source": source,
                "org_uuid": org,
                "window_start": window.start,
                "window_end": window.end,
                "expected": 0,
                "stored": stored.get(org, 0),
                "state": "open",
                "fetched": 0,
                "checked_at": now,
                "proof": "none",
                "reason": reason,
            }
            for org in sorted(known)
        ]
        uncompared = (
            ledger.c.source == source,
            ledger.c.window_start == window.start,
            ledger.c.state == "open",
        )
        with self._database.write() as connection:
            _require_source(connection, source)
            if rows:
                connection.execute(insert_or_update(ledger).on_conflict_do_nothing(), rows)
            connection.execute(update(ledger).where(*uncompared).values(proof="none", reason=reason))

    def leave_uncompared(self, source: str, since: datetime, out_of_reach: datetime) -> None:
        """Say of windows that began since, ended by then and were never compared whole that nobody knows any more."""
        never = (
            ledger.c.source == source,
            ledger.c.state == "open",
            ledger.c.window_start >= since,
            ledger.c.window_end <= out_of_reach,
            func.coalesce(ledger.c.reason, "").not_like(f"{LEFT_UNCOMPARED}%"),
        )
        reason = func.rtrim(LEFT_UNCOMPARED + "; " + func.coalesce(ledger.c.reason, ""), "; ")
        with self._database.write() as connection:
            connection.execute(update(ledger).where(*never).values(proof="none", reason=reason, recheck_at=None))

    def short(self, source: str, *, ended_by: datetime, due_by: datetime | None = None) -> list[LedgerRow]:
        """Windows that are short, ended by then and, with `due_by`, ask to be looked at by then; the oldest first."""
        question = (
            select(ledger)
            .where(
                _INCOMPLETE,
                ledger.c.state == "short",
                ledger.c.window_start < ended_by,
                ledger.c.window_end <= ended_by,
                # Not as a bare column: the database would go through all rows of the source.
                func.lower(ledger.c.source) == source,
            )
            .order_by(ledger.c.window_start, ledger.c.org_uuid)
        )
        if due_by is not None:
            question = question.where(func.coalesce(ledger.c.recheck_at, due_by) <= due_by)
        with self._database.read() as connection:
            return [ledger_row(row) for row in connection.execute(question)]

    def give_up(self, rows: Sequence[LedgerRow], reason: str) -> list[LedgerRow]:
        """Mark these windows as lost where they are short still; which were. Each is told once."""
        lost = []
        with self._database.write() as connection:
            for row in rows:
                why = f"{row.expected - row.stored} missing; {reason}"
                values = {"state": "lost", "reason": why, "completed_at": None, "recheck_at": None}
                still_short = (*_key(row), ledger.c.state == "short")
                if connection.execute(update(ledger).where(*still_short).values(values)).rowcount:
                    lost.append(row)
        return lost

    def history_asked(self, tries: Sequence[tuple[LedgerRow, int]]) -> None:
        """Put down how often `cdr_feed` was asked for windows."""
        with self._database.write() as connection:
            for row, number in tries:
                connection.execute(update(ledger).where(*_key(row)).values(history_tries=number))

    def postpone(self, row: LedgerRow, reason: str, recheck_at: datetime) -> None:
        """Put down why a window stays as it is, and when to look at it again."""
        with self._database.write() as connection:
            connection.execute(update(ledger).where(*_key(row)).values(reason=reason, recheck_at=recheck_at))

    def totals(self, source: str | None = None) -> LedgerTotals:
        """How many windows are in each state, also those that went because they are old."""
        question = select(ledger.c.state, func.count()).group_by(ledger.c.state)
        if source is not None:
            question = question.where(ledger.c.source == source)
        with self._database.read() as connection:
            there = Counter({row[0]: row[1] for row in connection.execute(question)})
            there.update(forgotten_windows(connection, source))
        return LedgerTotals(**there)

    def forgotten_until(self, source: str) -> datetime | None:
        """How far back it goes: older hours are gone, but those in which something is missing. None: all the way."""
        with self._database.read() as connection:
            return forgotten_until(connection, source)

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
        source: str | None = None,
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
        if source is not None:
            question = question.where(ledger.c.source == source)
        with self._database.read() as connection:
            return [ledger_row(row) for row in connection.execute(question)]

    def keep_report(self, report: ReconciliationReport) -> None:
        """Put a run down. Raises SourceUnknown when its source was removed meanwhile."""
        with self._database.write() as connection:
            _require_source(connection, report.source)
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
                    cause=report.cause,
                )
            )


def _require_source(connection: Connection, source: str) -> None:
    """It may have been removed while its provider was asked; its ledger went with it. Raises SourceUnknown."""
    if connection.execute(select(sources.c.name).where(sources.c.name == source)).first() is None:
        raise SourceUnknown(source)


def _put(connection: Connection, source: str, verdicts: Sequence[Verdict], now: datetime) -> None:
    if not verdicts:
        return
    _require_source(connection, source)
    statement = insert_or_update(ledger)
    new = statement.excluded
    # What stays as it was: since when nothing is missing, and the ways by which records came before.
    completed_at = case((new.completed_at.is_(None), None), else_=func.coalesce(ledger.c.completed_at, now))
    way_known = func.instr(ledger.c.ways, new.ways) > 0
    ways = case((way_known, ledger.c.ways), else_=func.trim(ledger.c.ways + " " + new.ways))
    replaced = (
        "window_end",
        "expected",
        "stored",
        "state",
        "checked_at",
        "proof",
        "reason",
        "recheck_at",
    )
    statement = statement.on_conflict_do_update(
        index_elements=["source", "org_uuid", "window_start"],
        set_={
            **{name: new[name] for name in replaced},
            "fetched": ledger.c.fetched + new.fetched,
            "completed_at": completed_at,
            "ways": ways,
        },
    )
    connection.execute(statement, [ledger_values(source, one, now) for one in verdicts])


def _key(row: LedgerRow) -> tuple[Any, ...]:
    return (
        ledger.c.source == row.source,
        ledger.c.org_uuid == row.org_uuid,
        ledger.c.window_start == row.window.start,
    )
