"""What the control database lets go of once it is old, as set; by one loop of each half."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from cdrelay.collector.alarms.store import Alarms
from cdrelay.collector.ledger_forgetting import LedgerForgetting
from cdrelay.collector.manifests import KEPT_REACHES, Manifests
from cdrelay.collector.retention import KeptSince, Retentions
from cdrelay.contract.windows import floor_to
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
    """The loop that does these, once in a contract hour, unless the clock is not believed."""
    clock, rules = foundation.clock, foundation.settings.rules

    def do(chore: Chore) -> None:
        now = clock.now()
        if foundation.seen_clock.believes(now):
            chore(now)

    async def forget_what_is_old() -> None:
        while True:
            for chore in chores:
                try:
                    await asyncio.to_thread(do, chore)
                except DatabaseUnavailable as error:
                    _log.warning("database.not_pruned", reason=str(error))
            await clock.sleep(rules.count_span.total_seconds())

    return forget_what_is_old


def of_collector(foundation: Foundation, manifests: Manifests, alarms: Alarms) -> list[Chore]:
    """What the collector forgets: manifests, the ledger, receipts, and its log: alarms that are over, runs, notices."""
    settings, database = foundation.settings, foundation.database
    kept, ledger = _days(settings, settings.alarm_log_days), LedgerForgetting(database)

    def forget_ledger(now: datetime) -> int:
        time, hour = kept_of_ledger(foundation), settings.rules.count_span
        return 0 if time is None else ledger.hours_before(floor_to(now - time, hour))

    # The ledger before the receipts: once it says how far back it goes, nobody explains silence by what is not there.
    chores: list[Chore] = [
        lambda now: manifests.prune(now, settings.rules),
        forget_ledger,
        _receipts(foundation, "collector"),
    ]
    if kept is not None:
        queue = NoticeQueue(database, foundation.clock, "operator")
        chores += [
            lambda now: alarms.forget_before(now - kept),
            lambda now: ledger.runs_before(now - kept),
            lambda now: queue.forget_before(now - kept),
        ]
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


def kept_of_ledger(foundation: Foundation) -> timedelta | None:
    """How long hours of the ledger and the collector's receipts stay; None: for ever. Raises DatabaseUnavailable.

    As long as any records do, of which the ledger is the proof and which name their payloads; longer, if set.
    """
    settings = foundation.settings
    records, own = load_limits(settings, "collector").keep, _days(settings, settings.ledger_keep_days)
    if records is None or own is None:
        return None
    times = Retentions(foundation.database).times(settings.compress).values()
    return max(records, own, KEPT_REACHES * settings.rules.reach, *times)


def records_kept_since(foundation: Foundation, now: datetime) -> KeptSince:
    """From when on records stay in the collector's lake. Raises DatabaseUnavailable."""
    settings = foundation.settings
    keep = load_limits(settings, "collector").keep
    own = Retentions(foundation.database).times(settings.compress)
    return KeptSince(None if keep is None else now - keep, {org_uuid: now - time for org_uuid, time in own.items()})


def _receipts(foundation: Foundation, half: HalfName) -> Chore:
    settings, receipts = foundation.settings, Receipts(foundation.database, half)

    def forget(now: datetime) -> int:
        if half == "collector":
            keep = kept_of_ledger(foundation)
        else:
            # As long as the records that their payloads brought, which name them.
            records = load_limits(settings, half).keep
            keep = None if records is None else max(records, KEPT_REACHES * settings.rules.reach)
        return 0 if keep is None else receipts.forget_before(now - keep)

    return forget
