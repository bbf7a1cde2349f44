"""Which POSTs are let in before any of their body is read, and how fast a body must come."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from cdrelay.clock import Clock
from cdrelay.collector.errors import CollectorError
from cdrelay.contract.rules import NO_LIMIT, RequestRate


class TooManyRequests(CollectorError):
    """A source sends more often than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__("more deliveries than are taken in this time; send it again after Retry-After")
        self.seconds = seconds
        """Until one is taken again."""


class TooManyAtOnce(CollectorError):
    """As many bodies are under way as are taken at once."""


class SenderTooSlow(CollectorError):
    """A body stood still, or came more slowly than it must."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a body must come, in real time."""

    idle_seconds: float = 30.0
    """The longest that nothing comes; and how long the average has at the start."""
    slowest: int = 0
    """Bytes a second on the average; 0: as slow as it likes."""

    def patience(self, elapsed: float, size: int) -> float:
        """Seconds to wait for the next piece of a body of which `size` bytes have come in `elapsed` seconds."""
        if not self.slowest:
            return self.idle_seconds
        return min(self.idle_seconds, self.idle_seconds + size / self.slowest - elapsed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivingLimits:
    """What a POST may cost."""

    body_bytes: int
    """As sent."""
    unpacked_bytes: int
    bodies_at_once: int = 64
    """Over all sources."""
    rate: RequestRate = NO_LIMIT
    """Of each source."""
    pace: Pace = field(default_factory=Pace)


class Admission:
    """Counts the bodies under way and the POSTs of each source. For the event loop; what it knows is this process's."""

    def __init__(self, clock: Clock, limits: ReceivingLimits) -> None:
        self._clock = clock
        self._limits = limits
        self._under_way = 0
        self._taken: dict[str, deque[datetime]] = defaultdict(deque)

    @contextmanager
    def admitted(self, source: str) -> Iterator[None]:
        """Around the reading of one body of a source that is known. Raises TooManyAtOnce, TooManyRequests."""
        if self._under_way >= self._limits.bodies_at_once:
            raise TooManyAtOnce(f"{self._under_way} bodies are under way")
        self._count(source)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _count(self, source: str) -> None:
        rate = self._limits.rate
        if not rate.requests:
            return
        now, taken = self._clock.now(), self._taken[source]
        # A clock that was set back must not shut a source out until it has caught up.
        while taken and not now - rate.period < taken[0] <= now:
            taken.popleft()
        if len(taken) >= rate.requests:
            raise TooManyRequests((taken[0] + rate.period - now).total_seconds())
        taken.append(now)


class SenderPatience:
    """Waits for one sender at its pace: around the reading of a body, TimeoutError when it is too slow.

    Only the time between `begin` and `end` counts, so that no sender is blamed for a slow disk.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._time = asyncio.get_running_loop().time
        self._limit = asyncio.timeout(None)
        self._since = self._waited = 0.0

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self.begin(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._limit.__aexit__(kind, error, trace)

    def begin(self, size: int) -> None:
        """Wait for the next piece; `size` bytes have come."""
        self._since = self._time()
        self._limit.reschedule(self._since + self._pace.patience(self._waited, size))

    def end(self) -> None:
        """It came."""
        self._limit.reschedule(None)
        self._waited += self._time() - self._since
