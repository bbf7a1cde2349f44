"""Removing a partner with all that is theirs: credentials, administrators, relations, licences, webhook, deliveries.

Their history of deliveries goes too: it names what was sent to somebody who has nothing to do with us any more, and
who else would ask for it? Customer organizations and their records stay: they may be other partners' customers.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, Select, Table, delete, func, select

from cdrelay.control.database import Database
from cdrelay.control.forgetting import forget
from cdrelay.control.tables import (
    PENDING,
    access_tokens,
    administrators,
    deliveries,
    integrations,
    licences,
    partners,
    relations,
    webhooks,
)
from cdrelay.publisher.errors import PartnerUnknown


class PartnerRemoval:
    """Blocking, may be used from any thread; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def belongings(self, partner_id: str) -> Mapping[str, int]:
        """How much of what would go with the partner. Raises PartnerUnknown."""
        of_deliveries = _number(deliveries, partner_id)
        asked = {
            "administrators": _number(administrators, partner_id),
            "access tokens": _number(access_tokens, partner_id),
            "integrations": _number(integrations, partner_id),
            "relations": _number(relations, partner_id),
            "licences": _number(licences, partner_id),
            "webhooks": _number(webhooks, partner_id),
            "pending deliveries": of_deliveries.where(PENDING),
            "deliveries in the history": of_deliveries.where(~PENDING),
        }
        with self._database.read() as connection:
            _require(connection, partner_id)
            return {what: connection.scalar(question) or 0 for what, question in asked.items()}

    def remove(self, partner_id: str) -> None:
        """Remove it for good; killed in between, it has no webhook any more, and again goes on. Raises PartnerUnknown.

        A delivery that is under way arrives, and nothing is written about it. The bodies of those that were pending
        go at the next tick.
        """
        with self._database.write() as connection:
            _require(connection, partner_id)
            connection.execute(delete(webhooks).where(webhooks.c.partner_id == partner_id))
        forget(self._database, deliveries, deliveries.c.partner_id == partner_id)
        with self._database.write() as connection:
            connection.execute(delete(partners).where(partners.c.id == partner_id))


def _require(connection: Connection, partner_id: str) -> None:
    if connection.execute(select(partners.c.id).where(partners.c.id == partner_id)).first() is None:
        raise PartnerUnknown(partner_id)


def _number(table: Table, partner_id: str) -> Select[int]:
    return select(func.count()).select_from(table).where(table.c.partner_id == partner_id)
