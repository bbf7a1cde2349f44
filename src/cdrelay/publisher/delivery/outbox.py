"""The outbox: a row and a body for every delivery, until the partner has it.

Bodies are packed files in a folder, named by the delivery. A body is durable before its row exists, and goes only after
the row says that it is of no more use: a crash can leave a body too many or half written, never one too few.
"""

import fcntl
import os
from collections.abc import Collection, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, literal, select, update

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.clock import Clock
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.forgetting import forgotten
from cdrelay.control.tables import FAILED, PENDING, attempts, cuts, deliveries, partners, webhooks
from cdrelay.lake.files import sync_folder
from cdrelay.publisher.delivery.deliveries import Attempt, Delivery, DeliveryStatistics, Due
from cdrelay.publisher.errors import BodyMissing, OutboxUnreadable, OutboxUnwritable

_SUFFIX = ".json.zst"
_PART = ".part"
# Ids asked about in one statement; SQLite takes at most 32,766 values.
_AT_ONCE = 5_000
_FORGOTTEN_AT_ONCE = 10_000


class Outbox:
    """Deliveries and their bodies. Blocking, may be used from any thread; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    # --- bodies ---

    def write_body(self, delivery_id: str, body: PackedBody) -> None:
        """Write a body to the disk. Raises OutboxUnwritable.

        It is there for good once a row says so: `add_windows` makes the names of all bodies durable at once.
        """
        with _unwritable():
            _write(self._path(delivery_id), body)

    def replace_body(self, delivery_id: str, body: PackedBody) -> None:
        """Put another body in the place of one that a row needs, at once: a crash leaves the one or the other whole.

        Raises OutboxUnwritable.
        """
        path = self._path(delivery_id)
        part = path.with_suffix(_PART)
        with _unwritable():
            _write(part, body)
            part.rename(path)
            sync_folder(self.folder)

    def read_body(self, delivery_id: str) -> bytes:
        """The body as it was written, byte for byte. Raises BodyMissing, OutboxUnreadable."""
        return unpacked_body(delivery_id, self.packed_body(delivery_id))

    def packed_body(self, delivery_id: str) -> PackedBody:
        """The body as it is kept. Raises BodyMissing, OutboxUnreadable."""
        with _unreadable(delivery_id):
            return PackedBody(self._path(delivery_id).read_bytes())

    def writing_of(self, delivery_id: str) -> tuple[int, int]:
        """Differs whenever the body was written again. Raises BodyMissing, OutboxUnreadable."""
        with _unreadable(delivery_id):
            state = self._path(delivery_id).stat()
        return state.st_mtime_ns, state.st_size

    def remove_body(self, delivery_id: str) -> None:
        """Forget a body; again changes nothing."""
        self._path(delivery_id).unlink(missing_ok=True)

    def with_body(self) -> list[str]:
        """The deliveries whose bodies are there."""
        return [path.name.removesuffix(_SUFFIX) for path in sorted(self.folder.glob(f"*{_SUFFIX}"))]

    def sweep(self) -> int:
        """Remove bodies that no pending delivery needs; how many. Only while no tick is being spread."""
        there = self.with_body()
        needed: set[str] = set()
        for start in range(0, len(there), _AT_ONCE):
            wanted = deliveries.c.id.in_(there[start : start + _AT_ONCE])
            with self._database.read() as connection:
                needed |= set(connection.scalars(select(deliveries.c.id).where(wanted, PENDING)))
        left_over = [name for name in there if name not in needed]
        for name in left_over:
            self.remove_body(name)
        for part in self.folder.glob(f"*{_PART}"):
            part.unlink(missing_ok=True)
        return len(left_over)

    def _path(self, delivery_id: str) -> Path:
        return self.folder / f"{delivery_id}{_SUFFIX}"

    # --- rows ---

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one, of all threads and processes, who writes windows and sweeps; waits for it.

        The system lets go of it when a process dies.
        """
        with (self.folder / "tick.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def partners_with_window(self, tick: datetime) -> set[str]:
        """The partners whose deliveries of the tick are there."""
        query = select(deliveries.c.partner_id).where(deliveries.c.tick == tick).distinct()
        with self._database.read() as connection:
            return set(connection.scalars(query))

    def last_round(self, partner_id: str, tick: datetime) -> int | None:
        """How often the partner's window of the tick was sent again; None: it was not sent at all."""
        query = select(func.max(deliveries.c.round)).where(
            deliveries.c.partner_id == partner_id, deliveries.c.tick == tick
        )
        with self._database.read() as connection:
            last: int | None = connection.scalar(query)
        return last

    def add_windows(self, windows: Sequence[Sequence[Delivery]]) -> int:
        """The windows of several partners, whose bodies are written, in one transaction; how many deliveries.

        Each is all parts of one partner's window. A window that is there already, and that of a partner who is not
        there any more, changes nothing. Raises OutboxUnwritable.
        """
        with _unwritable():
            sync_folder(self.folder)
        with self._database.write() as connection:
            known = set(connection.scalars(select(partners.c.id)))
            there = _there(connection, {(window[0].tick, window[0].round) for window in windows if window})
            rows = [
                _values(replace(delivery, parts=len(window)))
                for window in windows
                for delivery in window
                if delivery.partner_id in known and _window_of(delivery) not in there
            ]
            if rows:
                connection.execute(insert(deliveries), rows)
        return len(rows)

    def due(self, now: datetime, partner_ids: Collection[str] | None = None) -> list[Due]:
        """Of every partner whose webhook is on, the due delivery that leaves the reach first, in no order.

        With `partner_ids` only of those partners.
        """
        one = deliveries.alias()
        first = (
            select(one.c.id)
            .where(
                one.c.partner_id == webhooks.c.partner_id,
                one.c.state == literal("pending", literal_execute=True),  # as the index says it
                one.c.next_attempt_at <= now,
            )
            .order_by(one.c.window_end, one.c.round, one.c.part)
            .limit(1)
            .correlate(webhooks)
            .scalar_subquery()
        )
        query = select(deliveries, webhooks.c.failing_since).select_from(webhooks)
        query = query.join(deliveries, deliveries.c.id == first).where(webhooks.c.active)
        if partner_ids is not None:
            query = query.where(webhooks.c.partner_id.in_(partner_ids))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [Due(read_delivery(row), row.failing_since is not None) for row in rows]

    def give_up_before(self, window_end: datetime) -> int:
        """Give up what is pending of windows that ended before; how many. A webhook that is off would keep it."""
        now = self._clock.now()
        out_of_reach = PENDING & (deliveries.c.window_end < window_end)
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

    def forget_before(self, tick: datetime) -> int:
        """Remove what is no longer pending, and its attempts, of ticks before that one; how many, 10,000 at most.

        Not all at once: the database must not be held for long. The next call goes on.
        """
        old = select(deliveries.c.id).where(deliveries.c.tick < tick, deliveries.c.state != "pending")
        with self._database.write() as connection:
            forgotten = connection.execute(delete(deliveries).where(deliveries.c.id.in_(old.limit(_FORGOTTEN_AT_ONCE))))
        return forgotten.rowcount

    # --- looking ---

    def latest(self, number: int = 20) -> list[Delivery]:
        """The newest ticks first."""
        order = deliveries.c.tick.desc(), deliveries.c.partner_id, deliveries.c.round, deliveries.c.part
        return self._deliveries(select(deliveries).order_by(*order).limit(number))

    def attempts_of(self, delivery_id: str) -> list[Attempt]:
        """All tries at a delivery, the first first."""
        names = [attempts.c[name] for name in Attempt.__slots__]
        query = select(*names).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.number)
        with self._database.read() as connection:
            return [Attempt(*row) for row in connection.execute(query)]

    def statistics(self) -> DeliveryStatistics:
        """Deliveries by state."""
        number = select(func.count()).select_from(deliveries)
        counts = (number, number.where(PENDING), number.where(FAILED))
        with self._database.read() as connection:
            total, pending, failed = connection.execute(select(*(one.scalar_subquery() for one in counts))).one()
        return DeliveryStatistics(total - pending - failed, pending, failed)

    def windows(self) -> int:
        """Ticks that were cut so far."""
        with self._database.read() as connection:
            kept = connection.scalar(select(func.count()).select_from(cuts)) or 0
            return kept + forgotten(connection, ["cuts"])["cuts"]

    def _deliveries(self, query: Select[Any]) -> list[Delivery]:
        with self._database.read() as connection:
            return [read_delivery(row) for row in connection.execute(query)]


@contextmanager
def _unwritable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutboxUnwritable(f"the outbox cannot be written: {error.strerror}") from error


def _write(path: Path, body: PackedBody) -> None:
    with path.open("wb") as file:
        file.write(body.packed)
        file.flush()
        os.fsync(file.fileno())


def unpacked_body(delivery_id: str, packed: PackedBody) -> bytes:
    """The content of a delivery's body. Raises BodyMissing when it is damaged."""
    try:
        return packed.content()
    except OSError as error:
        raise _missing(delivery_id) from error


@contextmanager
def _unreadable(delivery_id: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise _missing(delivery_id) from error
    except OSError as error:  # what else it is may be over soon; a delivery that is given up never comes again
        raise OutboxUnreadable(f"a body in the outbox cannot be read: {error.strerror or error}") from error


def _missing(delivery_id: str) -> BodyMissing:
    return BodyMissing(f"the body of delivery {delivery_id} cannot be read from the outbox")


def _window_of(delivery: Delivery) -> tuple[str, datetime, int]:
    return delivery.partner_id, delivery.tick, delivery.round


def _there(connection: Connection, rounds: Set[tuple[datetime, int]]) -> set[tuple[str, datetime, int]]:
    """The windows of these ticks and rounds that have deliveries."""
    columns = deliveries.c.partner_id, deliveries.c.tick, deliveries.c.round
    found: set[tuple[str, datetime, int]] = set()
    for tick, number in rounds:
        query = select(*columns).where(deliveries.c.tick == tick, deliveries.c.round == number).distinct()
        found |= {(row.partner_id, row.tick, row.round) for row in connection.execute(query)}
    return found


def _values(delivery: Delivery) -> dict[str, Any]:
    values = {name: getattr(delivery, name) for name in delivery.__slots__ if name != "window"}
    return values | {"window_start": delivery.window.start, "window_end": delivery.window.end}


def read_delivery(row: Row[Any]) -> Delivery:
    """A delivery out of its row."""
    named = {name: getattr(row, name) for name in Delivery.__slots__ if name != "window"}
    return Delivery(window=Period(row.window_start, row.window_end), **named)
