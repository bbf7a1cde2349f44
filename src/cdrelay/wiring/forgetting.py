"""What the control database lets go of once it is old, as set; by one loop of each half."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from cdrelay.collector.alarms.store import Alarms
from cdrelay.collector.manifests import KEPT_REACHES, Manifests
from cdrelay.collector.retention import Retentions
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.receipts import Receipts
from cdrelay.notices.queue import NoticeQueue
from cdrelay.publisher.alerts.alerts import GIVEN_UP_EVERY
from cdrelay.serving import Worker
from cdrelay.settings import Settings
from cdrelay.wiring.foundation import Foundation, HalfName, load_limits

Chore = Callable[[datetime], int]
"""Forgets what is old at a moment; how many rows. Harmless to repeat."""

_log = structlog.get_logger(__name__)


def forgetting(foundation: Foundation, chores: Sequence[Chore]) -> Worker:
    """The loop that does these, once in a contract hour."""
    clock, rules = foundation.clock, foundation.settings.rules

    async def forget_what_is_old() -> None:
        while True:
            for chore in chores:
                try:
                    await asyncio.to_thread(chore, clock.now())
                except DatabaseUnavailable as error:
                    _log.warning("database.not_pruned", reason=str(error))
            await clock.sleep(rules.count_span.total_seconds())

    return forget_what_is_old


def of_collector(foundation: Foundation, manifests: Manifests, alarms: Alarms) -> list[Chore]:
    """What the collector forgets: manifests, alarms that are over, what the operator was told, receipts."""
    settings, database = foundation.settings, foundation.database
    kept = _days(settings, settings.alarm_log_days)
    chores: list[Chore] = [lambda now: manifests.prune(now, settings.rules), _receipts(foundation, "collector")]
    if kept is not None:
        queue = NoticeQueue(database, foundation.clock, "operator")
        chores += [lambda now: alarms.forget_before(now - kept), lambda now: queue.forget_before(now - kept)]
    return chores


def of_publisher(foundation: Foundation) -> list[Chore]:
    """What the publisher forgets beside its ticks: what people of partners were told, receipts."""
    settings = foundation.settings
    chores = [_receipts(foundation, "publisher")]
    if (kept := delivery_log(settings)) is not None:
        # By the last ones is known how often they may be told.
        at_least = max(kept, 2 * GIVEN_UP_EVERY)
        queue = NoticeQueue(foundation.database, foundation.clock, "partners")
        chores.append(lambda now: queue.forget_before(now - at_least))
    return chores


def delivery_log(settings: Settings) -> timedelta | None:
    """How long the log of deliveries goes back; None: to the beginning."""
    return _days(settings, settings.delivery_log_days)


def _days(settings: Settings, days: float) -> timedelta | None:
    return timedelta(days=days) / settings.compress if days else None


def _receipts(foundation: Foundation, half: HalfName) -> Chore:
    """Receipts stay as long as the records that their payloads brought, which name them."""
    settings, receipts = foundation.settings, Receipts(foundation.database, half)
    keep, at_least = load_limits(settings, half).keep, KEPT_REACHES * settings.rules.reach
    retentions = Retentions(foundation.database)

    def forget(now: datetime) -> int:
        if keep is None:
            return 0
        own_times = retentions.times(settings.compress).values() if half == "collector" else ()
        return receipts.forget_before(now - max(keep, at_least, *own_times))

    return forget
