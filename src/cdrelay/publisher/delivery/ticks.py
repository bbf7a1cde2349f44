"""The tick: on every multiple of 5 minutes, note what state it sees, and write what every partner is owed of it.

Two steps that a kill may part anywhere. *Cut*: what was acknowledged is loaded, then the number of the last load and
the cut-off go into a row, once. *Spread*: each partner's window, the difference of this cut and the one before, goes
into the outbox. All parts of a window get their rows at once, so that doing it again finds it whole or writes it anew.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from cdrelay.clock import Clock
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import floor_to, ticks_owed
from cdrelay.control.incidents import Incidents
from cdrelay.errors import CdrelayError
from cdrelay.lake.cut import Cut
from cdrelay.publisher.delivery.cuts import Cuts, TickCut
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.delivery.spreading import Spreader, Window
from cdrelay.publisher.delivery.webhooks import Webhooks

_log = structlog.get_logger(__name__)


class Numbered(Protocol):
    """What a tick needs of the lake."""

    def last_load(self) -> int:
        """Number of the last load."""
        ...


class Drains(Protocol):
    """What a tick needs of the loader."""

    def drain(self) -> object:
        """Load everything that waits."""
        ...


@dataclass(frozen=True, slots=True)
class TickReport:
    """What one run did: ticks that were cut, deliveries written, and partners whose window could not be written."""

    cut: int = 0
    deliveries: int = 0
    failures: int = 0


class Ticker:
    """Cuts and spreads the ticks that are owed. Of all processes on one outbox, one at a time does so."""

    def __init__(
        self,
        *,
        cuts: Cuts,
        lake: Numbered,
        loader: Drains,
        webhooks: Webhooks,
        spreader: Spreader,
        outbox: Outbox,
        incidents: Incidents,
        clock: Clock,
        rules: Rules,
        keep_log: timedelta | None = None,
        believes: Callable[[datetime], bool] = lambda now: True,
    ) -> None:
        """`keep_log` is how long a tick's cut and deliveries are kept, at least the reach; None keeps them for ever.

        `believes` says whether the clock may be believed so far.
        """
        self._cuts = cuts
        self._lake = lake
        self._loader = loader
        self._webhooks = webhooks
        self._spreader = spreader
        self._outbox = outbox
        self._incidents = incidents
        self._clock = clock
        self._rules = rules
        self._keep_log = keep_log
        self._believes = believes
        self._ahead = False

    async def run(self) -> None:
        """Tick after tick until cancelled. What goes wrong is noted and tried again a tenth of a tick later."""
        while True:
            try:
                report = await asyncio.to_thread(self.tick_once)
                well = not report.failures
            except CdrelayError as error:
                well = False
                await asyncio.to_thread(self._incidents.record, "tick", str(error))
            except Exception as error:  # noqa: BLE001  # the outermost loop: the next tick must come, whatever this one met
                well = False
                _log.exception("tick.failed")
                await asyncio.to_thread(self._incidents.record, "tick", f"unexpected: {type(error).__name__}")
            await self._clock.sleep(self._seconds_to_next() if well else self._rules.tick.total_seconds() / 10)

    def _seconds_to_next(self) -> float:
        now = self._clock.now()
        # A hair more than the tick, so that a timer that rings early does not find that there is nothing to do.
        return (floor_to(now, self._rules.tick) + self._rules.tick - now).total_seconds() + 0.001

    def tick_once(self) -> TickReport:
        """Cut and spread what is owed now, the oldest first; blocking. Doing so again finds nothing to do.

        A cut that a crash left unspread comes first. A partner whose window cannot be written is noted, keeps no other
        from its own, and is tried again the next time. Raises what the loader, the lake and the database raise.
        """
        started, report = time.perf_counter(), TickReport()
        with self._outbox.alone():
            for pending in self._cuts.to_spread():
                report = self._spread(pending, report)
            last = self._cuts.last()
            self._tell_of_clock(last)
            for tick in ticks_owed(last.tick if last else None, self._clock.now(), self._rules):
                report = self._spread(self._cut(tick), replace(report, cut=report.cut + 1))
            self._tidy()
        if report != TickReport():
            seconds = round(time.perf_counter() - started, 3)
            _log.info(
                "ticks.spread",
                cut=report.cut,
                deliveries=report.deliveries,
                failures=report.failures,
                seconds=seconds,
            )
        return report

    def _tell_of_clock(self, last: TickCut | None) -> None:
        """Tell once that nothing is cut for long: cuts only go forward, and the last one lies in the future."""
        ahead = last is not None and last.tick > self._clock.now() + self._rules.tick
        if last is not None and ahead and not self._ahead:
            what = (
                f"no window is cut before {last.tick:%Y-%m-%d %H:%M} UTC: the clock was ahead, and was set back;"
                " `cdrelay publisher set-back` goes on now"
            )
            self._incidents.record("tick", what)
        self._ahead = ahead

    def _cut(self, tick: datetime) -> TickCut:
        # In this order: what was acknowledged before the number is read is in the load that it names.
        self._loader.drain()
        cut = TickCut(tick, Cut(self._lake.last_load(), tick - self._rules.settle))
        self._cuts.add(tick, cut.cut)
        return cut

    def _spread(self, cut: TickCut, report: TickReport) -> TickReport:
        there = self._outbox.partners_with_window(cut.tick)
        owed = [one for one in self._webhooks.all() if one.created_at < cut.tick and one.partner_id not in there]
        spread = self._spreader.spread(Window(cut.tick, self._cuts.before(cut.tick), cut.cut), owed)
        for partner_id, why in spread.failures.items():
            what = f"the window of {cut.tick:%Y-%m-%d %H:%M} for partner {partner_id}: {why}"
            self._incidents.record("tick", what)
        # Out of reach, a partner that still cannot get it never will; it must not be tried for ever.
        if not spread.failures or cut.cut.cutoff < self._clock.now() - self._rules.reach:
            self._cuts.mark_spread(cut.tick, self._clock.now())
        return replace(
            report,
            deliveries=report.deliveries + spread.deliveries,
            failures=report.failures + len(spread.failures),
        )

    def _tidy(self) -> None:
        """Under the lock, because bodies without rows are those of a spreading under way."""
        given_up = self._outbox.give_up_before(self._clock.now() - self._rules.reach)
        if given_up:
            self._incidents.record("send", f"{given_up} deliveries were given up: their windows are out of reach")
        self._outbox.sweep()
        now = self._clock.now()
        if self._keep_log is not None and self._believes(now):
            oldest = now - max(self._keep_log, self._rules.reach)
            self._outbox.forget_before(oldest)
            self._cuts.forget_before(oldest)
