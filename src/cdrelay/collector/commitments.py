"""Waiting until a payload's records are in the lake, for an answer that says so."""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import DatabaseError

from cdrelay.collector.payload_history import LoadedPayload, payloads_named
from cdrelay.control.database import Database, DatabaseUnavailable

_LOOK_SECONDS = 0.1

_log = structlog.get_logger(__name__)


class Commitments:
    """Looks for the receipts of all payloads that are waited for at once; whichever process loads them.

    A receipt is written after the commit to the lake and before the file leaves the spool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, asyncio.Future[LoadedPayload]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def of(self, payload: str, seconds: float) -> LoadedPayload | None:
        """What the load of a payload did; None when there was none within `seconds`, for whatever reason."""
        self._waiting[payload] = asyncio.get_running_loop().create_future()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(seconds):
                return await self._waiting[payload]
        except TimeoutError:
            return None
        finally:
            del self._waiting[payload]

    async def _look(self) -> None:
        while self._waiting:
            for loaded in await self._found(list(self._waiting)):
                waiting = self._waiting.get(loaded.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(loaded)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _found(self, payloads: Sequence[str]) -> list[LoadedPayload]:
        try:
            return await asyncio.to_thread(payloads_named, self._database, payloads)
        except (DatabaseUnavailable, DatabaseError) as error:
            _log.warning("receipts.not_read", reason=type(error).__name__)
            return []
