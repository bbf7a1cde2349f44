"""Reads all active sources, each at its own pace: one that fails or is slow stops none of the others."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from cdrelay.clock import Clock
from cdrelay.contract.history import HistoryRules
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.errors import CdrelayError
from cdrelay.lake.prepare import Refused
from cdrelay.lake.quarantine import Quarantine
from cdrelay.provider_exchange import ClientLimits
from cdrelay.provider_history import PullRules, pull_rules
from cdrelay.publisher.errors import RecordSourceRefused
from cdrelay.publisher.sources.followed import FollowedFile
from cdrelay.publisher.sources.pulling import Puller
from cdrelay.publisher.sources.record_sources import RecordSources
from cdrelay.publisher.sources.source_settings import PULLED, RecordSource
from cdrelay.publisher.sources.taking import Kept, Taker
from cdrelay.publisher.sources.watched import WatchedFolder

LOOK_SECONDS = 1.0
"""Between two looks at a folder or a file; also between two looks at what sources there are."""
_LONGEST_PAUSE_SECONDS = 30.0
_NOTED_EVERY = timedelta(seconds=60)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reader:
    """How one source is read once, and how long to wait then."""

    read: Callable[[], Awaitable[Kept]]
    pause_seconds: float


class SourceReaders:
    """Makes what reads a source."""

    def __init__(
        self,
        sources: RecordSources,
        taker: Taker,
        quarantine: Quarantine,
        clock: Clock,
        *,
        limits: ClientLimits,
        rules: HistoryRules,
        report: Callable[[str, str], None],
    ) -> None:
        self._sources = sources
        self._taker = taker
        self._quarantine = quarantine
        self._clock = clock
        self._limits = limits
        self._rules = rules
        self._report = report

    def reader(self, name: str) -> Reader:
        """For the source of that name. Raises RecordSourceUnknown, SecretUnreadable, RecordSourceRefused. Blocks."""
        source = self._sources.get(name)
        if source.kind in PULLED:
            rules = pull_rules(source.kind, self._rules)
            return Reader(lambda: self._pull(name, rules), rules.pace.total_seconds())
        if source.kind == "folder":
            folder = WatchedFolder(Path(source.location), source.origin, self._taker)
            return Reader(lambda: asyncio.to_thread(folder.look), LOOK_SECONDS)
        if source.kind == "push":
            raise RecordSourceRefused(f"source {name} is pushed: it is not read, it hands in")
        file = FollowedFile(
            Path(source.location),
            source.origin,
            self._taker,
            lambda cursor: self._sources.keep_cursor(name, cursor),
            self._refused_keeper(name),
        )
        return Reader(lambda: asyncio.to_thread(lambda: file.look(self._cursor(name))), LOOK_SECONDS)

    async def _pull(self, name: str, rules: PullRules) -> Kept:
        # Read anew each time: a new token counts at once.
        source = await asyncio.to_thread(self._sources.get, name)
        puller = Puller(
            source,
            self._taker,
            self._clock,
            limits=self._limits,
            rules=rules,
            keep_cursor=lambda cursor: self._sources.keep_cursor(name, cursor, source.cursor),
            keep_refused=self._refused_keeper(name),
        )
        gap = puller.gap(source.cursor)
        kept = await puller.pull(source.cursor)
        if gap is not None:  # told once, when the cursor has passed it
            what = f"what is from {gap.start:%Y-%m-%dT%H:%MZ} to {gap.end:%Y-%m-%dT%H:%MZ}"
            await asyncio.to_thread(self._report, "source", f"source {name}: {what} is out of the provider's reach")
        return kept

    def _cursor(self, name: str) -> str:
        return self._sources.get(name).cursor

    def _refused_keeper(self, name: str) -> Callable[[str, list[Refused]], None]:
        def keep(payload_id: str, refused: list[Refused]) -> None:
            self._quarantine.keep(payload_id, name, refused)
            self._report("source", f"source {name}: {len(refused)} records put into quarantine")

        return keep


class SourceWorker:
    """The loop over all sources. What an operator changes counts within a second or so."""

    def __init__(
        self, sources: RecordSources, readers: SourceReaders, clock: Clock, report: Callable[[str, str], None]
    ) -> None:
        self._sources = sources
        self._readers = readers
        self._clock = clock
        self._report = report
        self._loops: dict[str, tuple[tuple[object, ...], asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Until it is cancelled; each source has a loop of its own, begun anew when its settings change."""
        try:
            while True:
                try:
                    listed = await asyncio.to_thread(self._sources.list)
                    self._adjust({one.name: _settings(one) for one in listed if one.active and one.kind != "push"})
                except DatabaseUnavailable as error:
                    _log.warning("sources.not_listed", error=str(error))
                await self._clock.sleep(LOOK_SECONDS)
        finally:
            self._adjust({})

    def _adjust(self, wanted: dict[str, tuple[object, ...]]) -> None:
        for name, (settings, loop) in list(self._loops.items()):
            if wanted.get(name) != settings:
                loop.cancel()
                del self._loops[name]
        for name, settings in wanted.items():
            if name not in self._loops:
                self._loops[name] = settings, asyncio.create_task(self._read_on(name), name=f"source {name}")

    async def _read_on(self, name: str) -> None:
        """Read one source again and again; after a failure wait, longer each time."""
        pause, noted = LOOK_SECONDS, _Noted()
        reader: Reader | None = None
        while True:
            try:
                if reader is None:
                    reader = await asyncio.to_thread(self._readers.reader, name)
                kept = await reader.read()
                await asyncio.to_thread(self._note_read, name, kept, noted)
                pause = reader.pause_seconds
            except (CdrelayError, OSError) as error:
                pause = await self._failed(name, str(error), noted, pause)
            except Exception as error:  # noqa: BLE001  # the other sources must still be read, and this one again
                # Where it was, without its message: that may hold values of records.
                where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
                _log.error("source.failed", source=name, error=type(error).__name__, where=where)
                pause = await self._failed(name, f"unexpected: {type(error).__name__}", noted, pause)
            await self._clock.sleep(pause)

    def _note_read(self, name: str, kept: Kept, noted: "_Noted") -> None:
        """Once a minute, and whenever there is something to tell."""
        now = self._clock.now()
        if noted.problem is None and noted.at is not None and kept == Kept() and now - noted.at < _NOTED_EVERY:
            return
        self._sources.note_read(name)
        noted.at, noted.problem = now, None

    async def _failed(self, name: str, problem: str, noted: "_Noted", pause: float) -> float:
        if noted.problem != problem:  # an incident once, not at each look
            await asyncio.to_thread(self._report, "source", f"source {name}: {problem}")
            try:
                await asyncio.to_thread(self._sources.note_problem, name, problem)
            except DatabaseUnavailable as error:
                _log.warning("source.problem_not_noted", source=name, error=str(error))
        noted.problem = problem
        return min(pause * 2, _LONGEST_PAUSE_SECONDS)


@dataclass(slots=True)
class _Noted:
    """What was noted of a source last."""

    at: datetime | None = None
    problem: str | None = None


def _settings(source: RecordSource) -> tuple[object, ...]:
    """What a reader is made for; cursor and token are read anew each time."""
    return source.kind, source.format, source.location, source.org_uuid, source.org_map, source.time_zone
