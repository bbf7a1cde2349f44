"""Pulling one organization's records from a provider's `cdr_stream` or `cdr_feed` (FACTS section 3), as both halves do.

The cursor is the time up to which everything was read. It moves when all pages of a window are kept, and each window
reaches back over the cursor, so that records which came to the provider late are not passed over.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from cdrelay.clock import Clock
from cdrelay.contract.answers import ProviderRejected
from cdrelay.contract.history import HistoryRules, HistoryWindow
from cdrelay.contract.windows import Period
from cdrelay.provider_exchange import PAGES, ProviderExchange, with_query

T = TypeVar("T")

HistoryApi = Literal["cdr_stream", "cdr_feed"]


@dataclass(frozen=True, slots=True)
class PullRules:
    """How one of the two APIs is pulled."""

    api: HistoryApi
    window: HistoryWindow
    """What a request may ask."""
    overlap: timedelta
    """How far a window reaches back over what was read already."""
    margin: timedelta
    """Kept from both ends of what may be asked: the provider's clock may differ, and time passes on the way."""
    pace: timedelta
    """Between two windows: a token has so many first requests a minute."""
    pages_at_once: int
    """Further pages that a token may ask for within `pace`; 0 is no limit."""

    def oldest(self, now: datetime) -> datetime:
        """What can be asked for starts here."""
        return now - self.window.reach + self.margin

    def newest(self, now: datetime) -> datetime:
        """What can be asked for ends here."""
        return now - self.window.settle - self.margin

    def next_window(self, cursor: datetime | None, now: datetime) -> Period | None:
        """The window to ask for after `cursor` (None: nothing was read); None when there is nothing new yet."""
        oldest = self.oldest(now)
        start = oldest if cursor is None else max(cursor - self.overlap, oldest)
        end = min(start + self.window.span, self.newest(now))
        return Period(start, end) if end > start and (cursor is None or end > cursor) else None

    def gap(self, cursor: datetime | None, now: datetime) -> Period | None:
        """What lies beyond the provider's reach and was not read before: it cannot be had from this API."""
        oldest = self.oldest(now)
        return Period(cursor, oldest) if cursor is not None and cursor < oldest else None


def pull_rules(api: str, rules: HistoryRules) -> PullRules:
    """Those for `cdr_stream` or `cdr_feed`, from the limits of the APIs.

    `cdr_stream` selects by the time a record was stored, so that late ones come by themselves; `cdr_feed` selects by
    the end of the call, and a late record comes only as long as a window still reaches back to it.
    """
    minute = rules.rate_period
    if api == "cdr_stream":
        return PullRules("cdr_stream", rules.stream, 5 * minute, minute / 2, minute * 1.05, rules.page_requests)
    return PullRules("cdr_feed", rules.feed, 180 * minute, minute / 2, minute * 1.05, rules.page_requests)


def read_cursor(text: str) -> datetime | None:
    """The time that a cursor says; None for the empty one."""
    return datetime.fromisoformat(text) if text else None


async def pages(
    exchange: ProviderExchange,
    rules: PullRules,
    period: Period,
    org_uuid: str | None,
    read: Callable[[bytes], T],
    clock: Clock,
) -> AsyncIterator[tuple[bytes, T]]:
    """The bodies of all pages of a window, one by one, and what `read` makes of each; none when nothing was found.

    Follows `Link` as it is. After as many pages as a minute allows, it waits for the next. Pages may repeat records.
    Raises what `ProviderExchange.ask` raises.
    """
    organization = {} if org_uuid is None else {"orgId": org_uuid}
    target: str | None = with_query(f"/v1/{rules.api}", period, organization)
    asked: set[str] = set()
    while target is not None:
        if target in asked or len(asked) == PAGES:
            raise ProviderRejected("the pages of the provider go in circles")
        if rules.pages_at_once and len(asked) > 1 and (len(asked) - 1) % rules.pages_at_once == 0:
            await clock.sleep(rules.pace.total_seconds())
        asked.add(target)
        answered = await exchange.ask(target, read)
        if answered is None:
            return
        answer, found = answered
        yield answer.body, found
        target = exchange.next_page(answer, target)
