"""What this machine's clock said when it was last seen: removal by age does not believe one that has just leapt ahead.

A clock that is a year ahead for some minutes would have all records removed, and nothing brings them back when it is
set right. So nothing goes by its age until the clock has been seen for a day after a leap of more than a day. Nobody
can tell such a clock from a machine that was off for a week; that one keeps its records a day longer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from cdrelay.contract.rules import Rules
from cdrelay.control.database import Database, DatabaseUnavailable
from cdrelay.control.incidents import Incidents
from cdrelay.control.tables import clock_seen

PATIENCE = timedelta(days=1)
"""Of the contract: the longest step that is believed at once, and how long a clock is watched after a longer one."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Leap:
    """A step ahead that is not believed yet."""

    before: datetime
    """When the clock was last seen before it."""
    after: datetime
    until: datetime
    """From then on it is believed."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of the clock."""

    seen_at: datetime
    leap: Leap | None = None


def next_sight(last: Sight | None, now: datetime, patience: timedelta) -> Sight:
    """What is known once the clock is seen to say `now`. Pure.

    A step back is believed: it undoes a leap, or makes it a shorter one. The first time of all is believed, too.
    """
    if last is None:
        return Sight(now)
    leap = last.leap
    if now > last.seen_at + patience:
        leap = Leap(leap.before if leap else last.seen_at, now, now + patience)
    elif leap is not None and now < leap.after:
        undone = now <= leap.before + patience
        leap = None if undone else Leap(leap.before, now, now + patience)
    elif leap is not None and now >= leap.until:
        leap = None
    return Sight(now, leap)


class SeenClock:
    """Judges the clock for all that removes by age, of all processes on one home. Blocking, for any thread."""

    def __init__(self, database: Database, incidents: Incidents, rules: Rules, compress: float) -> None:
        self._database = database
        self._incidents = incidents
        self._patience = PATIENCE / compress
        self._every = rules.tick
        self._last: Sight | None = None

    def believes(self, now: datetime) -> bool:
        """Whether what is too old at `now` may go; a new leap is an incident. Looks at the database once a tick.

        False also while the database cannot be asked: what stays goes the next time. Never raises for that.
        """
        last = self._last
        if last is None or not last.seen_at <= now < last.seen_at + self._every:
            try:
                last = self._look(now)
            except DatabaseUnavailable as error:
                _log.warning("clock.not_judged", error=str(error))
                return False
            self._last = last
        return last.leap is None

    def _look(self, now: datetime) -> Sight:
        with self._database.write() as connection:
            before = _read(connection)
            sight = next_sight(before, now, self._patience)
            _write(connection, sight)
        if sight.leap is not None and (before is None or sight.leap != before.leap):
            self._incidents.record("upkeep", f"{in_words(sight.leap)}; if it is right, {ADVICE}")
        return sight

    def leap(self) -> Leap | None:
        """The one that is not believed yet. Raises DatabaseUnavailable."""
        return unbelieved_leap(self._database)

    def believe(self, now: datetime) -> None:
        """The operator says that the clock is right. Raises DatabaseUnavailable.

        Servers on this home remove again a tick later at most.
        """
        self._last = Sight(now)
        with self._database.write() as connection:
            _write(connection, self._last)


ADVICE = "`cdrelay lake upkeep --clock-is-right`"


def unbelieved_leap(database: Database) -> Leap | None:
    """The leap that is not believed yet; reads only. Raises DatabaseUnavailable."""
    with database.read() as connection:
        sight = _read(connection)
    return None if sight is None else sight.leap


def in_words(leap: Leap) -> str:
    """What it means."""
    before, after, until = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (leap.before, leap.after, leap.until))
    return f"nothing is removed by its age before {until}: the clock said {before}, and the next time {after}"


def _read(connection: Connection) -> Sight | None:
    row = connection.execute(select(clock_seen)).one_or_none()
    if row is None:
        return None
    sight = Sight(row.seen_at)
    return sight if row.until is None else replace(sight, leap=Leap(row.leapt_from, row.leapt_to, row.until))


def _write(connection: Connection, sight: Sight) -> None:
    leap = sight.leap
    values = {
        "seen_at": sight.seen_at,
        "leapt_from": leap and leap.before,
        "leapt_to": leap and leap.after,
        "until": leap and leap.until,
    }
    statement = insert(clock_seen).values(id=1, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
