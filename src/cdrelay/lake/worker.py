"""The loop that drains a spool while the process runs."""

import asyncio
import traceback
from collections.abc import Callable
from typing import Protocol

import duckdb
import structlog

from cdrelay.clock import Clock
from cdrelay.errors import CdrelayError
from cdrelay.lake.receipts import Drained

_log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0
"""Between two drains of a quiet spool, so that a few payloads make one file."""
_MUCH = 10_000
"""A drain of so many records is followed by the next at once: then it is the loader that others wait for."""
_LONGEST_PAUSE_SECONDS = 30.0
_LONG_SECONDS = 600.0


class Drains(Protocol):
    """What the worker needs of a loader."""

    def drain(self) -> Drained:
        """Load all that waits; blocks."""
        ...


class LoadWorker:
    """Drains again and again; after a failure it waits, longer each time, and goes on: nothing in the spool is lost."""

    def __init__(self, loader: Drains, clock: Clock, report: Callable[[str, str], None]) -> None:
        self._loader = loader
        self._clock = clock
        self._report = report

    async def run(self) -> None:
        """Until it is cancelled; a drain under way is then finished by its thread."""
        pause = _PAUSE_SECONDS
        while True:
            try:
                drained = await self._drain()
                pause = 0.0 if drained.records >= _MUCH else _PAUSE_SECONDS
            except (CdrelayError, OSError, duckdb.Error) as error:
                await asyncio.to_thread(self._report, "load", _without_values(error))
                pause = min(max(pause, _PAUSE_SECONDS) * 2, _LONGEST_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001  # the outermost loop: what comes next must still be loaded
                # Where it was, without its message: that may hold values of records.
                where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
                _log.error("load.failed", error=type(error).__name__, where=where)
                await asyncio.to_thread(self._report, "load", f"unexpected: {type(error).__name__}")
                pause = min(max(pause, _PAUSE_SECONDS) * 2, _LONGEST_PAUSE_SECONDS)
            await self._clock.sleep(pause)

    async def _drain(self) -> Drained:
        """Drain, and tell every ten minutes of a drain that does not end: DuckDB 2.0.0 can hang where a write fails."""
        draining = asyncio.create_task(asyncio.to_thread(self._loader.drain))
        minutes = 0
        while not draining.done():
            watching = asyncio.create_task(self._clock.sleep(_LONG_SECONDS))
            try:
                await asyncio.wait({draining, watching}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                watching.cancel()
            if not draining.done():
                minutes += round(_LONG_SECONDS / 60)
                what = f"a load has been under way for {minutes} minutes; if it does not end, restart: nothing is lost"
                await asyncio.to_thread(self._report, "load", what)
        return await draining


def _without_values(error: Exception) -> str:
    """What went wrong, without the values of records that an engine's message may quote."""
    kind = type(error).__name__
    return kind if isinstance(error, duckdb.Error) else f"{kind}: {error}"
