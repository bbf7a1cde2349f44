"""Old hours go from the ledger. How far back it goes is put down, and how many there were of each state stays known.

An hour in which something is missing never goes: nobody should learn of a loss from a row that is not there.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, tuple_
from sqlalchemy.dialects.sqlite import insert

from cdrelay.control.database import Database
from cdrelay.control.forgetting import AT_ONCE, forget
from cdrelay.control.tables import FORGETTABLE, compared_hours, ledger, ledger_forgotten, reconciliations, sources

_KEY = list(ledger.primary_key)


class LedgerForgetting:
    """Lets go of what is old. All methods block and raise DatabaseUnavailable; killed in between, the next goes on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hours_before(self, moment: datetime) -> int:
        """Remove the hours of all sources that ended by then, complete or never compared; how many."""
        with self._database.write() as connection:
            # First, so that no hour is gone of which it is not known that it may be.
            _say_until(connection, moment)
        total, gone = 0, AT_ONCE
        while gone == AT_ONCE:
            with self._database.write() as connection:
                gone = _forget_some(connection, moment)
            total += gone
        return total + forget(self._database, compared_hours, compared_hours.c.window_start < moment)

    def runs_before(self, moment: datetime) -> int:
        """Remove the reconciliations that began before, but the last of each source; how many."""
        last = select(func.max(reconciliations.c.id)).group_by(reconciliations.c.source)
        old = (reconciliations.c.started_at < moment) & reconciliations.c.id.not_in(last)
        return forget(self._database, reconciliations, old)


def forgotten_until(connection: Connection, source: str) -> datetime | None:
    """How far back the ledger of a source goes: hours that ended by then are gone, unless something is missing.

    None: to its beginning.
    """
    until: datetime | None = connection.scalar(
        select(ledger_forgotten.c.until).where(ledger_forgotten.c.source == source)
    )
    return until


def forgotten_windows(connection: Connection, source: str | None) -> Mapping[str, int]:
    """How many windows in each state went, of one source or of all."""
    question = select(*(func.coalesce(func.sum(ledger_forgotten.c[state]), 0) for state in FORGETTABLE))
    if source is not None:
        question = question.where(ledger_forgotten.c.source == source)
    return dict(zip(FORGETTABLE, connection.execute(question).one(), strict=True))


def _say_until(connection: Connection, moment: datetime) -> None:
    names = connection.scalars(select(sources.c.name).where(sources.c.created_at < moment)).all()
    _add(connection, [{"source": name, "until": moment} for name in names])


def _forget_some(connection: Connection, moment: datetime) -> int:
    old = (ledger.c.window_start < moment, ledger.c.window_end <= moment, ledger.c.state.in_(FORGETTABLE))
    some = tuple_(*_KEY).in_(select(*_KEY).where(*old).order_by(ledger.c.window_start, *_KEY).limit(AT_ONCE))
    numbers = [func.count().filter(ledger.c.state == state).label(state) for state in FORGETTABLE]
    found = connection.execute(select(ledger.c.source, *numbers).where(some).group_by(ledger.c.source)).mappings()
    _add(connection, [{**row, "until": moment} for row in found])
    return connection.execute(delete(ledger).where(some)).rowcount


def _add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    statement = insert(ledger_forgotten)
    new, known = statement.excluded, ledger_forgotten.c
    more = {state: known[state] + new[state] for state in FORGETTABLE}
    changed = more | {"until": func.max(known.until, new.until)}
    connection.execute(statement.on_conflict_do_update(index_elements=["source"], set_=changed), rows)
