"""The cuts of the ticks, in the control database. A cut is written once and never changed: windows lie between two.

When no window can be sent again whose beginning or end it is, it goes.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, func, insert, select, update

from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.forgetting import count_of, forget
from cdrelay.control.tables import cuts
from cdrelay.lake.cut import Cut


@dataclass(frozen=True, slots=True)
class TickCut:
    """The state that a tick saw."""

    tick: datetime
    cut: Cut


class Cuts:
    """The cuts. Blocking; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> TickCut | None:
        """That of the latest tick."""
        with self._database.read() as connection:
            row = connection.execute(select(cuts).order_by(cuts.c.tick.desc()).limit(1)).one_or_none()
        return None if row is None else _tick_cut(row)

    def before(self, tick: datetime) -> Cut | None:
        """That of the tick before; None for the very first, and for the oldest that is still there."""
        earlier = select(cuts).where(cuts.c.tick < tick).order_by(cuts.c.tick.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(earlier).one_or_none()
        return None if row is None else _tick_cut(row).cut

    def add(self, tick: datetime, cut: Cut) -> None:
        """Note the cut of a tick; when the tick has one already, that one stays."""
        with self._database.write() as connection:
            if connection.execute(select(cuts.c.tick).where(cuts.c.tick == tick)).one_or_none() is None:
                values = {"tick": tick, "cutoff": cut.cutoff, "load_seq": cut.load_seq}
                connection.execute(insert(cuts).values(values))

    def between(self, ticks: Period) -> list[tuple[TickCut, Cut | None]]:
        """Those of the ticks in the period, the oldest first, each with the cut before it; None for the very first."""
        ordered = select(cuts).where(cuts.c.tick >= ticks.start, cuts.c.tick < ticks.end).order_by(cuts.c.tick)
        with self._database.read() as connection:
            found = [_tick_cut(row) for row in connection.execute(ordered)]
        return [(one, self.before(one.tick)) for one in found]

    def to_spread(self) -> list[TickCut]:
        """Those of which deliveries may still have to be written, the oldest first."""
        pending = select(cuts).where(cuts.c.spread_at.is_(None)).order_by(cuts.c.tick)
        with self._database.read() as connection:
            return [_tick_cut(row) for row in connection.execute(pending)]

    def mark_spread(self, tick: datetime, now: datetime) -> None:
        """Every partner's deliveries of the tick are written."""
        with self._database.write() as connection:
            connection.execute(update(cuts).where(cuts.c.tick == tick).values(spread_at=now))

    def forget_before(self, tick: datetime) -> int:
        """Remove the cuts of ticks before that one which no window is between any more; how many.

        The last of them stays, as the state before the next one's, and so does all of what is not spread yet.
        """
        with self._database.read() as connection:
            pending = connection.scalar(select(func.min(cuts.c.tick)).where(cuts.c.spread_at.is_(None)))
            before = tick if pending is None else min(tick, pending)
            last = connection.scalar(select(func.max(cuts.c.tick)).where(cuts.c.tick < before))
        return 0 if last is None else forget(self._database, cuts, cuts.c.tick < last, {"cuts": count_of(cuts)})


def _tick_cut(row: Row[tuple[object, ...]]) -> TickCut:
    return TickCut(row.tick, Cut(row.load_seq, row.cutoff))
