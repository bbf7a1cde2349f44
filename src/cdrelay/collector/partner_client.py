"""The two partner endpoints of a provider, as a client meets them: paging that shifts, limits, regions, odd bodies."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlencode

import aiohttp
import structlog

from cdrelay.clock import Clock
from cdrelay.collector.addresses import next_page
from cdrelay.collector.answers import Again, Answer, Elsewhere, GiveUp, Patience, Take, decide, read_counts
from cdrelay.collector.errors import ProviderRejected, SourceRefused
from cdrelay.collector.receiving import count_records
from cdrelay.contract.paging import PageHeaders
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable

COUNTS_PATH = "/v1/partners/cdrcountbyorg"
RECORDS_PATH = "/v1/partners/cdrsbyorg"
_SWEEPS = 4
"""How often counts are asked for anew when their pages shift; then the union of what was seen has to do."""
_PAGES = 10_000
"""No period has more pages; a listing that claims so goes in circles."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """How the client behaves towards a provider."""

    answer_seconds: float
    body_bytes: int
    patience: Patience


class PartnerClient:
    """Asks one provider with one token. Use it as a context: leaving closes the connections.

    Raises ProviderRefused (401, 403), ProviderRejected (this request), ProviderUnavailable (no sensible answer).
    The token goes to `base`, to hosts of the provider's domain that a 451 or a next page names, and nowhere else.
    """

    def __init__(
        self,
        base: str,
        token: str,
        clock: Clock,
        limits: ClientLimits,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.requests = 0
        self._base = base
        self._token = token
        self._clock = clock
        self._limits = limits
        self._jitter = jitter
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=self._limits.answer_seconds),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

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
        while number <= min(pages, _PAGES):
            page = {} if number == 1 else {"page": str(number)}
            answered = await self._ask(_with_query(COUNTS_PATH, period, page), read_counts)
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
        first = target = _with_query(RECORDS_PATH, period, {"orgId": organization})
        asked: set[str] = set()
        linked = False
        while target not in asked and len(asked) < _PAGES:
            asked.add(target)
            answered = await self._ask(target, self._count)
            if answered is None:
                return
            answer, records = answered
            if records:
                yield answer.body
            link = self._next_page(answer, target)
            linked = linked or link is not None
            if link is None and (linked or PageHeaders.read(answer.headers).pages <= len(asked)):
                return
            target = link or f"{first}&page={len(asked) + 1}"

    def _next_page(self, answer: Answer, target: str) -> str | None:
        try:
            return next_page(answer.headers.get("Link"), self._address(target))
        except SourceRefused as error:
            raise ProviderRejected(str(error)) from error

    def _count(self, body: bytes) -> int:
        try:
            return count_records(body, "", self._limits.body_bytes)
        except (BodyUnreadable, BodyTooLarge) as error:
            raise ValueError(str(error)) from error

    def _address(self, target: str) -> str:
        return target if target.startswith("http") else self._base + target

    async def _ask(self, target: str, read: Callable[[bytes], T]) -> tuple[Answer, T] | None:
        """The answer to `target`, a path with its query or an address, and what `read` makes of it; None for 404.

        Waits and asks again as decided.
        """
        attempt = 0
        while True:
            attempt += 1
            answer, content = await self._exchange(self._address(target), read)
            match decide(answer, attempt, self._base, self._clock.now(), self._limits.patience):
                case Take() if content is not None:
                    return answer, content
                case GiveUp(error):
                    raise error
                case Elsewhere(base):
                    _log.info("provider.moved", to=base)
                    self._base = base
                case Again(seconds):
                    _log.info("provider.asked_again", status=answer.status, attempt=attempt, seconds=seconds)
                    # Up to a tenth more, so that clients that were stopped together do not come back together.
                    await self._clock.sleep(seconds * (1 + self._jitter() / 10))
                case _:
                    return None

    async def _exchange(self, address: str, read: Callable[[bytes], T]) -> tuple[Answer, T | None]:
        """One request. What goes wrong on the way is part of the answer; nothing is raised."""
        if self._session is None:
            raise RuntimeError("a PartnerClient is used as a context")
        self.requests += 1
        try:
            # A redirect could lead the token anywhere.
            async with self._session.get(address, allow_redirects=False) as response:
                answer = Answer(response.status, response.headers, await self._body(response.content))
        except (aiohttp.ClientError, TimeoutError, OSError, BodyTooLarge) as error:
            # The text of such an error can hold the whole address, so its kind has to do.
            return Answer(None, {}, problem=f"no answer ({type(error).__name__})"), None
        if answer.status != 200:
            return answer, None
        try:
            return answer, await asyncio.to_thread(read, answer.body)
        except ValueError as error:
            return replace(answer, problem=f"HTTP 200, {error}"), None

    async def _body(self, content: aiohttp.StreamReader) -> bytes:
        pieces, size = [], 0
        async for piece in content.iter_any():
            size += len(piece)
            if size > self._limits.body_bytes:
                raise BodyTooLarge(f"the answer is larger than {self._limits.body_bytes} bytes")
            pieces.append(piece)
        return b"".join(pieces)


def _with_query(path: str, period: Period, more: Mapping[str, str]) -> str:
    query = {"startTime": write_time(period.start), "endTime": write_time(period.end), **more}
    return f"{path}?{urlencode(query, safe=':')}"
