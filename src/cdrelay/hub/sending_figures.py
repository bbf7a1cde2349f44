"""What the counts of deliveries do not tell: how much was sent lately, and what has waited longest."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from cdrelay.control.database import Database
from cdrelay.control.tables import FAILED, PENDING, deliveries, partners


@dataclass(frozen=True, slots=True)
class Sending:
    """The volume and the delay of deliveries."""

    recent_bytes: int
    """Delivered of the ticks in the contract's reach, before compression; every delivery once."""
    oldest_pending: datetime | None
    """The tick of the delivery that has waited longest."""
    recent_failed: int = 0
    """Given up, of the ticks in the reach."""


def read_sending(database: Database, since: datetime) -> Sending:
    """`since` is where the reach begins. Blocking. Raises DatabaseUnavailable."""
    # By partner and tick there is an index; by state the database would read every delivery there ever was.
    delivered = func.sum(deliveries.c.body_bytes).filter(deliveries.c.state == "delivered")
    lately = (deliveries.c.partner_id == partners.c.id) & (deliveries.c.tick >= since)
    of_partner = select(delivered).where(lately).correlate(partners).scalar_subquery()
    recent = select(func.coalesce(func.sum(of_partner), 0)).select_from(partners)
    oldest = select(func.min(deliveries.c.tick)).where(PENDING)
    failed = select(func.count()).select_from(deliveries).where(FAILED, deliveries.c.tick >= since)
    with database.read() as connection:
        return Sending(*(connection.execute(one).scalar_one() for one in (recent, oldest, failed)))
