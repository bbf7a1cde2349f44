"""The tick: on every multiple of 5 minutes, note what state it sees, and write what every partner is owed of it.

Two steps that a kill may part anywhere. *Cut*: what was acknowledged is loaded, then the number of the last load and
the cut-off go into a row, once. *Spread*: each partner's window, the difference of this cut and the one before, goes
into the outbox. Spreading reads nothing but what the rows say, so that doing it again writes the same.
"""

import asyncio
import fcntl
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from cdrelay.clock import Clock
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import EPOCH, Period, floor_to, ticks_owed, window_of_tick
from cdrelay.control.incidents import Incidents
from cdrelay.errors import CdrelayError
from cdrelay.lake.cut import Cut
from cdrelay.publisher.cuts import Cuts, TickCut
from cdrelay.publisher.deliveries import Delivery, cut_parts, delivery_id, write_body
from cdrelay.publisher.entitlement import Entitlement
from cdrelay.publisher.outbox import Outbox
from cdrelay.publisher.parties import Webhook
from cdrelay.publisher.webhooks import Webhooks

_log = structlog.get_logger(__name__)


class WindowReader(Protocol):
    """What a tick needs of the lake."""

    def last_load(self) -> int:
        """Number of the last load."""
        ...

    def read_window(self, before: Cut | None, now: Cut, organizations: Collection[str]) -> Iterator[bytes]:
        """The records, as wire JSON, that the cut `now` holds and `before` does not."""
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
        lake: WindowReader,
        loader: Drains,
        webhooks: Webhooks,
        entitlement: Entitlement,
        outbox: Outbox,
        incidents: Incidents,
        clock: Clock,
        rules: Rules,
        send_empty_windows: bool,
    ) -> None:
        self._cuts = cuts
        self._lake = lake
        self._loader = loader
        self._webhooks = webhooks
        self._entitlement = entitlement
        self._outbox = outbox
        self._incidents = incidents
        self._clock = clock
        self._rules = rules
        self._send_empty = send_empty_windows

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
        with _alone(self._outbox.folder / "tick.lock"):
            for pending in self._cuts.to_spread():
                report = self._spread(pending, report)
            last = self._cuts.last()
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

    def _cut(self, tick: datetime) -> TickCut:
        # In this order: what was acknowledged before the number is read is in the load that it names.
        self._loader.drain()
        cut = TickCut(tick, Cut(self._lake.last_load(), tick - self._rules.settle))
        self._cuts.add(tick, cut.cut)
        return cut

    def _spread(self, cut: TickCut, report: TickReport) -> TickReport:
        before, failures, written = self._cuts.before(cut.tick), 0, 0
        for webhook in self._webhooks.all():
            if webhook.created_at >= cut.tick or self._outbox.has_window(webhook.partner_id, cut.tick):
                continue
            try:
                written += self._spread_to(webhook, before, cut)
            except (CdrelayError, OSError) as error:
                failures += 1
                what = f"the window of {cut.tick:%Y-%m-%d %H:%M} for partner {webhook.partner_id}: {error}"
                self._incidents.record("tick", what)
        # Out of reach, a partner that still cannot get it never will; it must not be tried for ever.
        if not failures or cut.cut.cutoff < self._clock.now() - self._rules.reach:
            self._cuts.mark_spread(cut.tick, self._clock.now())
        return replace(report, deliveries=report.deliveries + written, failures=report.failures + failures)

    def _spread_to(self, webhook: Webhook, before: Cut | None, cut: TickCut) -> int:
        organizations = self._entitlement.organizations_of(webhook.partner_id, Period(EPOCH, cut.cut.cutoff))
        records = self._lake.read_window(before, cut.cut, organizations) if organizations else iter(())
        window: list[Delivery] = []
        for part in cut_parts(records, self._rules.records_per_post):
            window.append(self._write_part(webhook.partner_id, cut.tick, len(window) + 1, part))
        if not window and self._send_empty:
            window.append(self._write_part(webhook.partner_id, cut.tick, 1, []))
        # All at once and only now: how many parts there are must be known before the first of them is sent.
        self._outbox.add_window([replace(delivery, parts=len(window)) for delivery in window])
        return len(window)

    def _write_part(self, partner_id: str, tick: datetime, number: int, records: list[bytes]) -> Delivery:
        body = write_body(records)
        delivery = Delivery(
            id=delivery_id(partner_id, tick, number),
            partner_id=partner_id,
            tick=tick,
            window=window_of_tick(tick, self._rules),
            part=number,
            parts=0,
            records=len(records),
            body_bytes=len(body),
            next_attempt_at=self._clock.now(),
        )
        self._outbox.write_body(delivery.id, body)
        return delivery

    def _tidy(self) -> None:
        """Under the lock, because bodies without rows are those of a spreading under way."""
        given_up = self._outbox.give_up_before(self._clock.now() - self._rules.reach)
        if given_up:
            self._incidents.record("send", f"{given_up} deliveries were given up: their windows are out of reach")
        self._outbox.sweep()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other thread or process is inside; the system lets go of it when a process dies."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
