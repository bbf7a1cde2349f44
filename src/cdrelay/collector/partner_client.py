"""The two partner endpoints of a provider, as a client meets them: paging that shifts, limits, regions, odd bodies."""

import random
from collections.abc import AsyncIterator, Callable

from cdrelay.clock import Clock
from cdrelay.collector.counts import read_counts
from cdrelay.collector.record_numbers import count_records
from cdrelay.contract.answers import ProviderRejected
from cdrelay.contract.paging import PageHeaders
from cdrelay.contract.windows import Period
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable
from cdrelay.provider_exchange import PAGES, ClientLimits, ProviderClient, ProviderExchange, TokenFor, with_query

COUNTS_PATH = "/v1/partners/cdrcountbyorg"
RECORDS_PATH = "/v1/partners/cdrsbyorg"
_SWEEPS = 4
"""How often counts are asked for anew when their pages shift; then the union of what was seen has to do."""


class PartnerClient(ProviderClient):
    """Asks one provider in one name. Use it as a context: leaving closes the connections.

    Raises ProviderRefused (401, 403), ProviderRejected (this request), ProviderUnavailable (no sensible answer).
    """

    def __init__(
        self,
        base: str,
        token: str | TokenFor,
        clock: Clock,
        limits: ClientLimits,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(ProviderExchange(base, token, clock, limits, jitter))
        self._body_bytes = limits.body_bytes

    async def counts(self, period: Period) -> dict[str, int]:
        """Records by organization, over all pages. `period` is at most an hour (seed).

        Pages are cut from a list that changes under us: while an organization appears or disappears, another can slip
        from one page to the next unseen. The headers show it, then all pages are asked for again; of an organization
        seen in several sweeps the latest count holds, and one that was seen once is not forgotten.
        """
        found: dict[str, int] = {}
        for _ in range(_SWEEPS):
            seen, steady = await self._sweep(period)
            found |= seen
            if steady:
                break
        return found

    async def _sweep(self, period: Period) -> tuple[dict[str, int], bool]:
        """All pages once, and whether they fitted together."""
        seen: dict[str, int] = {}
        totals: set[int] = set()
        number = pages = 1
        listed = 0
        while number <= min(pages, PAGES):
            page = {} if number == 1 else {"page": str(number)}
            answered = await self._exchange.ask(with_query(COUNTS_PATH, period, page), read_counts)
            if answered is None:
                raise ProviderRejected("HTTP 404 for counts: is the api address that of the partner endpoints?", 404)
            answer, lines = answered
            listed += len(lines)
            seen.update(lines)
            headers = PageHeaders.read(answer.headers)
            pages = headers.pages
            totals |= set() if headers.total is None else {headers.total}
            number += 1
        return seen, listed == len(seen) and totals <= {len(seen)}

    async def records(self, organization: str, period: Period) -> AsyncIterator[bytes]:
        """The bodies, as they came, that hold records of `organization` in `period`; none when there is nothing.

        Follows `Link` headers and, where there are none, the count headers of pages (FACTS 2.2). Pages may repeat
        records.
        """
        first = target = with_query(RECORDS_PATH, period, {"orgId": organization})
        asked: set[str] = set()
        linked = False
        while target not in asked and len(asked) < PAGES:
            asked.add(target)
            answered = await self._exchange.ask(target, self._count)
            if answered is None:
                return
            answer, records = answered
            if records:
                yield answer.body
            link = self._exchange.next_page(answer, target)
            linked = linked or link is not None
            if link is None and (linked or PageHeaders.read(answer.headers).pages <= len(asked)):
                return
            target = link or f"{first}&page={len(asked) + 1}"

    def _count(self, body: bytes) -> int:
        try:
            return count_records(body, "", self._body_bytes)
        except (BodyUnreadable, BodyTooLarge) as error:
            raise ValueError(str(error)) from error
