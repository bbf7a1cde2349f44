"""The collector as a process that is killed, and whose disk and control database fail."""

import asyncio
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.chaos.disk import Disk
from tests.chaos.plan import KILLS, MachineFault
from tests.support.faulty_deliveries import FaultyDeliveries
from tests.support.process import Cdrelay

_DATABASE = ("control.db", "control.db-wal", "control.db-shm")
_STARTS = ("serve", "--roles", "collector,hub")


class CollectorMachine:
    """Breaks the collector and brings it back, as a service manager does. `second` is the length of a round."""

    def __init__(self, cdrelay: Cdrelay, disk: Disk, deliveries: FaultyDeliveries, second: float) -> None:
        self.cdrelay = cdrelay
        self.struck: Counter[str] = Counter()
        self.starts = 0
        self.failed_starts = 0
        self.ended_by_itself = 0
        """Ends that nobody brought about."""
        self._disk = disk
        self._deliveries = deliveries
        self._second = second
        self._changing = asyncio.Lock()
        self._kept_down = 0
        self._down = True
        """Whether it is not there because it was not started yet or was killed."""
        self._database = asyncio.Lock()
        self._filling = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Of the process; None when it does not run."""
        process = self.cdrelay.process
        return process.pid if process is not None and process.poll() is None else None

    async def ensure_up(self) -> None:
        """Start it again when it has ended, or was never started; not while a fault keeps it down."""
        if self.pid is None and not self._kept_down:
            self.ended_by_itself += not self._down
            await self._start()

    async def restart(self) -> None:
        """Kill it and start it again."""
        async with self._staying_down():
            self._kill()
        await self._start()

    async def strike(self, fault: MachineFault) -> None:
        """Let one fault happen, from beginning to end; return when all is as it was."""
        await asyncio.sleep(fault.at * self._second)
        lasts = fault.lasts * self._second
        if fault.kind in KILLS:
            await self._be_killed(fault, lasts)
        elif fault.kind.startswith("disk"):
            async with self._filling:
                await self._fill(fault, lasts)
        else:
            async with self._database:
                await (self._lock(lasts) if fault.kind == "database locked" else self._take_away(lasts))

    async def _be_killed(self, fault: MachineFault, lasts: float) -> None:
        if fault.kind == "killed in a delivery":
            self._deliveries.forwarding.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._deliveries.forwarding.wait(), 3 * self._second)
            await asyncio.sleep(0.4 * fault.detail)
        async with self._staying_down():
            async with self._changing:
                if self.pid is not None:
                    self.struck[fault.kind] += 1
                    self._kill()
            await asyncio.sleep(lasts)
        await self._start()

    @asynccontextmanager
    async def _staying_down(self) -> AsyncIterator[None]:
        self._kept_down += 1
        try:
            yield
        finally:
            self._kept_down -= 1

    def _kill(self) -> None:
        self._down = True
        if self.pid is not None:
            self.cdrelay.kill()

    async def _start(self) -> None:
        """Until it runs. Between two attempts a database that was taken away can be put back."""
        while not self._kept_down:
            async with self._changing:
                if self.pid is not None:
                    return
                self.starts += 1
                try:
                    await asyncio.to_thread(self.cdrelay.start, *_STARTS)
                except AssertionError:
                    # A full disk or a lost database keeps it from starting; who manages the service tries again.
                    self.failed_starts += 1
                    self._kill()
                else:
                    self._down = False
            await asyncio.sleep(0.3)

    async def _fill(self, fault: MachineFault, lasts: float) -> None:
        self.struck[fault.kind] += 1
        await asyncio.to_thread(self._disk.fill, self.pid, wholly=fault.kind == "disk full")
        try:
            await asyncio.sleep(lasts)
        finally:
            self._disk.free(self.pid)

    async def _lock(self, lasts: float) -> None:
        """Another process holds the lock of the control database."""
        address = f"file:{self.cdrelay.home / 'control.db'}?mode=rw"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=10, check_same_thread=False)
        try:
            await asyncio.to_thread(connection.execute, "BEGIN EXCLUSIVE")
            self.struck["database locked"] += 1
            await asyncio.sleep(lasts)
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            pass  # so busy that the lock could not be had
        finally:
            connection.close()

    async def _take_away(self, lasts: float) -> None:
        home, away = self.cdrelay.home, self.cdrelay.home / "away"
        away.mkdir(exist_ok=True)
        async with self._standing_still():
            if not (home / "control.db").exists():
                return
            _move(home, away)
        self.struck["database taken away"] += 1
        try:
            await asyncio.sleep(lasts)
        finally:
            async with self._standing_still():
                for name in _DATABASE:
                    (home / name).unlink(missing_ok=True)
                _move(away, home)

    @asynccontextmanager
    async def _standing_still(self) -> AsyncIterator[None]:
        """Three files cannot be moved as one: meanwhile nobody may open them."""
        async with self._changing:
            pid = self.pid
            if pid is not None:
                os.kill(pid, signal.SIGSTOP)
            try:
                yield
            finally:
                if pid is not None:
                    os.kill(pid, signal.SIGCONT)


def _move(from_folder: Path, to_folder: Path) -> None:
    for name in _DATABASE:
        with suppress(FileNotFoundError):
            (from_folder / name).rename(to_folder / name)
