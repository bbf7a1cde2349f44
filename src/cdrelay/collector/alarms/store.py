"""Alarms: raised once, seen again, cleared; each is told when it is raised, every day while it stands, and at its end.

That an alarm stands and that people are told are written in one transaction: no crash makes one of the two.
All methods block, may be used from any thread, and raise DatabaseUnavailable when the database is gone.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import structlog
from sqlalchemy import Connection, Row, func, insert, select, update

from cdrelay.clock import Clock
from cdrelay.collector.alarms.kinds import Cause
from cdrelay.control.database import Database
from cdrelay.control.forgetting import forget
from cdrelay.control.tables import alarms

TOLD_EVERY = timedelta(days=1)
"""How often people are told of an alarm that stands."""
NEWS_EVERY = timedelta(hours=1)
"""How often at most they are told because something came to it."""

Happening = Literal["raised", "standing", "cleared"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, from when it was raised."""

    kind: str
    subject: str
    what: str
    raised_at: datetime
    seen_at: datetime
    """When its cause was last there."""
    told_at: datetime | None = None
    cleared_at: datetime | None = None
    """None: it stands."""


class Tells(Protocol):
    """Whoever tells people."""

    def add(self, connection: Connection, alarm: Alarm, happening: Happening) -> int:
        """Tell them soon, in somebody else's transaction; how many are told."""
        ...


class Alarms:
    """The alarms in the control database."""

    def __init__(self, database: Database, clock: Clock, tells: Tells | None = None) -> None:
        """Without `tells` they are kept and shown, and nobody is told."""
        self._database = database
        self._clock = clock
        self._tells = tells

    def raise_(self, kind: str, subject: str, what: str) -> None:
        """It is so. Again while it stands: it is so still, perhaps in other words."""
        self.settle([Cause(kind, subject, what)], kinds=())

    def clear(self, kind: str, subject: str) -> None:
        """It is over; harmless when it was not so."""
        with self._database.write() as connection:
            for row in connection.execute(select(alarms).where(_STANDING, _of(kind, subject))).all():
                self._clear(connection, row)

    def settle(self, causes: Iterable[Cause], kinds: Collection[str], rest: timedelta = timedelta(0)) -> None:
        """These are the causes there are, of alarms of `kinds`: raise or keep theirs, and clear all others of `kinds`.

        An alarm is cleared once its cause has been gone for `rest`, so that what comes and goes is not told each time.
        """
        found, now = {(one.kind, one.subject): one for one in causes}, self._clock.now()
        with self._database.write() as connection:
            standing = connection.execute(select(alarms).where(_STANDING)).all()
            for row in standing:
                if cause := found.pop((row.kind, row.subject), None):
                    self._keep(connection, row, cause)
                # Seen in the future: before the clock was set back.
                elif row.kind in kinds and not now - rest < row.seen_at <= now:
                    self._clear(connection, row)
            for cause in found.values():
                self._raise(connection, cause)

    def keep_past(self, kind: str, subject: str, what: str, since: datetime) -> None:
        """What was so from `since` until now and could not be told meanwhile."""
        now = self._clock.now()
        alarm = Alarm(kind, subject, what, since, now, now, now)
        with self._database.write() as connection:
            self._write(connection, alarm)
            self._tell(connection, alarm, "cleared")

    def forget_before(self, moment: datetime) -> int:
        """Remove those that were over before; how many. One that stands stays, however old."""
        return forget(self._database, alarms, alarms.c.cleared_at < moment)

    def standing(self) -> list[Alarm]:
        """Those whose cause is there, the oldest first."""
        return self._read(select(alarms).where(_STANDING).order_by(alarms.c.raised_at, alarms.c.id))

    def standing_of_each_kind(self, most: int) -> list[tuple[int, list[Alarm]]]:
        """By kind, in the order of their names: how many stand, and so many of them at most, the oldest first."""
        numbers = select(alarms.c.kind, func.count()).where(_STANDING).group_by(alarms.c.kind).order_by(alarms.c.kind)
        found = []
        with self._database.read() as connection:
            for kind, number in connection.execute(numbers).all():
                of_kind = select(alarms).where(_STANDING, alarms.c.kind == kind)
                oldest = connection.execute(of_kind.order_by(alarms.c.raised_at, alarms.c.id).limit(most))
                found.append((number, [_alarm(row) for row in oldest]))
        return found

    def ended_since(self, moment: datetime, most: int) -> tuple[int, list[Alarm]]:
        """How many were over after `moment`, and so many of them at most, the last to end first."""
        ended = alarms.c.cleared_at > moment
        # The rows of many are not looked at: which they are is decided by their ends alone.
        last = select(alarms.c.id).where(ended).order_by(alarms.c.cleared_at.desc(), alarms.c.id.desc()).limit(most)
        wanted = select(alarms).where(alarms.c.id.in_(last)).order_by(alarms.c.cleared_at.desc(), alarms.c.id.desc())
        with self._database.read() as connection:
            number = connection.scalar(select(func.count()).where(ended)) or 0
            return number, [_alarm(row) for row in connection.execute(wanted)]

    def standing_by_subject(self) -> dict[str, list[str]]:
        """The kinds that stand, in the order of their names, by what they are about."""
        found: dict[str, list[str]] = {}
        asked = select(alarms.c.subject, alarms.c.kind).where(_STANDING).order_by(alarms.c.kind)
        with self._database.read() as connection:
            for subject, kind in connection.execute(asked):
                found.setdefault(subject, []).append(kind)
        return found

    def latest(self, most: int = 100) -> list[Alarm]:
        """The last ones, standing or not, the newest first."""
        return self._read(select(alarms).order_by(alarms.c.raised_at.desc(), alarms.c.id.desc()).limit(most))

    def _read(self, query: Any) -> list[Alarm]:
        with self._database.read() as connection:
            return [_alarm(row) for row in connection.execute(query)]

    def _raise(self, connection: Connection, cause: Cause) -> None:
        now = self._clock.now()
        alarm = Alarm(cause.kind, cause.subject, cause.what, now, now, now)
        self._write(connection, alarm)
        self._tell(connection, alarm, "raised")

    def _keep(self, connection: Connection, row: Row[Any], cause: Cause) -> None:
        now = self._clock.now()
        values: dict[str, Any] = {"what": cause.what, "seen_at": now}
        if _to_be_told(row.told_at, cause, now):
            values["told_at"] = now
        connection.execute(update(alarms).where(alarms.c.id == row.id).values(values))
        if "told_at" in values:
            self._tell(connection, Alarm(row.kind, row.subject, cause.what, row.raised_at, now, now), "standing")

    def _clear(self, connection: Connection, row: Row[Any]) -> None:
        now = self._clock.now()
        connection.execute(update(alarms).where(alarms.c.id == row.id).values(cleared_at=now, told_at=now))
        self._tell(connection, Alarm(row.kind, row.subject, row.what, row.raised_at, row.seen_at, now, now), "cleared")

    def _write(self, connection: Connection, alarm: Alarm) -> None:
        values = {name: getattr(alarm, name) for name in Alarm.__slots__}
        connection.execute(insert(alarms).values(values))

    def _tell(self, connection: Connection, alarm: Alarm, happening: Happening) -> None:
        told = self._tells.add(connection, alarm, happening) if self._tells else 0
        _log.warning(f"alarm.{happening}", kind=alarm.kind, subject=alarm.subject, what=alarm.what, told=told)


_STANDING = alarms.c.cleared_at.is_(None)


def _of(kind: str, subject: str) -> Any:
    return (alarms.c.kind == kind) & (alarms.c.subject == subject)


def _to_be_told(told_at: datetime | None, cause: Cause, now: datetime) -> bool:
    if told_at is None or now - told_at >= TOLD_EVERY:
        return True
    return cause.newest is not None and cause.newest > told_at and now - told_at >= NEWS_EVERY


def _alarm(row: Row[Any]) -> Alarm:
    return Alarm(**{name: getattr(row, name) for name in Alarm.__slots__})
