"""Entries of the directory that are in force for a time, [starts_at, ends_at): what relations and licences share.

What was in force once stays, for entitlement asks about calls of the past: an entry is ended, and taken back only
while it has not begun.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, delete, insert, select, update

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.tables import organizations, partners
from cdrelay.publisher.errors import EntryConflicts, EntryUnknown, OrganizationUnknown, PartnerUnknown

Entry = TypeVar("Entry")
END_AFTER_START = "must be after startsAt"


def in_force_at(table: Table, at: datetime) -> ColumnElement[bool]:
    """The condition that an entry is in force at that moment."""
    return (table.c.starts_at <= at) & (table.c.ends_at.is_(None) | (table.c.ends_at > at))


@dataclass(frozen=True, slots=True)
class Spans:
    """The entries of one table, of which no two with the same `owner` columns may overlap.

    All methods work in the caller's transaction.
    """

    table: Table
    what: str
    """How one entry is called: relation, licence."""
    owner: tuple[str, ...]
    rule: str
    """Said of an entry that overlaps another."""

    def add(self, connection: Connection, values: Mapping[str, Any]) -> str:
        """A new entry; returns its id. Raises PartnerUnknown, OrganizationUnknown, EntryConflicts."""
        entry = {"id": str(uuid4())} | {name: value for name, value in values.items() if value is not None}
        if connection.scalar(select(partners.c.id).where(partners.c.id == entry["partner_id"])) is None:
            raise PartnerUnknown(entry["partner_id"])
        known = select(organizations.c.org_uuid).where(organizations.c.org_uuid == entry["org_uuid"])
        if connection.scalar(known) is None:
            raise OrganizationUnknown(entry["org_uuid"])
        if connection.scalar(select(self.table.c.id).where(self.table.c.id == entry["id"])) is not None:
            raise EntryConflicts("id", f"there is a {self.what} of that id already")
        self._require_room(connection, entry)
        connection.execute(insert(self.table).values(entry))
        return str(entry["id"])

    def get(self, connection: Connection, entry_id: str) -> RowMapping:
        """One entry. Raises EntryUnknown."""
        row = connection.execute(select(self.table).where(self.table.c.id == entry_id)).one_or_none()
        if row is None:
            raise EntryUnknown(self.what, entry_id)
        return row._mapping

    def end(self, connection: Connection, entry_id: str, now: datetime) -> None:
        """End an entry now; one that has ended stays as it is. Raises EntryUnknown, EntryConflicts."""
        ends_at = self.get(connection, entry_id)["ends_at"]
        if ends_at is None or ends_at > now:
            self.set_end(connection, entry_id, now)

    def set_end(self, connection: Connection, entry_id: str, ends_at: datetime | None) -> None:
        """Let an entry end then, or last. Raises EntryUnknown, EntryConflicts."""
        self._require_room(connection, {**self.get(connection, entry_id), "ends_at": ends_at})
        connection.execute(update(self.table).where(self.table.c.id == entry_id).values(ends_at=ends_at))

    def take_back(self, connection: Connection, entry_id: str, now: datetime) -> None:
        """Remove an entry that has not begun. Raises EntryUnknown, EntryConflicts."""
        if self.get(connection, entry_id)["starts_at"] <= now:
            raise EntryConflicts("startsAt", f"a {self.what} that has begun cannot be removed; end it")
        connection.execute(delete(self.table).where(self.table.c.id == entry_id))

    def _require_room(self, connection: Connection, entry: Mapping[str, Any]) -> None:
        starts_at, ends_at = entry["starts_at"], entry.get("ends_at")
        if ends_at is not None and ends_at <= starts_at:
            raise EntryConflicts("endsAt", END_AFTER_START)
        table = self.table
        others = (table.c.id != entry["id"]) & (table.c.ends_at.is_(None) | (table.c.ends_at > starts_at))
        for name in self.owner:
            others &= table.c[name] == entry[name]
        if ends_at is not None:
            others &= table.c.starts_at < ends_at
        if connection.execute(select(table.c.id).where(others)).first() is not None:
            raise EntryConflicts("startsAt", self.rule)


class SpanStore(Generic[Entry]):
    """What can be done with the entries of one table, each in a transaction of its own."""

    def __init__(self, database: Database, clock: Clock, spans: Spans, entry: type[Entry]) -> None:
        self._database = database
        self._clock = clock
        self._spans = spans
        self._entry = entry

    def get(self, entry_id: str) -> Entry:
        """One entry. Raises EntryUnknown."""
        with self._database.read() as connection:
            return self._entry(**self._spans.get(connection, entry_id))

    def end(self, entry_id: str, at: datetime | None = None) -> Entry:
        """Let an entry end then, or else now; ending again now changes nothing. Raises as `set_end` does."""
        if at is not None:
            return self.set_end(entry_id, at)
        with self._database.write() as connection:
            self._spans.end(connection, entry_id, self._clock.now())
            return self._entry(**self._spans.get(connection, entry_id))

    def set_end(self, entry_id: str, ends_at: datetime | None) -> Entry:
        """Let an entry end then, or last (None). Raises EntryUnknown, EntryConflicts."""
        with self._database.write() as connection:
            self._spans.set_end(connection, entry_id, ends_at)
            return self._entry(**self._spans.get(connection, entry_id))

    def take_back(self, entry_id: str) -> None:
        """Remove an entry that has not begun. Raises EntryUnknown, EntryConflicts when it has."""
        with self._database.write() as connection:
            self._spans.take_back(connection, entry_id, self._clock.now())

    def _added(self, starts_at: datetime | None, **values: Any) -> Entry:
        with self._database.write() as connection:
            added = self._spans.add(connection, values | {"starts_at": starts_at or self._clock.now()})
            return self._entry(**self._spans.get(connection, added))

    def _listed(self, at: datetime | None, after: str | None, limit: int | None, **wanted: str | None) -> list[Entry]:
        table = self._spans.table
        query = select(table).order_by(table.c.id).limit(limit)
        query = query.filter_by(**{name: value for name, value in wanted.items() if value is not None})
        if at is not None:
            query = query.where(in_force_at(table, at))
        if after is not None:
            query = query.where(table.c.id > after)
        with self._database.read() as connection:
            return [self._entry(**row._mapping) for row in connection.execute(query)]
