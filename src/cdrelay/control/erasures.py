"""Erasures: that something was erased, when and how much; and, as keyed hashes, what must not come back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import insert, select, update

from cdrelay.control.database import Database
from cdrelay.control.tables import erased_keys, erasures


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure."""

    id: str
    at: datetime
    """Records with an earlier Report time are concerned, also when they come later."""
    org_uuid: str | None
    """Of whose records; None: of all."""
    label: str
    records: int
    """So many were changed so far, in all stores."""
    finished_at: datetime | None
    """None: it was interrupted, and must be taken up again."""


_COLUMNS = [erasures.c[name] for name in Erasure.__slots__]


class Erasures:
    """The erasures of a home. Blocking; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, hashes: Iterable[str], org_uuid: str | None, label: str, now: datetime) -> Erasure:
        """Note an erasure. From here on every load keeps to it."""
        erasure = Erasure(str(uuid4()), now, org_uuid, label, 0, None)
        values = {name: getattr(erasure, name) for name in Erasure.__slots__}
        with self._database.write() as connection:
            connection.execute(insert(erasures).values(**values))
            connection.execute(
                insert(erased_keys), [{"erasure_id": erasure.id, "keyed_hash": one} for one in sorted(set(hashes))]
            )
        return erasure

    def count(self, erasure_id: str, records: int) -> None:
        """Add what was changed just now."""
        with self._database.write() as connection:
            connection.execute(
                update(erasures).where(erasures.c.id == erasure_id).values(records=erasures.c.records + records)
            )

    def finish(self, erasure_id: str, now: datetime) -> None:
        """Note that nothing of it is left on the disk. Again changes nothing."""
        unfinished = (erasures.c.id == erasure_id) & erasures.c.finished_at.is_(None)
        with self._database.write() as connection:
            connection.execute(update(erasures).where(unfinished).values(finished_at=now))

    def list(self) -> list[Erasure]:
        """All of them, the first first."""
        with self._database.read() as connection:
            return [Erasure(*row) for row in connection.execute(select(*_COLUMNS).order_by(erasures.c.at))]

    def hashes_since(self, moment: datetime) -> dict[Erasure, frozenset[str]]:
        """By what those that were begun after a moment are known.

        What ended before an older one is too old to be stored: nothing of it can come again.
        """
        query = select(*_COLUMNS, erased_keys.c.keyed_hash).join(erased_keys).where(erasures.c.at >= moment)
        found: dict[Erasure, set[str]] = {}
        with self._database.read() as connection:
            for *columns, keyed_hash in connection.execute(query):
                found.setdefault(Erasure(*columns), set()).add(keyed_hash)
        return {erasure: frozenset(hashes) for erasure, hashes in found.items()}
