"""The loop that drains a spool while the process runs."""

import asyncio
from collections.abc import Callable

import duckdb
import structlog

from cdrelay.clock import Clock
from cdrelay.errors import CdrelayError
from cdrelay.lake.load import Loader

_log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


class LoadWorker:
    """Drains again and again; after a failure it waits, longer each time, and goes on: nothing in the spool is lost."""

    def __init__(self, loader: Loader, clock: Clock, report: Callable[[str, str], None]) -> None:
        self._loader = loader
        self._clock = clock
        self._report = report

    async def run(self) -> None:
        """Until it is cancelled; a drain under way is then finished by its thread."""
        pause = _PAUSE_SECONDS
        while True:
            try:
                await asyncio.to_thread(self._loader.drain)
                pause = _PAUSE_SECONDS
            except (CdrelayError, OSError, duckdb.Error) as error:
                await asyncio.to_thread(self._report, "load", _without_values(error))
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001  # the outermost loop: what comes next must still be loaded
                _log.exception("load.failed")
                await asyncio.to_thread(self._report, "load", f"unexpected: {type(error).__name__}")
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await self._clock.sleep(pause)


def _without_values(error: Exception) -> str:
    """What went wrong, without the values of records that an engine's message may quote."""
    kind = type(error).__name__
    return kind if isinstance(error, duckdb.Error) else f"{kind}: {error}"
