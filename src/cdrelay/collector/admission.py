"""Which POSTs are let in before any of their body is read, and how fast a body must come."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from cdrelay.clock import Clock
from cdrelay.collector.errors import CollectorError
from cdrelay.contract.rules import NO_LIMIT, RequestRate

_MOST_SENDERS = 10_000
"""Networks that are remembered; those that were not heard from for longest are forgotten."""


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
    """Over all sources; half of it, of those that none with a right signature came from before."""
    rate: RequestRate = NO_LIMIT
    """Of each source; and as many with a wrong signature of each network."""
    pace: Pace = field(default_factory=Pace)


class Admission:
    """Counts the bodies under way and the POSTs of each source. For the event loop; what it knows is this process's.

    Whose a POST is shows at the end of its body, by the signature. Until then it takes away nothing from its source, so
    that a stranger cannot use up what the provider may send; and what strangers may is limited by itself.
    """

    def __init__(self, clock: Clock, limits: ReceivingLimits) -> None:
        self._at_once = limits.bodies_at_once
        self._genuine = _Rates(clock, limits.rate)
        self._refused = _Rates(clock, limits.rate)
        self._known: dict[str, None] = {}
        """Networks that a rightly signed body came from, the latest last."""
        self._under_way = 0
        self._of_strangers = 0

    @contextmanager
    def admitted(self, source: str, sender: str, *, signed: bool) -> Iterator[None]:
        """Around the reading of one body of a known source. Raises TooManyAtOnce, TooManyRequests.

        `sender` is the network that it comes from. Of a `signed` one it is said inside whether it is `genuine` or to
        be `refused`; one that need not be signed is genuine, and is counted here.
        """
        stranger = signed and sender not in self._known
        if stranger:
            self._refused.require(f"{source} {sender}")
        if self._under_way >= self._at_once or (stranger and self._of_strangers >= (self._at_once + 1) // 2):
            raise TooManyAtOnce(f"{self._under_way} bodies are under way")
        if signed:
            self._genuine.require(source)
        else:
            self._genuine.count(source)
        self._under_way += 1
        self._of_strangers += stranger
        try:
            yield
        finally:
            self._under_way -= 1
            self._of_strangers -= stranger

    def genuine(self, source: str, sender: str) -> None:
        """The signature fits. Raises TooManyRequests when others that began meanwhile were as many as there may be."""
        self._known.pop(sender, None)
        self._known[sender] = None
        if len(self._known) > _MOST_SENDERS:
            del self._known[next(iter(self._known))]
        self._genuine.count(source)

    def refused(self, source: str, sender: str) -> None:
        """The signature does not fit. A network from which rightly signed ones came is never shut out for others."""
        if sender not in self._known:
            self._refused.note(f"{source} {sender}")


class _Rates:
    """POSTs of the last period, by whose they are."""

    def __init__(self, clock: Clock, rate: RequestRate) -> None:
        self._clock = clock
        self._rate = rate
        self._taken: dict[str, deque[datetime]] = {}

    def require(self, whose: str) -> None:
        """Raises TooManyRequests unless one more may come."""
        if self._rate.requests and len(taken := self._of(whose)) >= self._rate.requests:
            raise TooManyRequests((taken[0] + self._rate.period - self._clock.now()).total_seconds())

    def note(self, whose: str) -> None:
        """Count one."""
        if self._rate.requests:
            self._of(whose).append(self._clock.now())

    def count(self, whose: str) -> None:
        """Count one. Raises TooManyRequests when no more may come."""
        self.require(whose)
        self.note(whose)

    def _of(self, whose: str) -> deque[datetime]:
        taken, now = self._taken.pop(whose, deque()), self._clock.now()
        # A clock that was set back must not shut a source out until it has caught up.
        while taken and not now - self._rate.period < taken[0] <= now:
            taken.popleft()
        self._taken[whose] = taken
        if len(self._taken) > _MOST_SENDERS:
            del self._taken[next(iter(self._taken))]
        return taken


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
