"""Going on after a clock that was ahead: what was cut for moments that are yet to come is taken back.

Cuts only go forward, so that a clock set back would keep all partners waiting until the last one's time has come.
"""

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update

from cdrelay.clock import Clock
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import floor_to
from cdrelay.control.database import Database
from cdrelay.control.tables import PENDING, cuts, deliveries, webhooks
from cdrelay.publisher.delivery.outbox import Outbox


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What was."""

    ticks: int
    deliveries: int


def take_back_what_is_ahead(database: Database, outbox: Outbox, clock: Clock, rules: Rules) -> TakenBack:
    """Forget the ticks after the present one, and their deliveries; blocking. Again changes nothing.

    So are all from the first on that was spread at a moment to come: what is owed of it may have been given up as out
    of reach. The next tick's window then begins at the last cut before. So what was delivered of those ticks
    comes a second time, as far as it is in the lake still (at least once, FACTS 1.1), nothing is missed, and when their
    time comes they are cut as any other. What waits for a moment to come is due at once, and a webhook that was set in
    the meantime gets all that is cut anew. Raises DatabaseUnavailable.
    """
    with outbox.alone():
        now = clock.now()
        present = floor_to(now, rules.tick)
        made_ahead = (cuts.c.tick > present) | (cuts.c.spread_at > now)
        with database.write() as connection:
            # All from the first on: windows lie between two, and without the one before it the next would be short.
            first = connection.scalar(select(func.min(cuts.c.tick)).where(made_ahead)) or present + rules.tick
            ahead = deliveries.c.tick >= first
            number = connection.scalar(select(func.count()).select_from(deliveries).where(ahead)) or 0
            connection.execute(delete(deliveries).where(ahead))
            ticks = connection.execute(delete(cuts).where(cuts.c.tick >= first)).rowcount
            waiting = update(deliveries).where(PENDING, deliveries.c.next_attempt_at > now)
            connection.execute(waiting.values(next_attempt_at=now))
            # Really it was set after the last cut that stays; by a later moment it would miss what is cut anew.
            kept = connection.scalar(select(func.max(cuts.c.tick)).where(cuts.c.tick < first)) or now
            connection.execute(update(webhooks).where(webhooks.c.created_at > now).values(created_at=kept))
            failing = update(webhooks).where(webhooks.c.failing_since > now)
            connection.execute(failing.values(failing_since=now))
        outbox.sweep()
    return TakenBack(ticks, number)
