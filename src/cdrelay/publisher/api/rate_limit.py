"""How often a token may ask: so many requests in any stretch of a given length (FACTS 3.1, row Rate)."""

import math
from collections import deque
from datetime import datetime, timedelta
from threading import Lock

from cdrelay.clock import Clock

SWEEP_AT = 1_000
"""When so many keys are remembered, those whose requests have left the period are forgotten; and then again when there
are twice as many as were left: a look at each at every request would cost more the more there are."""


class RateLimit:
    """Counts requests by key in the memory of this process. Safe to use from any thread."""

    def __init__(self, clock: Clock, requests: int, period: timedelta) -> None:
        """At most `requests` by one key in any `period`; 0 is no limit."""
        self._clock = clock
        self._requests = requests
        self._period = period
        self._lock = Lock()
        self._asked: dict[str, deque[datetime]] = {}
        self._sweep_at = SWEEP_AT

    @property
    def keys(self) -> int:
        """Those whose requests are remembered."""
        return len(self._asked)

    def seconds_to_wait(self, key: str) -> int:
        """0 when the request may go ahead, which counts it; else the whole seconds until one may: at least 1.

        A request that has to wait is not counted: asking too often does not make the wait longer.
        """
        if not self._requests:
            return 0
        with self._lock:
            now = self._clock.now()
            if len(self._asked) >= self._sweep_at:
                self._sweep(now)
                self._sweep_at = max(SWEEP_AT, 2 * len(self._asked))
            asked = self._asked.setdefault(key, deque())
            self._forget(asked, now)
            if len(asked) < self._requests:
                asked.append(now)
                return 0
            return max(1, math.ceil((asked[0] + self._period - now).total_seconds()))

    def _forget(self, asked: deque[datetime], now: datetime) -> None:
        # What lies ahead was asked before the clock was set back; it would bar the key for as long as that step.
        while asked and not now - self._period < asked[0] <= now:
            asked.popleft()

    def _sweep(self, now: datetime) -> None:
        for key, asked in list(self._asked.items()):
            self._forget(asked, now)
            if not asked:
                del self._asked[key]
