"""The partner's side of the two endpoints: asking, and reading answers as strictly as the contract allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from cdrelay.clock import Clock
from cdrelay.conformance.checks import CheckFailed, NothingToCheck
from cdrelay.conformance.exchange import Answer, exchange
from cdrelay.contract.error_bodies import error_message
from cdrelay.contract.history import HistoryRules
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.errors import UNREADABLE
from cdrelay.records.values import is_uuid

COUNTS, RECORDS = "cdrcountbyorg", "cdrsbyorg"
_FOLDER = "v1/partners"
_ATTEMPTS = 4
PAGES_AT_MOST = 1_000
"""Where following pages ends, whatever an answer claims."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of the two, with what every request to it needs beside the times."""

    name: str
    fixed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listing:
    """One answer of the counts endpoint, read."""

    counts: dict[str, int]
    pages: int
    total: int
    current: int


class PartnerSide:
    """Asks one publisher with one token, which does not show when this is printed."""

    longest_rest_seconds = 60.0
    """No Retry-After is obeyed for longer."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: URL,
        token: str,
        clock: Clock,
        *,
        rules: Rules,
        history: HistoryRules | None = None,
        organization: str | None = None,
        answer_seconds: float = 60.0,
    ) -> None:
        self._session = session
        self._base = base
        self._token = token
        self._clock = clock
        self._given = organization
        self._seconds = answer_seconds
        self._busy_hour: Period | None = None
        self.rules = rules
        self.history = history or HistoryRules()

    @property
    def margin(self) -> timedelta:
        """How far inside or outside of a limit a time is put: for a clock that differs and for the time on the way."""
        return self.rules.settle / 5

    def now(self) -> datetime:
        """The present moment in whole milliseconds, the unit of the contract."""
        now = self._clock.now()
        return now - timedelta(microseconds=now.microsecond % 1000)

    def latest(self) -> Period:
        """The latest hour (of the contract) that can surely be asked for."""
        end = self.now() - self.rules.settle - self.margin
        return Period(end - self.rules.count_span, end)

    async def ask(self, name: str, parameters: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """A GET; what is limited by 429 is asked again when it should be."""
        url = (self._base / _FOLDER / name).with_query(dict(parameters))
        return await self._get(url, self._headers if headers is None else headers)

    async def ask_history(self, name: str, parameters: Mapping[str, str]) -> Answer:
        """The same of a history API."""
        return await self._get((self._base / "v1" / name).with_query(dict(parameters)), self._headers)

    async def ask_history_once(self, name: str, parameters: Mapping[str, str]) -> Answer:
        """A GET of a history API, whatever the answer."""
        url = (self._base / "v1" / name).with_query(dict(parameters))
        return await exchange(self._session, "GET", url, seconds=self._seconds, headers=self._headers)

    @property
    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    async def _get(self, url: URL, headers: Mapping[str, str]) -> Answer:
        for attempt in range(1, _ATTEMPTS + 1):
            answer = await exchange(self._session, "GET", url, seconds=self._seconds, headers=headers)
            if answer.status != 429 or attempt == _ATTEMPTS:
                break
            rest = answer.headers.get("Retry-After", "")
            await self.rest(min(float(rest) if rest.isascii() and rest.isdigit() else 5.0, self.longest_rest_seconds))
        return answer

    async def rest(self, seconds: float) -> None:
        """Ask nothing for so long."""
        await self._clock.sleep(seconds)

    async def page(self, period: Period, number: int | None = None) -> Listing:
        """One page of counts. Raises CheckFailed when the answer is none."""
        answer = await self.ask(COUNTS, during(period) | ({} if number is None else {"page": str(number)}))
        return read_listing(answer)

    async def counts(self, period: Period) -> dict[str, int]:
        """Counts of all organizations, from all pages. Raises CheckFailed."""
        first = await self.page(period)
        found = dict(first.counts)
        for number in range(2, min(first.pages, PAGES_AT_MOST) + 1):
            found |= (await self.page(period, number)).counts
        return found

    async def records(self, organization: str, period: Period, parameter: str = "orgId") -> list[dict[str, Any]]:
        """Records of an organization, from all pages that Link headers lead to (FACTS 3.2). Raises CheckFailed."""
        return await self.follow(await self.ask(RECORDS, {parameter: organization} | during(period)))

    async def follow(self, answer: Answer) -> list[dict[str, Any]]:
        """Records of an answer and of all pages after it. Raises CheckFailed."""
        found = read_items(answer)
        for _ in range(PAGES_AT_MOST):
            following = _next_link(answer)
            if following is None:
                break
            # Never with the token to another host, whatever the header says.
            url = self._base.join(URL(following))
            if url.origin() != self._base.origin():
                raise CheckFailed(f"the next page lies elsewhere, at {url.host}")
            answer = await self._get(url, self._headers)
            found += read_items(answer)
        return found

    async def endpoints(self) -> tuple[Endpoint, ...]:
        """Both endpoints. Raises NothingToCheck without an organization to ask about."""
        return Endpoint(COUNTS, {}), Endpoint(RECORDS, {"orgId": await self.organization()})

    async def organization(self) -> str:
        """The organization to ask about: the one given, else one that is listed. Raises NothingToCheck."""
        if self._given is not None:
            return self._given
        listed = (await self.page(self.latest())).counts
        if not listed:
            raise NothingToCheck("no organization is listed; name one with --org")
        return next(iter(listed))

    async def busiest(self) -> tuple[Period, list[str]]:
        """The latest hour with records and its organizations, most records first. Raises NothingToCheck."""
        if self._busy_hour is not None:
            return self._busy_hour, self._by_count(await self.counts(self._busy_hour))
        hour = self.latest()
        earliest = self.now() - self.rules.reach + self.margin
        while hour.start >= earliest:
            organizations = self._by_count(await self.counts(hour))
            if organizations:
                self._busy_hour = hour
                return hour, organizations
            hour = Period(hour.start - self.rules.count_span, hour.start)
        raise NothingToCheck("there are no records within the reach to look at")

    def _by_count(self, counts: Mapping[str, int]) -> list[str]:
        busy = [one for one, count in counts.items() if count and self._given in (None, one)]
        return sorted(busy, key=lambda one: -counts[one])


def during(period: Period) -> dict[str, str]:
    """The two parameters of a period."""
    return {"startTime": write_time(period.start), "endTime": write_time(period.end)}


def read_json(answer: Answer) -> Any:
    """The JSON of an answer that must be 200. Raises CheckFailed."""
    if answer.status != 200:
        raise CheckFailed(str(answer))
    kind = answer.headers.get("Content-Type", "")
    if not kind.lower().startswith("application/json"):
        raise CheckFailed(f"the answer says it is {kind[:50] or 'nothing'}, not application/json")
    try:
        return msgspec.json.decode(answer.body)
    except UNREADABLE as error:
        raise CheckFailed(f"the answer is no JSON: {error}") from error


def read_listing(answer: Answer) -> Listing:
    """A page of counts (seed). Raises CheckFailed where its shape or its headers differ."""
    body = read_json(answer)
    lines = body.get("cdr_counts") if isinstance(body, dict) else None
    if not isinstance(lines, list):
        raise CheckFailed('the body is no object with a list "cdr_counts"')
    counts = dict(map(_count, lines))
    if len(counts) != len(lines):
        raise CheckFailed("an organization is listed twice on one page")
    pages, total, current = (_number(answer, name) for name in ("num-pages", "total-orgs", "current-page"))
    return Listing(counts, pages, total, current)


def _count(line: Any) -> tuple[str, int]:
    match line:
        case {"orgId": str(org), "count": int(count)} if not isinstance(count, bool) and count >= 0:
            if not is_uuid(org.lower()):
                raise CheckFailed(f"orgId is no plain UUID: {org[:50]!r}")
            return org.lower(), count
    raise CheckFailed('an entry of "cdr_counts" has no "orgId" that is text with a "count" that is a whole number')


def _number(answer: Answer, header: str) -> int:
    text = answer.headers.get(header, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise CheckFailed(f"the header {header} is {f'no number: {text[:20]!r}' if text else 'missing'}")
    return int(text)


def read_items(answer: Answer) -> list[dict[str, Any]]:
    """The records of an answer; a 404 that says there are none is an empty list (FACTS 3.3). Raises CheckFailed."""
    if answer.status == 404 and "no cdrs" in error_message(answer.body).lower():
        return []
    body = read_json(answer)
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise CheckFailed('the body is no object with a list "items" of objects')
    return items


def _next_link(answer: Answer) -> str | None:
    for part in answer.headers.get("Link", "").split(","):
        target, _, rest = part.partition(";")
        if 'rel="next"' in rest.replace(" ", ""):
            return target.strip().removeprefix("<").removesuffix(">")
    return None


def distinct(items: Sequence[Mapping[str, Any]]) -> set[str]:
    """The Report IDs of records."""
    return {str(one.get("Report ID")) for one in items}
