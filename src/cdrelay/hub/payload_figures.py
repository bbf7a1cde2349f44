"""What became of the payloads of one half, out of the receipts that its loader keeps."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Integer, func, literal_column, select, text

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


_rowid = literal_column("payloads.rowid", Integer)
"""SQLite's own number of a receipt: a later one has a higher one."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was read of the receipts so far, so that a look reads only what came since."""

    gone: tuple[int, ...]
    """What those that went had added to; while that is the same, none went."""
    row: int
    name: str
    """The last receipt: where it has another number, the database is another, or was written anew."""
    sums: tuple[int, ...]


class PayloadFigures:
    """Reads the receipts, of years at the first look. For one thread at a time.

    Blocking; methods raise DatabaseUnavailable.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: dict[str, _Counted] = {}

    def totals(self, half: str) -> Payloads:
        """Of all payloads of a half, also those whose receipts are gone."""
        of_half, received = payloads.c.half == half, payloads.c.received_at
        with self._database.read() as connection:
            gone = tuple(forgotten(connection, [f"{half}.{name}" for name in ("payloads", *SUMMED)]).values())
            before = self._still(connection, half, gone)
            sums = self._sums(connection, half, before)
            last = connection.execute(
                select(_rowid, payloads.c.id).select_from(payloads).order_by(_rowid.desc()).limit(1)
            )
            newest = last.one_or_none()
            last_received = connection.scalar(select(func.max(received)).where(of_half))
        if newest is not None:
            self._counted[half] = _Counted(gone, newest[0], newest[1], sums)
        numbers = (one + more for one, more in zip(sums, gone, strict=True))
        return Payloads(*(*numbers, last_received))

    def _still(self, connection: Connection, half: str, gone: tuple[int, ...]) -> _Counted | None:
        """What was counted, where receipts have only been added since."""
        before = self._counted.get(half)
        if before is None or before.gone != gone:
            return None
        same = connection.scalar(select(payloads.c.id).where(_rowid == before.row)) == before.name
        return before if same else None

    @staticmethod
    def _sums(connection: Connection, half: str, before: _Counted | None) -> tuple[int, ...]:
        numbers = [func.coalesce(func.sum(payloads.c[name]), 0) for name in SUMMED]
        question = select(func.count(), *numbers).where(payloads.c.half == half)
        if before is None:
            return tuple(connection.execute(question).one())
        # With a sign before it the column is not looked up in the index, which would read all of the half.
        since = select(func.count(), *numbers).where(_rowid > before.row, text("+half = :half")).params(half=half)
        return tuple(one + more for one, more in zip(before.sums, connection.execute(since).one(), strict=True))

    def latest(self, half: str, number: int) -> list[LoadedPayload]:
        """Those that came last, the newest first."""
        question = select(*[payloads.c[name] for name in LoadedPayload.__slots__]).where(payloads.c.half == half)
        with self._database.read() as connection:
            newest = connection.execute(question.order_by(payloads.c.received_at.desc()).limit(number))
            return [LoadedPayload(*row) for row in newest]
