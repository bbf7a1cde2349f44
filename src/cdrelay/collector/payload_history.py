"""What became of the payloads that were loaded."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from cdrelay.control.database import Database
from cdrelay.control.tables import payloads


@dataclass(frozen=True, slots=True)
class LoadedPayload:
    """One payload and what its load did; added, corrected, repeated and quarantined are numbers of records."""

    id: str
    source: str
    channel: str
    received_at: datetime
    bytes: int
    records: int
    added: int
    corrected: int
    repeated: int
    quarantined: int
    load_seq: int
    loaded_at: datetime


_COLUMNS = [payloads.c[name] for name in LoadedPayload.__slots__]
_OURS = payloads.c.half == "collector"


def latest_payloads(database: Database, most: int, source: str | None = None) -> list[LoadedPayload]:
    """The collector's payloads that came last, newest first; blocks. Raises DatabaseUnavailable."""
    question = select(*_COLUMNS).where(_OURS).order_by(payloads.c.received_at.desc()).limit(most)
    if source is not None:
        question = question.where(payloads.c.source == source)
    with database.read() as connection:
        return [LoadedPayload(*row) for row in connection.execute(question)]


def payloads_named(database: Database, ids: Collection[str]) -> list[LoadedPayload]:
    """Those of the collector's payloads that were loaded, in no order; blocks. Raises DatabaseUnavailable."""
    with database.read() as connection:
        return [
            LoadedPayload(*row) for row in connection.execute(select(*_COLUMNS).where(_OURS, payloads.c.id.in_(ids)))
        ]


def payload_named(database: Database, name: str) -> LoadedPayload | None:
    """One of either half; None: its load is not finished, or its receipt is gone. Blocking.

    Raises DatabaseUnavailable.
    """
    with database.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(payloads.c.id == name)).one_or_none()
    return None if row is None else LoadedPayload(*row)
