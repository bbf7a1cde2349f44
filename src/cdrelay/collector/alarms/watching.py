"""The loop that looks for alarms, every tick."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from cdrelay.clock import Clock
from cdrelay.collector.alarms import conditions
from cdrelay.collector.alarms.facts import Facts
from cdrelay.collector.alarms.kinds import Cause
from cdrelay.collector.alarms.store import Alarms
from cdrelay.collector.drift import Drift
from cdrelay.collector.sources import Sources
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.errors import CdrelayError

REST_TICKS = 2
"""So many ticks a cause must be gone before its alarm is cleared."""
DOWN_TICKS = 3
"""So many ticks without a sign of life were a time in which the collector did not run."""

_log = structlog.get_logger(__name__)

Check = Callable[[datetime], Iterable[Cause]]


class KeepsUp(Protocol):
    """The loader, as far as it looks after the lake."""

    @property
    def upkeep_failing(self) -> tuple[datetime, str] | None:
        """Since when that has failed each time, and why it did lastly."""
        ...


class Watch:
    """Looks for alarms. Blocking but for `run`."""

    def __init__(
        self,
        alarms: Alarms,
        facts: Facts,
        sources: Sources,
        drift: Drift,
        loader: KeepsUp,
        clock: Clock,
        rules: Rules,
        *,
        alive: Path,
        reserve: int,
    ) -> None:
        """`alive` is the file of the last sign of life; `reserve` are the bytes of the disk that are never used."""
        self._alarms = alarms
        self._facts = facts
        self._sources = sources
        self._drift = drift
        self._loader = loader
        self._clock = clock
        self._rules = rules
        self._alive = alive
        self._reserve = reserve
        self._back_at: datetime | None = None
        """When it came back after a time in which it did not run."""
        self._looked = False
        """Whether this process did before."""

    async def run(self) -> None:
        """Look at once, and then every tick, until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except CdrelayError as error:
                _log.warning("alarms.postponed", error=str(error))
            except Exception:  # noqa: BLE001  # outermost: alarms must go on whatever one look met
                _log.exception("alarms.broken")
            await self._clock.sleep(self._rules.tick.total_seconds())

    def look(self) -> None:
        """Raise and clear what is to be. Raises DatabaseUnavailable; kinds that cannot be judged stay as they are."""
        now = self._clock.now()
        self._note_absence(now)
        waiting = conditions.spool_grows(self._facts.oldest_waiting(), now, self._rules)
        self._judge(("disk-full",), self._disk, now)
        self._judge(("spool-grows",), lambda _: waiting, now)
        if not waiting:
            # Otherwise nobody knows what has arrived.
            long = conditions.SILENT_TICKS * self._rules.tick
            heard = self._back_at is None or not self._back_at <= now < self._back_at + long
            # Before, the silence is our own: nobody could deliver.
            kinds = ("window-missing", "source-silent") if heard else ("window-missing",)
            self._judge(kinds, lambda at: self._arrivals(at, silence=heard), now)
        completeness = ("repair-failed", "records-near-edge", "records-lost", "pull-gap")
        self._judge(completeness, self._completeness, now)
        self._judge(("token-expiring",), self._tokens, now)
        self._judge(("source-unreadable",), self._secrets, now)
        self._judge(("schema-drift",), self._deviations, now)
        self._judge(("upkeep-failed",), self._upkeep, now)
        self._drift.told(self._drift.untold(), now)

    def _judge(self, kinds: tuple[str, ...], check: Check, now: datetime) -> None:
        try:
            causes = list(check(now))
        except CdrelayError:
            raise
        except Exception:  # noqa: BLE001  # what one check stumbles over must not silence the others
            _log.exception("alarms.not_judged", kinds=kinds)
        else:
            self._alarms.settle(causes, kinds, REST_TICKS * self._rules.tick)

    def _note_absence(self, now: datetime) -> None:
        """The sign of life, and an alarm about the time in which there was none."""
        last = self._last_sign()
        if last is not None and now - last > DOWN_TICKS * self._rules.tick:
            what = f"The collector did not run from {last:%Y-%m-%d %H:%M:%S} to {now:%Y-%m-%d %H:%M:%S} UTC"
            what += ": its machine slept, or its clock was set forward." if self._looked else "."
            self._alarms.keep_past("not-running", "", what, last)
            self._back_at = now
        self._looked = True
        # Afterwards: a crash between the two tells of it twice, and never not at all.
        try:
            self._alive.write_text(now.isoformat(), "ascii")
        except OSError as error:
            _log.warning("alarms.no_sign_of_life", error=error.strerror)

    def _last_sign(self) -> datetime | None:
        try:
            return datetime.fromisoformat(self._alive.read_text("ascii"))
        except (OSError, ValueError):
            return None  # the first start, or a crash while it was written

    def _disk(self, _now: datetime) -> Iterable[Cause]:
        return conditions.disk_full(self._facts.free_bytes(), self._reserve)

    def _arrivals(self, now: datetime, *, silence: bool) -> Iterable[Cause]:
        for source in self._facts.sources(now):
            missing, hours = self._facts.missing(source.name, now), {}
            if missing:
                hours = self._facts.hours(source.name, Period(missing[0].window.start - self._rules.count_span, now))
            if silence:
                yield from conditions.source_silent(source, missing, now, self._rules)
            yield from conditions.window_missing(source, missing, hours, now, self._rules)

    def _completeness(self, now: datetime) -> Iterable[Cause]:
        facts, rules = self._facts, self._rules
        short = facts.incomplete("short", conditions.to_be_repaired(now, rules))
        edge = conditions.near_edge(now, rules)
        leaving = facts.incomplete("short", edge)
        lost = facts.incomplete("lost", conditions.lately_lost(now, rules))
        for source in facts.sources(now):
            hours = facts.hours(source.name, conditions.asked_lately(now, rules))
            yield from conditions.repair_failed(source.name, short.get(source.name), hours, now, rules)
            yield from conditions.records_near_edge(source, leaving.get(source.name), hours, now, rules)
            yield from conditions.records_lost(source.name, lost.get(source.name))
            yield from conditions.pull_gap(source, now, rules)

    def _tokens(self, now: datetime) -> Iterable[Cause]:
        for source in self._facts.sources(now):
            yield from conditions.token_expiring(source, now, self._rules)

    def _secrets(self, _now: datetime) -> Iterable[Cause]:
        for name, columns in self._sources.unreadable().items():
            yield from conditions.source_unreadable(name, columns)

    def _deviations(self, now: datetime) -> Iterable[Cause]:
        return conditions.schema_drift(self._drift.rows(), now)

    def _upkeep(self, now: datetime) -> Iterable[Cause]:
        return conditions.upkeep_failed(self._loader.upkeep_failing, now, self._rules)
