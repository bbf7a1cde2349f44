"""Work on a body that is still coming: in a thread, portion by portion, in order."""

import asyncio
from collections.abc import Callable


class Portions:
    """Hands what comes to `work` in portions of at least `least` bytes, one at a time, each in a thread.

    What comes meanwhile is gathered; with `most` bytes gathered, whoever adds more waits for the work.
    """

    def __init__(self, work: Callable[[list[bytes]], None], least: int, most: int) -> None:
        self._work = work
        self._least = least
        self._most = most
        self._gathered: list[bytes] = []
        self._bytes = 0
        self._working: asyncio.Future[None] | None = None

    async def add(self, piece: bytes) -> None:
        """The next piece. Raises what the work on an earlier portion raised."""
        self._gathered.append(piece)
        self._bytes += len(piece)
        if self._bytes < self._least:
            return
        if self._working is not None:
            if not self._working.done() and self._bytes < self._most:
                return
            await self._working
        self._begin()

    async def end(self) -> None:
        """Return once all that came has been worked on. Raises what the work raised."""
        if self._working is not None:
            await self._working
        if self._gathered:
            self._begin()
            await self.end()

    async def settle(self) -> None:
        """Return once no thread works any more, whatever came of it: a thread cannot be stopped."""
        if self._working is not None:
            await asyncio.wait({self._working})

    def _begin(self) -> None:
        self._working = asyncio.ensure_future(asyncio.to_thread(self._work, self._gathered))
        self._gathered, self._bytes = [], 0
