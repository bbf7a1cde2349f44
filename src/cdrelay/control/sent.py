"""What the publisher of this home has sent: for whoever asks what became of a record, in either half."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import attempts, cuts, deliveries, partners


@dataclass(frozen=True, slots=True)
class SentAttempt:
    """One try at a delivery."""

    number: int
    started_at: datetime
    milliseconds: int
    status: int | None
    outcome: str


@dataclass(frozen=True, slots=True)
class SentPart:
    """One delivery and the tries at it, the first first."""

    id: str
    partner: str
    tick: datetime
    round: int
    window: Period
    part: int
    parts: int
    records: int
    state: str
    attempts: tuple[SentAttempt, ...]


class Sent:
    """Reads deliveries and attempts. Blocking; methods raise DatabaseUnavailable. Empty where there is no publisher."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_manifest(self, window: Period, part: int, digest: str) -> list[SentPart]:
        """The deliveries that said this of themselves, to whichever partner; the digest tells them apart."""
        found = select(deliveries).where(
            deliveries.c.window_start == window.start, deliveries.c.window_end == window.end, deliveries.c.part == part
        )
        return self._parts(found.where(deliveries.c.digest == digest) if digest else found)

    def of_record(self, load_seq: int, report_time: datetime) -> list[SentPart]:
        """The deliveries of the tick at which a record of the publisher's lake was due; one part a window has it.

        Whether a partner was owed it is for the entitlement to say. Empty before that tick.
        """
        due = cuts.c.load_seq >= load_seq, cuts.c.cutoff > report_time
        first = select(cuts.c.tick).where(*due).order_by(cuts.c.tick).limit(1).scalar_subquery()
        return self._parts(select(deliveries).where(deliveries.c.tick == first))

    def _parts(self, found: Select[Any]) -> list[SentPart]:
        order = deliveries.c.tick, deliveries.c.partner_id, deliveries.c.round, deliveries.c.part
        named = found.join(partners, partners.c.id == deliveries.c.partner_id).add_columns(partners.c.name)
        with self._database.read() as connection:
            rows = connection.execute(named.order_by(*order)).all()
            tries = {row.id: _attempts(connection.execute(_tries(row.id)).all()) for row in rows}
        return [
            SentPart(
                id=row.id,
                partner=row.name,
                tick=row.tick,
                round=row.round,
                window=Period(row.window_start, row.window_end),
                part=row.part,
                parts=row.parts,
                records=row.records,
                state=row.state,
                attempts=tries[row.id],
            )
            for row in rows
        ]


def _tries(delivery_id: str) -> Select[Any]:
    named = [attempts.c[name] for name in SentAttempt.__slots__]
    return select(*named).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.number)


def _attempts(rows: Sequence[Any]) -> tuple[SentAttempt, ...]:
    return tuple(SentAttempt(*row) for row in rows)
