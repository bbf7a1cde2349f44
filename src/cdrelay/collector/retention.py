"""Organizations whose records are kept for a time of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from cdrelay.collector.errors import CollectorError
from cdrelay.control.database import Database
from cdrelay.control.tables import retentions


class RetentionRefused(CollectorError):
    """A time that no records can be kept for."""


@dataclass(frozen=True, slots=True)
class OwnTime:
    """How long the records of one organization are kept."""

    org_uuid: str
    keep_days: float
    """Days of the contract."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeptSince:
    """From when on records stay, at one moment; older ones may be gone."""

    general: datetime | None = None
    """None: from the beginning."""
    own: Mapping[str, datetime] = field(default_factory=dict)
    """By organization; earlier or later than the general moment."""

    def of(self, org_uuid: str) -> datetime | None:
        """That of one organization."""
        return self.own.get(org_uuid, self.general)


class Retentions:
    """The times. Blocking; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, org_uuid: str, keep_days: float, now: datetime) -> None:
        """Keep an organization's records for so long, shorter or longer than others'; again replaces it.

        Raises RetentionRefused for less than the two days over which records are compared and repaired.
        """
        if not 2 <= keep_days <= _MOST_DAYS:
            raise RetentionRefused(
                f"days must be from 2, over which records are still compared and repaired, to {_MOST_DAYS}"
            )
        values = {"keep_days": keep_days, "created_at": now}
        with self._database.write() as connection:
            connection.execute(
                insert(retentions)
                .values(org_uuid=org_uuid, **values)
                .on_conflict_do_update(index_elements=["org_uuid"], set_=values)
            )

    def remove(self, org_uuid: str) -> bool:
        """Let the general time apply again; False: there was no other."""
        with self._database.write() as connection:
            return connection.execute(delete(retentions).where(retentions.c.org_uuid == org_uuid)).rowcount > 0

    def list(self) -> list[OwnTime]:
        """All of them."""
        columns = [retentions.c[name] for name in OwnTime.__slots__]
        with self._database.read() as connection:
            return [OwnTime(*row) for row in connection.execute(select(*columns).order_by(retentions.c.org_uuid))]

    def times(self, compress: float) -> dict[str, timedelta]:
        """By organization, for the loader."""
        return {one.org_uuid: timedelta(days=one.keep_days) / compress for one in self.list()}


_MOST_DAYS = 36_500
