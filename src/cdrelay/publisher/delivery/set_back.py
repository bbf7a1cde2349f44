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

    The next tick's window then begins at the last cut that is not ahead. So what was delivered of those ticks comes a
    second time, as far as it is in the lake still (at least once, FACTS 1.1), nothing is missed, and when their time
    comes they are cut as any other. What waits for a moment to come is due at once, and a webhook that was set in the
    meantime is as good as one that is set now. Raises DatabaseUnavailable.
    """
    with outbox.alone():
        now = clock.now()
        present = floor_to(now, rules.tick)
        ahead = deliveries.c.tick > present
        with database.write() as connection:
            number = connection.scalar(select(func.count()).select_from(deliveries).where(ahead)) or 0
            connection.execute(delete(deliveries).where(ahead))
            ticks = connection.execute(delete(cuts).where(cuts.c.tick > present)).rowcount
            waiting = update(deliveries).where(PENDING, deliveries.c.next_attempt_at > now)
            connection.execute(waiting.values(next_attempt_at=now))
            connection.execute(update(webhooks).where(webhooks.c.created_at > now).values(created_at=now))
            failing = update(webhooks).where(webhooks.c.failing_since > now)
            connection.execute(failing.values(failing_since=now))
        outbox.sweep()
    return TakenBack(ticks, number)
