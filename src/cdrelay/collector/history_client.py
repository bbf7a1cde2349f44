"""`cdr_feed` of one customer: records up to 30 days back, one first request a minute (FACTS 3.1, section 8)."""

from collections.abc import AsyncIterator
from datetime import timedelta

from cdrelay.clock import Clock
from cdrelay.collector.record_ids import ids_of
from cdrelay.contract.history import HistoryRules
from cdrelay.contract.windows import EPOCH, Period
from cdrelay.provider_exchange import ClientLimits, ProviderClient, ProviderExchange, TokenFor
from cdrelay.provider_history import pages, pull_rules


class Pace:
    """Keeps first requests apart, of all who share it: a token and an organization have so many a minute."""

    def __init__(self, clock: Clock, rules: HistoryRules) -> None:
        self.rules = pull_rules("cdr_feed", rules)
        self._clock = clock
        self._apart = rules.rate_period * 1.05 / rules.first_requests if rules.first_requests else timedelta(0)
        self._asked_at = self._next = EPOCH

    async def turn(self) -> None:
        """Return when the next first request may be made; who asks first goes first."""
        now = self._clock.now()
        if now < self._asked_at:  # the clock was set back: as if one had just been made
            self._next = now + self._apart
        self._asked_at = now
        at = max(now, self._next)
        self._next = at + self._apart
        await self._clock.sleep((at - now).total_seconds())


class HistoryClient(ProviderClient):
    """Asks one provider's `cdr_feed`. Use it as a context. Raises what `ProviderExchange` does."""

    def __init__(
        self,
        base: str,
        token: str | TokenFor,
        clock: Clock,
        limits: ClientLimits,
        rules: HistoryRules,
        pace: Pace,
    ) -> None:
        super().__init__(ProviderExchange(base, token, clock, limits))
        self._rules = pull_rules("cdr_feed", rules)
        self._clock = clock
        self._pace = pace

    async def records(self, organization: str, period: Period) -> AsyncIterator[bytes]:
        """The bodies, as they came, that hold records of a period; none when there is nothing. Pages may repeat some.

        Waits for its turn first.
        """
        await self._pace.turn()
        async for body, ids in pages(self._exchange, self._rules, period, organization, ids_of, self._clock):
            if ids:
                yield body
