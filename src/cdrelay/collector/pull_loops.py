"""A loop for each source that is pulled: one that fails or is slow stops none of the others."""

import asyncio
import traceback
from dataclasses import replace

import structlog

from cdrelay.clock import Clock
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.incident_log import IncidentLog
from cdrelay.collector.pulling import Puller
from cdrelay.collector.sources import Sources
from cdrelay.errors import CdrelayError

LOOK_SECONDS = 1.0
"""Between two looks at which sources there are."""
_LONGEST_PACES = 8
"""So many times the pace is waited at most after failures in a row."""

_log = structlog.get_logger(__name__)


class PullLoops:
    """What an operator changes counts at the next window; a source begins within a second or so of its login."""

    def __init__(self, sources: Sources, puller: Puller, clock: Clock, incidents: IncidentLog) -> None:
        self._sources = sources
        self._puller = puller
        self._clock = clock
        self._incidents = incidents
        self._loops: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                try:
                    listed = await asyncio.to_thread(self._sources.list)
                    self._adjust({one.name for one in listed if one.kind == "cdr_stream" and one.has_token})
                except CdrelayError as error:
                    _log.warning("pull.sources_not_listed", reason=type(error).__name__)
                await self._clock.sleep(LOOK_SECONDS)
        finally:
            self._adjust(set())

    def _adjust(self, wanted: set[str]) -> None:
        for name in self._loops.keys() - wanted:
            self._loops.pop(name).cancel()
        for name in wanted - self._loops.keys():
            self._loops[name] = asyncio.create_task(self._pull_on(name), name=f"pull {name}")

    async def _pull_on(self, name: str) -> None:
        """Window after window; after a failure wait, longer each time."""
        pace = self._puller.pace_seconds
        pause = pace
        while True:
            problem = await self._problem_of_one(name)
            pause = pace if problem is None else min(pause * 2, pace * _LONGEST_PACES)
            await self._clock.sleep(pause)

    async def _problem_of_one(self, name: str) -> str | None:
        """Pull one window; what kept it from being pulled, which is told once and noted."""
        try:
            await self._puller.pull(name)
        except SourceUnknown:
            return "removed"  # the next look ends this loop
        except (CdrelayError, OSError) as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001  # the outermost loop: the next window may be pulled again
            # Where it was, without its message: that may hold values of records.
            where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            _log.error("pull.failed", source=name, error=type(error).__name__, where=where)
            problem = f"unexpected: {type(error).__name__}"
        else:
            return None
        await asyncio.to_thread(self._note, name, problem)
        return problem

    def _note(self, name: str, problem: str) -> None:
        try:
            if self._sources.get(name).pull_problem != problem:
                self._incidents.record("pull", f"source {name}: {problem}")
                self._sources.alter(name, lambda now: replace(now, pull_problem=problem))
        except CdrelayError as error:
            _log.warning("pull.problem_not_noted", source=name, reason=type(error).__name__)
