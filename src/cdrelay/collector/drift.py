"""How the records that came differ from the documents: unknown keys, new values, values of another type.

Counted by the loader with its receipts (`control/drift.py`); here it is read, and remembered what was told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, tuple_, update

from cdrelay.control.database import Database
from cdrelay.control.tables import drift
from cdrelay.lake.drift import Difference

_KEY = (drift.c.kind, drift.c.field, drift.c.value, drift.c.source)


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One difference of one source, and how often it was met."""

    kind: Difference
    """key: nobody documented it; value: not one of the documented; misfit: not of the field's type."""
    field: str
    """The key or field as on the wire."""
    value: str
    """Of an enumeration, where it looks like one; otherwise empty or a remark. See `lake/drift.py`."""
    source: str
    records: int
    """Records that had it, repeats of a record in another payload included."""
    payload: str
    """The first that had it."""
    first_seen: datetime
    last_seen: datetime
    told_at: datetime | None

    @property
    def what(self) -> str:
        """In words, for people; without any value of a record but the name of an enumeration's new one."""
        return {
            "key": f"unknown key {self.field!r}",
            "value": f"new value {self.value!r} of {self.field!r}",
            "misfit": f"values of {self.field!r} that are not of its type",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class DriftTotals:
    """How many different ones there are of each kind, over all sources."""

    keys: int = 0
    values: int = 0
    misfits: int = 0


class Drift:
    """The store of differences. All methods block and raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, source: str | None = None, most: int = 1_000) -> list[DriftRow]:
        """The latest first seen first, of one source or of all."""
        question = select(drift).order_by(drift.c.first_seen.desc(), *_KEY).limit(most)
        if source is not None:
            question = question.where(drift.c.source == source)
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(question)]

    def of_payload(self, payload: str) -> list[DriftRow]:
        """The differences that this payload was the first to have."""
        question = select(drift).where(drift.c.payload == payload).order_by(*_KEY)
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(question)]

    def untold(self) -> list[DriftRow]:
        """Those that nobody was told of yet, the oldest first."""
        question = select(drift).where(drift.c.told_at.is_(None)).order_by(drift.c.first_seen, *_KEY)
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(question)]

    def told(self, rows: Sequence[DriftRow], now: datetime) -> None:
        """Remember that these were told; one that was told already keeps its time."""
        if not rows:
            return
        named = [(row.kind, row.field, row.value, row.source) for row in rows]
        with self._database.write() as connection:
            connection.execute(
                update(drift).where(tuple_(*_KEY).in_(named), drift.c.told_at.is_(None)).values(told_at=now)
            )

    def totals(self) -> DriftTotals:
        """How many different ones there are."""
        different = func.count(func.distinct(drift.c.field + "\n" + drift.c.value))
        question = select(drift.c.kind, different).group_by(drift.c.kind)
        with self._database.read() as connection:
            found = {row[0]: row[1] for row in connection.execute(question)}
        return DriftTotals(found.get("key", 0), found.get("value", 0), found.get("misfit", 0))


def _row(row: Row[Any]) -> DriftRow:
    return DriftRow(*(getattr(row, name) for name in DriftRow.__slots__))
