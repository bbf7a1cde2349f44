"""Pulls the records of one organization from another provider, by its `cdr_stream` or `cdr_feed`."""

import asyncio
import hashlib
from collections.abc import Callable
from itertools import starmap

import msgspec

from cdrelay.clock import Clock
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.lake.payload import BodyUnreadable, split
from cdrelay.lake.prepare import Refused
from cdrelay.provider_exchange import ClientLimits, ProviderExchange
from cdrelay.provider_history import PullRules, pages, read_cursor
from cdrelay.publisher.sources.source_settings import RecordSource
from cdrelay.publisher.sources.taking import Entry, Kept, Taker


class Puller:
    """Pulls one source. `keep_cursor` and `keep_refused` block, and make durable what they are given."""

    def __init__(
        self,
        source: RecordSource,
        taker: Taker,
        clock: Clock,
        *,
        limits: ClientLimits,
        rules: PullRules,
        keep_cursor: Callable[[str], None],
        keep_refused: Callable[[str, list[Refused]], None],
    ) -> None:
        self._source = source
        self._taker = taker
        self._clock = clock
        self._limits = limits
        self._rules = rules
        self._keep_cursor = keep_cursor
        self._keep_refused = keep_refused

    def gap(self, cursor_text: str) -> Period | None:
        """What lies beyond the provider's reach and was not read before: its records cannot be had in this way."""
        return self._rules.gap(read_cursor(cursor_text), self._clock.now())

    async def pull(self, cursor_text: str) -> Kept:
        """Read the next window, all its pages, and move the cursor; nothing when there is no window.

        Raises ProviderError, NoRoom; then the cursor stays, and all of the window is asked for again.
        """
        period = self._rules.next_window(read_cursor(cursor_text), self._clock.now())
        kept = Kept()
        if period is None:
            return kept
        token = self._source.token or ""
        async with ProviderExchange(self._source.location, token, self._clock, self._limits) as exchange:
            asked = pages(exchange, self._rules, period, self._source.org_uuid, _records_of, self._clock)
            async for _, raws in asked:
                kept += await asyncio.to_thread(self._take, raws)
        await asyncio.to_thread(self._keep_cursor, write_time(period.end))
        return kept

    def _take(self, raws: list[msgspec.Raw]) -> Kept:
        refused: list[Refused] = []
        kept = self._taker.take(self._source.origin, starmap(Entry, enumerate(raws)), refused.append)
        if refused:
            self._keep_refused(f"{self._source.name}-{_digest(refused)}", refused)
        return kept


def _records_of(body: bytes) -> list[msgspec.Raw]:
    try:
        return split(body, lines=False)
    except BodyUnreadable as error:
        raise ValueError(str(error)) from error


def _digest(refused: list[Refused]) -> str:
    """The same whenever the same records are refused, so that reading them again keeps them once."""
    found = hashlib.sha256()
    for one in refused:
        found.update(one.raw)
    return found.hexdigest()[:16]
