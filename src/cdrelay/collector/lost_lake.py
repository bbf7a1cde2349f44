"""The ledger after the lake was lost: what it called stored is gone, so hours are short again, or lost.

An hour of which records can still be asked for is short and due at once: the repair ladder sees to it as to any other.
An older one is lost, until somebody imports a report. Records that were let go of in time are not missed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select, update

from cdrelay.collector.repair_ladder import FEED_REACHES
from cdrelay.collector.retention import KeptSince
from cdrelay.contract.rules import Rules
from cdrelay.control.database import Database
from cdrelay.control.tables import ledger, manifests

REASON = "missing; they were stored until the lake was lost and begun anew"
_HOURS_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class Revised:
    """What the ledger does not call stored any more."""

    short: int = 0
    """Hours of organizations whose records can still be asked for."""
    lost: int = 0
    """Hours of which nobody gives them any more by themselves."""
    records: int = 0
    """That were stored, in all hours."""

    def __add__(self, other: "Revised") -> "Revised":
        return Revised(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def revise_for_lost_lake(database: Database, kept: KeptSince, now: datetime, rules: Rules) -> Revised:
    """Say of every hour that nothing of it is stored; what that came to.

    In steps: killed at any point, doing it again does the rest, and when all is done it changes nothing. Blocking;
    raises DatabaseUnavailable.
    """
    with database.write() as connection:
        # Whole by their manifests, as they came: of that nothing is there. So those in reach are looked for by ids.
        connection.execute(update(manifests).where(manifests.c.state != "differs").values(state="differs"))
    with database.read() as connection:
        first, last = connection.execute(select(func.min(ledger.c.window_start), func.max(ledger.c.window_start))).one()
    revised, step = Revised(), _HOURS_AT_ONCE * rules.count_span
    start = first
    while start is not None and start <= last:
        with database.write() as connection:
            revised += _revise(connection, start, start + step, kept, now, now - FEED_REACHES * rules.reach)
        start += step
    return revised


def _revise(
    connection: Connection, start: datetime, end: datetime, kept: KeptSince, now: datetime, askable: datetime
) -> Revised:
    row = ledger.c
    stored = and_(row.window_start >= start, row.window_start < end, row.stored > 0, _kept(kept))
    missing, old = row.expected > 0, row.window_end <= askable
    sums = select(
        func.count().filter(missing, ~old), func.count().filter(missing, old), func.coalesce(func.sum(row.stored), 0)
    )
    short, lost, records = connection.execute(sums.where(stored)).one()
    state = case((missing & old, "lost"), (missing, "short"), (row.state == "open", "open"), else_="matched")
    values = {
        "stored": 0,
        "state": state,
        "proof": case((row.proof == "none", "none"), else_="counts"),
        "reason": case((missing, func.printf(f"%d {REASON}", row.expected)), (row.state == "open", row.reason)),
        "completed_at": case((missing, None), else_=row.completed_at),
        "recheck_at": case((missing & old, None), (missing, now), else_=row.recheck_at),
        "history_tries": 0,
    }
    connection.execute(update(ledger).where(stored).values(values))
    return Revised(short, lost, records)


def _kept(kept: KeptSince) -> Any:
    """Whether the records of a row were still to be kept."""
    of_others = ledger.c.org_uuid.not_in(kept.own)
    since = [ledger.c.window_end > kept.general] if kept.general is not None else []
    own = [and_(ledger.c.org_uuid == org, ledger.c.window_end > moment) for org, moment in kept.own.items()]
    return or_(and_(of_others, *since), *own)
