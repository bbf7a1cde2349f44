"""Pulls the records of one organization from another provider, by its `cdr_stream` or `cdr_feed` (FACTS section 3).

The cursor is the time up to which everything was read. It moves when all pages of a window are in the spool, and each
window reaches back over the cursor, so that records which came to the provider late are not passed over.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import starmap

import msgspec

from cdrelay.clock import Clock
from cdrelay.contract.answers import ProviderRejected
from cdrelay.contract.history import HistoryRules, HistoryWindow
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.lake.payload import BodyUnreadable, split
from cdrelay.lake.prepare import Refused
from cdrelay.provider_exchange import PAGES, ClientLimits, ProviderExchange, with_query
from cdrelay.publisher.sources.source_settings import RecordSource
from cdrelay.publisher.sources.taking import Entry, Kept, Taker


@dataclass(frozen=True, slots=True)
class PullRules:
    """How one of the two APIs is pulled."""

    window: HistoryWindow
    """What a request may ask."""
    overlap: timedelta
    """How far a window reaches back over what was read already."""
    margin: timedelta
    """Kept from both ends of what may be asked: the provider's clock may differ, and time passes on the way."""
    pace: timedelta
    """Between two windows: a token has so many first requests a minute."""


def pull_rules(kind: str, rules: HistoryRules) -> PullRules:
    """Those for `cdr_stream` or `cdr_feed`, from the limits of the APIs.

    `cdr_stream` selects by the time a record was stored, so that late ones come by themselves; `cdr_feed` selects by
    the end of the call, and a late record comes only as long as a window still reaches back to it.
    """
    minute = rules.rate_period
    if kind == "cdr_stream":
        return PullRules(rules.stream, 5 * minute, minute / 2, minute * 1.05)
    return PullRules(rules.feed, 180 * minute, minute / 2, minute * 1.05)


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
        oldest = self._oldest()
        cursor = _moment(cursor_text)
        return Period(cursor, oldest) if cursor is not None and cursor < oldest else None

    def window(self, cursor_text: str) -> Period | None:
        """The next window to ask for; None when there is nothing new to ask for yet."""
        window, oldest, now = self._rules.window, self._oldest(), self._clock.now()
        cursor = _moment(cursor_text)
        start = oldest if cursor is None else max(cursor - self._rules.overlap, oldest)
        end = min(start + window.span, now - window.settle - self._rules.margin)
        return Period(start, end) if end > start and (cursor is None or end > cursor) else None

    def _oldest(self) -> datetime:
        return self._clock.now() - self._rules.window.reach + self._rules.margin

    async def pull(self, cursor_text: str) -> Kept:
        """Read the next window, all its pages, and move the cursor; nothing when there is no window.

        Raises ProviderError, NoRoom; then the cursor stays, and all of the window is asked for again.
        """
        period = self.window(cursor_text)
        if period is None:
            return Kept()
        kept = Kept()
        token = self._source.token or ""
        async with ProviderExchange(self._source.location, token, self._clock, self._limits) as exchange:
            target: str | None = self._first_target(period)
            asked: set[str] = set()
            while target is not None:
                if target in asked or len(asked) == PAGES:
                    raise ProviderRejected("the pages of the provider go in circles")
                asked.add(target)
                answered = await exchange.ask(target, _records_of)
                if answered is None:
                    break
                answer, raws = answered
                kept += await asyncio.to_thread(self._take, raws)
                target = exchange.next_page(answer, target)
        await asyncio.to_thread(self._keep_cursor, write_time(period.end))
        return kept

    def _first_target(self, period: Period) -> str:
        organization = {} if self._source.org_uuid is None else {"orgId": self._source.org_uuid}
        return with_query(f"/v1/{self._source.kind}", period, organization)

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


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
