"""What became of a partner's windows: read for people, newest first. Every question names the partner it is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Select, cast, func, select, tuple_

from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import PENDING, attempts, deliveries
from cdrelay.publisher.delivery.deliveries import Attempt, Delivery, State
from cdrelay.publisher.delivery.outbox import read_delivery
from cdrelay.publisher.errors import DeliveryUnknown


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """A part of a window, and the tries at it, the first first."""

    delivery: Delivery
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class LoggedWindow:
    """All parts of what a partner is sent at one tick; `round` counts how often it was sent again."""

    tick: datetime
    round: int
    parts: tuple[LoggedDelivery, ...]

    @property
    def state(self) -> State:
        """Failed when a part failed; else pending when a part is; else delivered."""
        return _gravest([part.delivery.state for part in self.parts])

    @property
    def records(self) -> int:
        """In all parts."""
        return sum(part.delivery.records for part in self.parts)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which windows of the log are asked for; None is no limit."""

    state: State | None = None
    ticks: Period | None = None


class DeliveryLog:
    """Reads deliveries and attempts. Blocking, from any thread; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def windows(self, partner_id: str, wanted: LogFilter, *, skip: int, number: int) -> list[LoggedWindow]:
        """The partner's, the newest tick first, and of one tick the last round first."""
        window = (deliveries.c.tick, deliveries.c.round)
        query = select(*window).where(deliveries.c.partner_id == partner_id)
        if wanted.ticks is not None:
            query = query.where(deliveries.c.tick >= wanted.ticks.start, deliveries.c.tick < wanted.ticks.end)
        query = query.group_by(*window).order_by(deliveries.c.tick.desc(), deliveries.c.round.desc())
        if wanted.state is not None:
            query = query.having(_has_state(wanted.state))
        with self._database.read() as connection:
            keys = [tuple(row) for row in connection.execute(query.offset(skip).limit(number))]
            if not keys:
                return []
            parts = select(deliveries).where(deliveries.c.partner_id == partner_id, tuple_(*window).in_(keys))
            logged = _logged(connection, parts.order_by(deliveries.c.part))
        return [
            LoggedWindow(tick, round_, tuple(one for one in logged if _key(one.delivery) == (tick, round_)))
            for tick, round_ in keys
        ]

    def window_of(self, partner_id: str, delivery_id: str) -> tuple[LoggedDelivery, LoggedWindow]:
        """One of the partner's deliveries, and its window. Raises DeliveryUnknown, also when it is another's."""
        mine = deliveries.c.partner_id == partner_id
        with self._database.read() as connection:
            row = connection.execute(select(deliveries).where(mine, deliveries.c.id == delivery_id)).one_or_none()
            if row is None:
                raise DeliveryUnknown(delivery_id)
            parts = select(deliveries).where(mine, deliveries.c.tick == row.tick, deliveries.c.round == row.round)
            logged = _logged(connection, parts.order_by(deliveries.c.part))
        this = next(one for one in logged if one.delivery.id == delivery_id)
        return this, LoggedWindow(row.tick, row.round, tuple(logged))

    def states(self, partner_id: str, ticks: Period) -> dict[datetime, State]:
        """How each of the partner's windows stands, by its tick: what was sent again counts as its last round."""
        query = select(deliveries.c.tick, deliveries.c.round, deliveries.c.state).where(
            deliveries.c.partner_id == partner_id, deliveries.c.tick >= ticks.start, deliveries.c.tick < ticks.end
        )
        found: dict[datetime, tuple[int, list[State]]] = {}
        with self._database.read() as connection:
            for tick, round_, state in connection.execute(query.order_by(deliveries.c.round)):
                last, states = found.get(tick, (round_, []))
                found[tick] = (round_, [*states, state] if last == round_ else [state])
        return {tick: _gravest(states) for tick, (_, states) in found.items()}

    def waiting(self, partner_id: str) -> int:
        """How many of the partner's deliveries are pending."""
        query = select(func.count()).where(deliveries.c.partner_id == partner_id, PENDING)
        with self._database.read() as connection:
            return connection.scalar(query) or 0

    def last_attempt_at(self, partner_id: str) -> datetime | None:
        """When something was last sent to the partner, whatever came of it; None: never."""
        query = select(func.max(attempts.c.started_at)).join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        with self._database.read() as connection:
            last: datetime | None = connection.scalar(query.where(deliveries.c.partner_id == partner_id))
        return last


def _gravest(states: Sequence[State]) -> State:
    return next((state for state in ("failed", "pending") if state in states), "delivered")


def _has_state(state: State) -> Any:
    """The same as `LoggedWindow.state`, for the database."""
    failed, pending = (func.sum(cast(deliveries.c.state == one, Integer)) for one in ("failed", "pending"))
    return {
        "failed": failed > 0,
        "pending": (failed == 0) & (pending > 0),
        "delivered": (failed == 0) & (pending == 0),
    }[state]


def _key(delivery: Delivery) -> tuple[datetime, int]:
    return delivery.tick, delivery.round


def _logged(connection: Connection, query: Select[Any]) -> list[LoggedDelivery]:
    found = [read_delivery(row) for row in connection.execute(query)]
    tries: dict[str, list[Attempt]] = {one.id: [] for one in found}
    names = [attempts.c[name] for name in Attempt.__slots__]
    asked = select(attempts.c.delivery_id, *names).where(attempts.c.delivery_id.in_(tries))
    for delivery_id, *values in connection.execute(asked.order_by(attempts.c.number)):
        tries[delivery_id].append(Attempt(*values))
    return [LoggedDelivery(one, tuple(tries[one.id])) for one in found]
