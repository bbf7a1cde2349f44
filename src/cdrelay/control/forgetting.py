"""Rows that are of no more use go, some at a time; what the status has counted of them stays counted."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, tuple_
from sqlalchemy.dialects.sqlite import insert

from cdrelay.control.database import Database
from cdrelay.control.tables import forgotten_sums

AT_ONCE = 2_000
"""Rows in one transaction: the database must not be held for long."""


def forget(
    database: Database, table: Table, old: ColumnElement[bool], sums: Mapping[str, ColumnElement[Any]] | None = None
) -> int:
    """Remove the rows that `old` holds for; how many. Killed in between, the next call goes on.

    `sums` over them are added to the numbers of these names, in the transaction in which the rows go. Blocking; raises
    DatabaseUnavailable.
    """
    total, gone = 0, AT_ONCE
    key = list(table.primary_key)
    while gone == AT_ONCE:
        with database.write() as connection:
            some = tuple_(*key).in_(select(*key).where(old).order_by(*key).limit(AT_ONCE))
            if sums:
                found = connection.execute(select(*sums.values()).where(some)).one()
                _add(connection, dict(zip(sums, found, strict=True)))
            gone = connection.execute(delete(table).where(some)).rowcount
        total += gone
    return total


def forgotten(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """The numbers of these names; 0 where nothing was forgotten."""
    question = select(forgotten_sums.c.name, forgotten_sums.c.number).where(forgotten_sums.c.name.in_(names))
    return dict.fromkeys(names, 0) | {row.name: row.number for row in connection.execute(question)}


def _add(connection: Connection, numbers: Mapping[str, int | None]) -> None:
    rows = [{"name": name, "number": number} for name, number in numbers.items() if number]
    if rows:
        statement = insert(forgotten_sums)
        more = {"number": forgotten_sums.c.number + statement.excluded.number}
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=more), rows)


def count_of(table: Table) -> ColumnElement[int]:
    """How many rows, for `sums`."""
    return func.count(next(iter(table.primary_key)))
