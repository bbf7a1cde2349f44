"""What became of the payloads of one half, out of the receipts that its loader keeps."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from cdrelay.control.database import Database
from cdrelay.control.tables import payloads

_SUMMED = ("records", "repeated", "corrected", "quarantined")


@dataclass(frozen=True, slots=True)
class Payloads:
    """All payloads that were loaded, together."""

    payloads: int
    received: int
    """Records in them, repeated and refused ones too."""
    repeated: int
    corrected: int
    quarantined: int
    last_received: datetime | None


@dataclass(frozen=True, slots=True)
class LoadedPayload:
    """One payload. Who sent it is left out: names of sources are the operator's own."""

    received_at: datetime
    channel: str
    """intake, webhook or repair"""
    records: int
    added: int
    corrected: int
    repeated: int
    quarantined: int
    load_seq: int


class PayloadFigures:
    """Reads the receipts. Blocking; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def totals(self, half: str) -> Payloads:
        """Of all payloads of a half."""
        sums = [func.coalesce(func.sum(payloads.c[name]), 0) for name in _SUMMED]
        question = select(func.count(), *sums, func.max(payloads.c.received_at)).where(payloads.c.half == half)
        with self._database.read() as connection:
            return Payloads(*connection.execute(question).one())

    def latest(self, half: str, number: int) -> list[LoadedPayload]:
        """Those that came last, the newest first."""
        question = select(*[payloads.c[name] for name in LoadedPayload.__slots__]).where(payloads.c.half == half)
        with self._database.read() as connection:
            newest = connection.execute(question.order_by(payloads.c.received_at.desc()).limit(number))
            return [LoadedPayload(*row) for row in newest]
