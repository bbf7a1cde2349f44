"""What of a home can be read, or known again, with its key alone."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, LargeBinary, select

from cdrelay.control.database import Database
from cdrelay.control.tables import erased_keys, metadata


def sealed_secrets(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """Every encrypted secret of the control database, with the name of its column, as `sources.secret`."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, LargeBinary):
                for sealed in connection.scalars(select(column).where(column.is_not(None))):
                    yield f"{table.name}.{column.name}", sealed


def key_is_needed(database: Database, home: Path) -> bool:
    """Whether another key would be of no use: for secrets, for the keys of a lake, or for who was erased."""
    if any(home.glob("*/lake.keys")):
        return True
    with database.read() as connection:
        return (
            next(sealed_secrets(connection), None) is not None
            or connection.execute(select(erased_keys)).first() is not None
        )
