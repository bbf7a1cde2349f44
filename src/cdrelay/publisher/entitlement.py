"""Which records a partner is entitled to, by the relations and licences that were in force when the call ended.

Analytics: all records of the customers with which the partner has a calling relationship at that time. Billing: records
of users and workspaces whose licence the partner sold, at that time (seed; docs/decisions/0008).
All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from sqlalchemy import ColumnElement, Table, select

from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import relations


def in_force(table: Table, period: Period) -> ColumnElement[bool]:
    """The condition that a relation or licence was in force at some moment of the period."""
    return (table.c.starts_at < period.end) & (table.c.ends_at.is_(None) | (table.c.ends_at > period.start))


class Entitlement:
    """Reads relations and licences."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def organizations_of(self, partner_id: str, period: Period) -> list[str]:
        """The ids of the customers the partner had a relationship with at some moment of the period, sorted.

        None for a partner nobody knows.
        """
        mine = relations.c.partner_id == partner_id
        query = select(relations.c.org_uuid).where(mine, in_force(relations, period)).distinct()
        with self._database.read() as connection:
            return list(connection.scalars(query.order_by(relations.c.org_uuid)))
