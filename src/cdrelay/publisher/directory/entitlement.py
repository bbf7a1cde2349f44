"""Which records partners are entitled to, looked up in the relations and licences of the directory.

What is looked up is what concerns the parties of the records at hand: the cost follows the window, and neither the
number of partners nor that of licences. All methods block and may be used from any thread; all raise
DatabaseUnavailable when the database is gone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Column, ColumnElement, Connection, Table, literal, select

from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import licences, relations, webhooks
from cdrelay.lake.selection import Claims, Party
from cdrelay.publisher.directory.claims import FOREVER, Held, claims_of
from cdrelay.publisher.parties import ResourceType

Feed = tuple[str, ResourceType]
"""A partner's id, and what it is to have."""

# Keys looked up in one statement; SQLite takes at most 32,766 values.
_AT_ONCE = 10_000


class Selected(Protocol):
    """What is asked of records that were selected."""

    def parties(self, *, by_holder: bool) -> list[Party]:
        """Whose they are."""
        ...

    def count(self, claims: Claims) -> dict[tuple[int, str], int]:
        """How many, by recipient and organization."""
        ...


@dataclass(frozen=True, slots=True)
class Preview:
    """What a feed would have held."""

    organizations: int
    """Customers with at least one record."""
    records: int


class Entitlement:
    """Reads relations, licences and resource types."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def organizations_of(self, partner_id: str, period: Period) -> list[str]:
        """The ids of the partner's customers at some moment of the period, sorted: those it had a relationship with,
        and, where it receives the billing feed, those whose users hold licences that it sold.

        None for a partner nobody knows.
        """
        tables = [relations, licences] if self.feed_of(partner_id)[1] == "billing" else [relations]
        with self._database.read() as connection:
            found: set[str] = set()
            for table in tables:
                mine = select(table.c.org_uuid).where(table.c.partner_id == partner_id, _in_force(table, period))
                found |= set(connection.scalars(mine.distinct()))
        return sorted(found)

    def feed_of(self, partner_id: str) -> Feed:
        """What the partner has chosen, analytics while it has no webhook: its endpoints answer for the same records."""
        query = select(webhooks.c.resource_type).where(webhooks.c.partner_id == partner_id)
        with self._database.read() as connection:
            return partner_id, connection.scalar(query) or "analytics"

    def claims(self, feeds: Sequence[Feed], selected: Selected, organizations: Collection[str] | None = None) -> Claims:
        """What each of `feeds` may have of the selected records; with `organizations`, of these only."""
        by_holder = any(resource_type == "billing" for _, resource_type in feeds)
        if organizations is None or by_holder:
            parties = selected.parties(by_holder=by_holder)
        else:
            parties = [Party(org_uuid, "", workspace=False) for org_uuid in organizations]
        if organizations is not None:
            parties = [party for party in parties if party.org_uuid in organizations]
        customers, holders = {party.org_uuid for party in parties}, {party.holder_uuid for party in parties} - {""}
        with self._database.read() as connection:
            related = _held(connection, relations, relations.c.org_uuid, literal(""), customers)
            sold = _held(connection, licences, licences.c.holder_uuid, licences.c.holder_uuid, holders)
        return claims_of(parties, feeds, related, sold, by_holder=by_holder)

    def preview(self, partner_id: str, selected: Selected) -> dict[ResourceType, Preview]:
        """What each resource type would have held of the selected records for the partner."""
        feeds: list[Feed] = [(partner_id, "analytics"), (partner_id, "billing")]
        counts = selected.count(self.claims(feeds, selected))
        found: dict[ResourceType, Preview] = {}
        for number, (_, resource_type) in enumerate(feeds):
            mine = [count for (recipient, _), count in counts.items() if recipient == number]
            found[resource_type] = Preview(len(mine), sum(mine))
        return found


def _in_force(table: Table, period: Period) -> ColumnElement[bool]:
    """The condition that a relation or licence was in force at some moment of the period."""
    return (table.c.starts_at < period.end) & (table.c.ends_at.is_(None) | (table.c.ends_at > period.start))


def _held(
    connection: Connection, table: Table, key: Column[str], holder: ColumnElement[str], wanted: Collection[str]
) -> list[Held]:
    """The entries of a table with one of the wanted values as their key."""
    columns = table.c.partner_id, table.c.org_uuid, holder, table.c.starts_at, table.c.ends_at
    keys, found = sorted(wanted), list[Held]()
    for start in range(0, len(keys), _AT_ONCE):
        some = select(*columns).where(key.in_(keys[start : start + _AT_ONCE]))
        for partner_id, org_uuid, holder_uuid, starts_at, ends_at in connection.execute(some):
            found.append(Held(partner_id, org_uuid, holder_uuid, (starts_at, ends_at or FOREVER)))
    return found
