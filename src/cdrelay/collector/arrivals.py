"""When each source's payloads came, and how many lately, out of the receipts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from sqlalchemy import Connection, Integer, func, literal_column, select, text

from cdrelay.control.database import Database
from cdrelay.control.tables import payloads

Way = tuple[str, str]
"""A source, and the channel by which a payload came."""

_rowid = literal_column("payloads.rowid", Integer)
"""SQLite's own number of a receipt: a later one has a higher one."""
_OURS = "+half = 'collector'"
"""With a sign before it the column is not looked up in its index, which would read all of the half."""


@dataclass(frozen=True, slots=True)
class Lately:
    """What came by one way in a time."""

    payloads: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of the receipts so far, so that a look reads only what came since."""

    row: int = 0
    payload: str | None = None
    last: Mapping[Way, datetime] | None = None


class Arrivals:
    """Reads the receipts of the collector, all of them at the first look. Blocking, from any thread.

    Methods raise DatabaseUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._read = _Read()

    def last(self) -> Mapping[Way, datetime]:
        """When the last payload came that was loaded, by each way. The last of each way has a receipt for ever."""
        with self._lock, self._database.read() as connection:
            before = self._read if self._still(connection) else _Read()
            since = (
                select(payloads.c.source, payloads.c.channel, func.max(payloads.c.received_at), func.max(_rowid))
                .where(_rowid > before.row, text(_OURS))
                .group_by(payloads.c.source, payloads.c.channel)
            )
            last, row = dict(before.last or {}), before.row
            for source, channel, received_at, newest in connection.execute(since):
                last[source, channel] = max(received_at, last.get((source, channel), received_at))
                row = max(row, newest)
            name = connection.scalar(select(payloads.c.id).where(_rowid == row))
            self._read = _Read(row, name, last)
            return last

    def lately(self, since: datetime) -> Mapping[Way, Lately]:
        """What came after `since` and was loaded, by each way; ways by which nothing did are left out."""
        asked = (
            select(payloads.c.source, payloads.c.channel, func.count(), func.sum(payloads.c.records))
            .where(payloads.c.half == "collector", payloads.c.received_at > since)
            .group_by(payloads.c.source, payloads.c.channel)
        )
        with self._database.read() as connection:
            return {(row[0], row[1]): Lately(row[2], row[3]) for row in connection.execute(asked)}

    def _still(self, connection: Connection) -> bool:
        """Whether receipts have only been added since: else the database is another, or was written anew."""
        name = connection.scalar(select(payloads.c.id).where(_rowid == self._read.row))
        return name is not None and name == self._read.payload
