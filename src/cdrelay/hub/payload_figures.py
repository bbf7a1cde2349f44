"""What became of the payloads of one half, out of the receipts that its loader keeps."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from cdrelay.control.database import Database
from cdrelay.control.forgetting import forgotten
from cdrelay.control.receipts import SUMMED
from cdrelay.control.tables import payloads


@dataclass(frozen=True, slots=True)
class Payloads:
    """All payloads that were loaded, together."""

    payloads: int
    received: int
    """Records in them, repeated and refused ones too."""
    repeated: int
    corrected: int
    put_aside: int
    """Records that loads put into quarantine so far, also those that were loaded again or dropped since."""
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
        """Of all payloads of a half, also those whose receipts are gone."""
        sums = [func.coalesce(func.sum(payloads.c[name]), 0) for name in SUMMED]
        question = select(func.count(), *sums, func.max(payloads.c.received_at)).where(payloads.c.half == half)
        with self._database.read() as connection:
            *counted, last_received = connection.execute(question).one()
            gone = forgotten(connection, [f"{half}.{name}" for name in ("payloads", *SUMMED)])
        numbers = (one + more for one, more in zip(counted, gone.values(), strict=True))
        return Payloads(*(*numbers, last_received))

    def latest(self, half: str, number: int) -> list[LoadedPayload]:
        """Those that came last, the newest first."""
        question = select(*[payloads.c[name] for name in LoadedPayload.__slots__]).where(payloads.c.half == half)
        with self._database.read() as connection:
            newest = connection.execute(question.order_by(payloads.c.received_at.desc()).limit(number))
            return [LoadedPayload(*row) for row in newest]
