"""Which organizations the ledger knows, by how their UUIDs begin."""

from sqlalchemy import select

from cdrelay.control.database import Database
from cdrelay.control.tables import ledger, sources

_AFTER_HEX = "g"


def known_organizations(database: Database, beginning: str, source: str | None = None) -> set[str]:
    """The UUIDs that begin so, in lower case; with a source, those that it knows. Blocking.

    Raises DatabaseUnavailable.
    """
    named = select(sources.c.name)
    if source is not None:
        named = named.where(sources.c.name == source)
    org = ledger.c.org_uuid
    found: set[str] = set()
    with database.read() as connection:
        # One by one, because the index begins with the source.
        for name in connection.scalars(named).all():
            within = (ledger.c.source == name, org >= beginning, org < beginning + _AFTER_HEX)
            found.update(connection.scalars(select(org).distinct().where(*within)))
    return found
