"""Writing down attempts and what follows from them: the attempt, the delivery, the webhook, in one transaction.

Attempts that end while a transaction is being written go together into the next one. A transaction waits for the disk
once however much it holds, so a thousand callbacks that answer at the same time cost some dozens of them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from cdrelay.callbacks.retry import UNAUTHORIZED, Decision, Delivered, GiveUp, RetryAt, SwitchOff
from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.tables import PENDING, UtcDateTime, attempts, deliveries, webhooks
from cdrelay.publisher.alerts.alerts import Alerts, switched_off
from cdrelay.publisher.delivery.deliveries import Attempt, Delivery


@dataclass(frozen=True, slots=True)
class Judged:
    """An attempt that has ended, and what follows from it."""

    delivery: Delivery
    attempt: Attempt
    """Its number is given when it is written down."""
    decision: Decision
    sent_to: str | None
    """None: it never left, which says nothing about the callback."""


class Attempts:
    """The attempts at deliveries. Blocking, may be used from any thread; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock, alerts: Alerts) -> None:
        self._database = database
        self._clock = clock
        self._alerts = alerts

    def refused_signatures(self, delivery_id: str) -> int:
        """How many attempts were answered as if their signature did not fit."""
        query = select(attempts.c.number).where(
            attempts.c.delivery_id == delivery_id, attempts.c.status.in_(UNAUTHORIZED)
        )
        with self._database.read() as connection:
            return len(connection.execute(query).all())

    def record(self, judged: Sequence[Judged]) -> None:
        """Write down all of them and what follows, or, when it raises, nothing of any.

        An attempt is numbered here, because another process may have sent the same delivery; only Delivered changes
        what is final. The webhook is touched only while it leads to where was sent to: it may have been changed.
        """
        with self._database.write() as connection:
            now, numbers = self._clock.now(), _numbers(connection, judged)
            # Nothing is written about a delivery whose partner was removed.
            there = [(one, number) for one, number in zip(judged, numbers, strict=True) if number is not None]
            if not there:
                return
            connection.execute(insert(attempts), [_row(one, number) for one, number in there])
            if arrived := [(one, number) for one, number in there if isinstance(one.decision, Delivered)]:
                values = [{"this": one.delivery.id, "number": number, "now": now} for one, number in arrived]
                connection.execute(_ARRIVED, values)
            hooks = _hooks(connection, judged)
            for one, number in there:
                self._mark(connection, one, hooks, now)
                self._follow(connection, one, number, now)

    def _follow(self, connection: Connection, one: Judged, number: int, now: datetime) -> None:
        """What an attempt that did not arrive leads to."""
        if isinstance(one.decision, Delivered):
            return
        this = deliveries.c.id == one.delivery.id
        connection.execute(update(deliveries).where(this).values(attempts=number))
        connection.execute(update(deliveries).where(this, PENDING).values(_following(one.decision, now)))
        match one.decision:
            case RetryAt(others_from=moment) if moment > now:
                _let_others_wait(connection, one.delivery.partner_id, now, moment)
            case SwitchOff():
                self._switch_off(connection, one, one.decision, now)

    @staticmethod
    def _mark(connection: Connection, one: Judged, hooks: Mapping[str, datetime | None], now: datetime) -> None:
        """Since when the callback has been failing: the first failure since a success, nothing after a success."""
        arrived, partner_id = isinstance(one.decision, Delivered), one.delivery.partner_id
        if partner_id not in hooks or arrived == (hooks[partner_id] is None):
            return  # it says so already
        hook = update(webhooks).where(webhooks.c.partner_id == partner_id, webhooks.c.url == one.sent_to)
        connection.execute(hook.where(webhooks.c.active).values(failing_since=None if arrived else now))

    def _switch_off(self, connection: Connection, one: Judged, decision: SwitchOff, now: datetime) -> None:
        hook = update(webhooks).where(
            webhooks.c.partner_id == one.delivery.partner_id, webhooks.c.url == one.sent_to, webhooks.c.active
        )
        if decision.failing_since is not None:
            hook = hook.where(webhooks.c.failing_since == decision.failing_since)
        off = connection.execute(hook.values(active=False, switched_off_because=decision.reason))
        if off.rowcount:
            # Due at once when it is switched on again, and then the oldest first.
            pending = update(deliveries).where(deliveries.c.partner_id == one.delivery.partner_id, PENDING)
            connection.execute(pending.values(next_attempt_at=now))
            self._alerts.add(connection, one.delivery.partner_id, switched_off(decision.reason))


_ARRIVED = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("this"))
    .values(
        attempts=bindparam("number"), state="delivered", next_attempt_at=None, finished_at=bindparam("now", UtcDateTime)
    )
)


def _numbers(connection: Connection, judged: Sequence[Judged]) -> list[int | None]:
    """The number of each attempt; None where the delivery is not there any more."""
    query = select(deliveries.c.id, deliveries.c.attempts).where(
        deliveries.c.id.in_([one.delivery.id for one in judged])
    )
    made = {row.id: row.attempts for row in connection.execute(query)}
    numbers: list[int | None] = []
    for one in judged:
        if one.delivery.id in made:
            made[one.delivery.id] += 1
        numbers.append(made.get(one.delivery.id))
    return numbers


def _row(one: Judged, number: int) -> dict[str, Any]:
    values = {name: getattr(one.attempt, name) for name in one.attempt.__slots__}
    return values | {"delivery_id": one.delivery.id, "number": number}


def _hooks(connection: Connection, judged: Sequence[Judged]) -> dict[str, datetime | None]:
    """Since when the callbacks have been failing that were sent to, of webhooks that are on and lead there still."""
    sent_to = {one.delivery.partner_id: one.sent_to for one in judged}
    columns = webhooks.c.partner_id, webhooks.c.url, webhooks.c.failing_since
    query = select(*columns).where(webhooks.c.partner_id.in_(list(sent_to)), webhooks.c.active)
    found = connection.execute(query)
    return {row.partner_id: row.failing_since for row in found if row.url == sent_to[row.partner_id]}


def _let_others_wait(connection: Connection, partner_id: str, now: datetime, moment: datetime) -> None:
    """Only what is due: what waits for its own moment keeps it, so that no series of failures puts it off for ever."""
    others = update(deliveries).where(deliveries.c.partner_id == partner_id, PENDING)
    connection.execute(others.where(deliveries.c.next_attempt_at <= now).values(next_attempt_at=moment))


def _following(decision: GiveUp | RetryAt | SwitchOff, now: datetime) -> dict[str, Any]:
    match decision:
        case GiveUp():
            return {"state": "failed", "next_attempt_at": None, "finished_at": now}
        case RetryAt(moment):
            return {"next_attempt_at": moment}
        case SwitchOff():
            return {"next_attempt_at": now}


class Together:
    """Hands what comes one by one to a blocking function in lots: all that came while the last lot was under way."""

    def __init__(self, write: Callable[[list[Judged]], None]) -> None:
        self._write = write
        self._waiting: list[tuple[Judged, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, one: Judged) -> None:
        """Return when it has been written. Raises what writing its lot raised."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((one, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await written

    async def finish(self) -> None:
        """Wait until nothing is being written."""
        if self._writing is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.shield(self._writing)

    async def _write_all(self) -> None:
        while self._waiting:
            lot, self._waiting = self._waiting, []
            failure: BaseException | None = None
            try:
                await asyncio.to_thread(self._write, [one for one, _ in lot])
            except Exception as error:  # noqa: BLE001  # whatever it is, each one that waits must hear of it
                failure = error
            for _, written in lot:
                if written.done():
                    continue  # who waited was cancelled
                if failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(failure)
