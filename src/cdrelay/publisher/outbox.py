"""The outbox: a row and a body for every delivery, until the partner has it.

Bodies are gzip files in a folder, named by the delivery. A body is durable before its row exists, and goes only after
the row says that it is of no more use: a crash can leave a body too many, never one too few.
"""

import zlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, exists, func, insert, select, update

from cdrelay.clock import Clock
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import attempts, cuts, deliveries, webhooks
from cdrelay.lake.files import write_durably
from cdrelay.publisher.deliveries import Attempt, Delivery, DeliveryStatistics, Due, PackedBody
from cdrelay.publisher.errors import BodyMissing, OutboxUnwritable
from cdrelay.publisher.retry import Decision, Delivered, GiveUp, RetryAt, SwitchOff

_SUFFIX = ".json.gz"
# Ids asked about in one statement; SQLite takes at most 32,766 values.
_AT_ONCE = 5_000


class Outbox:
    """Deliveries and their bodies. Blocking, may be used from any thread; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    # --- bodies ---

    def write_body(self, delivery_id: str, body: bytes) -> None:
        """Make a body durable; again with the same id replaces it. Raises OutboxUnwritable."""
        try:
            write_durably(self._path(delivery_id), PackedBody.pack(body).packed)
        except OSError as error:
            raise OutboxUnwritable(f"the outbox cannot be written: {error.strerror}") from error

    def read_body(self, delivery_id: str) -> tuple[PackedBody, bytes]:
        """The body, packed and as it was written, byte for byte. Raises BodyMissing."""
        try:
            packed = PackedBody(self._path(delivery_id).read_bytes())
            return packed, packed.content()
        except (OSError, EOFError, zlib.error) as error:
            raise BodyMissing(f"the body of delivery {delivery_id} cannot be read from the outbox") from error

    def remove_body(self, delivery_id: str) -> None:
        """Forget a body; again changes nothing."""
        self._path(delivery_id).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove bodies that no pending delivery needs; how many. Only while no tick is being spread."""
        there = [path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"*{_SUFFIX}")]
        needed: set[str] = set()
        for start in range(0, len(there), _AT_ONCE):
            wanted = deliveries.c.id.in_(there[start : start + _AT_ONCE])
            with self._database.read() as connection:
                needed |= set(
                    connection.scalars(select(deliveries.c.id).where(wanted, deliveries.c.state == "pending"))
                )
        left_over = [name for name in there if name not in needed]
        for name in left_over:
            self.remove_body(name)
        for part in self.folder.glob("*.part"):
            part.unlink(missing_ok=True)
        return len(left_over)

    def _path(self, delivery_id: str) -> Path:
        return self.folder / f"{delivery_id}{_SUFFIX}"

    # --- rows ---

    def has_window(self, partner_id: str, tick: datetime) -> bool:
        """Whether the partner's deliveries of the tick are there."""
        with self._database.read() as connection:
            return bool(connection.scalar(_window(partner_id, tick)))

    def add_window(self, window: Sequence[Delivery]) -> None:
        """All parts of one partner's window, whose bodies are durable, in one transaction; again changes nothing."""
        if not window:
            return
        with self._database.write() as connection:
            if not connection.scalar(_window(window[0].partner_id, window[0].tick)):
                connection.execute(insert(deliveries), [_values(delivery) for delivery in window])

    def due(self, now: datetime) -> list[Due]:
        """Of every partner whose webhook is on, the oldest delivery that is due; the oldest first."""
        pending = deliveries.c.state == "pending"
        rank = func.row_number().over(
            partition_by=deliveries.c.partner_id, order_by=(deliveries.c.tick, deliveries.c.part)
        )
        ranked = (
            select(deliveries, rank.label("rank"))
            .join(webhooks, webhooks.c.partner_id == deliveries.c.partner_id)
            .where(pending, deliveries.c.next_attempt_at <= now, webhooks.c.active)
            .subquery()
        )
        failed = deliveries.alias()
        troubled = exists().where(
            failed.c.partner_id == ranked.c.partner_id, failed.c.state == "pending", failed.c.attempts > 0
        )
        query = select(ranked, troubled.label("troubled")).where(ranked.c.rank == 1)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(ranked.c.tick, ranked.c.partner_id)).all()
        return [Due(_delivery(row), bool(row.troubled)) for row in rows]

    def record(self, delivery: Delivery, attempt: Attempt, decision: Decision, sent_to: str | None) -> None:
        """Write down an attempt and what follows from it, in one transaction.

        The attempt is numbered here, because another process may have sent the same delivery; only Delivered changes
        what is final. A SwitchOff switches the webhook off only while it leads to `sent_to`: it may have been changed.
        """
        with self._database.write() as connection:
            this = deliveries.c.id == delivery.id
            before = connection.scalar(select(deliveries.c.attempts).where(this))
            if before is None:
                return  # its partner was removed
            number = before + 1
            row = {name: getattr(attempt, name) for name in attempt.__slots__} | {"number": number}
            connection.execute(insert(attempts).values(delivery_id=delivery.id, **row))
            connection.execute(update(deliveries).where(this).values(attempts=number))
            following = update(deliveries).where(this)
            if not isinstance(decision, Delivered):
                following = following.where(deliveries.c.state == "pending")
            connection.execute(following.values(_following(decision, self._clock.now())))
            if isinstance(decision, SwitchOff):
                hook = update(webhooks).where(
                    webhooks.c.partner_id == delivery.partner_id, webhooks.c.url == sent_to, webhooks.c.active
                )
                connection.execute(hook.values(active=False, switched_off_because=decision.reason))

    def give_up_before(self, window_end: datetime) -> int:
        """Give up what is pending of windows that ended before; how many. A webhook that is off would keep it."""
        now = self._clock.now()
        out_of_reach = (deliveries.c.state == "pending") & (deliveries.c.window_end < window_end)
        with self._database.read() as connection:
            ids = connection.scalars(select(deliveries.c.id).where(out_of_reach)).all()
        if not ids:
            return 0
        with self._database.write() as connection:
            given_up = connection.execute(
                update(deliveries).where(out_of_reach).values(state="failed", next_attempt_at=None, finished_at=now)
            )
        for delivery_id in ids:
            self.remove_body(delivery_id)
        return given_up.rowcount

    # --- looking ---

    def latest(self, number: int = 20) -> list[Delivery]:
        """The newest ticks first."""
        query = select(deliveries).order_by(deliveries.c.tick.desc(), deliveries.c.partner_id, deliveries.c.part)
        return self._deliveries(query.limit(number))

    def attempts_of(self, delivery_id: str) -> list[Attempt]:
        """All tries at a delivery, the first first."""
        names = [attempts.c[name] for name in Attempt.__slots__]
        query = select(*names).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.number)
        with self._database.read() as connection:
            return [Attempt(*row) for row in connection.execute(query)]

    def statistics(self) -> DeliveryStatistics:
        """Deliveries by state."""
        query = select(deliveries.c.state, func.count().label("number")).group_by(deliveries.c.state)
        with self._database.read() as connection:
            return DeliveryStatistics(**{row.state: row.number for row in connection.execute(query)})

    def windows(self) -> int:
        """Ticks that were cut so far."""
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(cuts)) or 0

    def _deliveries(self, query: Select[Any]) -> list[Delivery]:
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query)]


def _window(partner_id: str, tick: datetime) -> Select[tuple[bool]]:
    return select(exists().where(deliveries.c.partner_id == partner_id, deliveries.c.tick == tick))


def _following(decision: Decision, now: datetime) -> dict[str, Any]:
    match decision:
        case Delivered():
            return {"state": "delivered", "next_attempt_at": None, "finished_at": now}
        case GiveUp():
            return {"state": "failed", "next_attempt_at": None, "finished_at": now}
        case RetryAt(moment):
            return {"next_attempt_at": moment}
        case SwitchOff():
            return {"next_attempt_at": now}  # due at once when the webhook is switched on again


def _values(delivery: Delivery) -> dict[str, Any]:
    values = {name: getattr(delivery, name) for name in delivery.__slots__ if name != "window"}
    return values | {"window_start": delivery.window.start, "window_end": delivery.window.end}


def _delivery(row: Row[Any]) -> Delivery:
    named = {name: getattr(row, name) for name in Delivery.__slots__ if name != "window"}
    return Delivery(window=Period(row.window_start, row.window_end), **named)
