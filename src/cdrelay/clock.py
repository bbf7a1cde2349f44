"""Time as something that is passed in. No other file asks the machine what time it is."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What loops and handlers need of time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds; at once when they are not positive."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of real time."""
        await asyncio.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that stands still until it is moved: for tests and for replaying the past."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs a time with a zone")
        self._now = start.astimezone(UTC)
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        """The moment it was last set to."""
        return self._now

    def advance(self, step: timedelta) -> None:
        """Move forward and wake who sleeps past the new moment. Raises ValueError when the step is negative."""
        if step < timedelta(0):
            raise ValueError("a clock does not go back")
        self._now += step
        self._moved.set()
        self._moved = asyncio.Event()

    def set_back(self, step: timedelta) -> None:
        """Move back, as an operator or NTP does; nobody wakes. Raises ValueError when the step is negative."""
        if step < timedelta(0):
            raise ValueError("setting back is a positive step")
        self._now -= step

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has been moved that far."""
        until = self._now + timedelta(seconds=max(0.0, seconds))
        await asyncio.sleep(0)
        while self._now < until:
            await self._moved.wait()
