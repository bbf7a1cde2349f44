"""A provider's two partner endpoints over real HTTP, playing from a list of records, with trouble on request."""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID, uuid3

from aiohttp import web

from cdrelay.clock import Clock
from cdrelay.contract.error_bodies import error_body
from cdrelay.contract.paging import cut_page
from cdrelay.contract.query import ParameterError, read_count_period, read_page, read_period
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period

TOKEN = "partner-token"


def organization(number: int) -> str:
    """The UUID of the organization of that number."""
    return str(UUID(int=number, version=4))


@dataclass(frozen=True, slots=True)
class Call:
    """One record, as far as counting and storing need it."""

    org_uuid: str
    ended: datetime
    number: int = 0

    def wire(self) -> dict[str, str]:
        """As it is on the wire."""
        report_id = str(uuid3(UUID(int=0), f"{self.org_uuid} {self.ended} {self.number}"))
        return {
            "Report ID": report_id,
            "Report time": write_time(self.ended),
            "Release time": write_time(self.ended),
            "Org UUID": self.org_uuid,
        }


def calls(org_uuid: str, start: datetime, number: int, step: timedelta = timedelta(seconds=1)) -> list[Call]:
    """`number` records of one organization, one each `step` from `start`."""
    return [Call(org_uuid, start + step * index, index) for index in range(number)]


def body_of(records: Iterable[Call]) -> bytes:
    """The body of a delivery or an answer."""
    return json.dumps({"items": [call.wire() for call in records]}).encode()


@dataclass(frozen=True, slots=True)
class Trouble:
    """An answer given in place of the right one. `status` 0: the connection is cut."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


NOTHING = Trouble(404, json.dumps(error_body(404, "There are no CDRs for this time range and filters", "TEST_1")))
"""There are no records, as the API says it."""


@dataclass(slots=True)
class Provider:
    """Use it as a context; `base` is its address then."""

    clock: Clock
    rules: Rules = field(default_factory=Rules)
    records: list[Call] = field(default_factory=list)
    token: str = TOKEN
    zero_counts_listed: frozenset[str] = frozenset()
    troubles: deque[Trouble] = field(default_factory=deque)
    """Given one by one to the next requests, whatever they ask."""
    record_troubles: dict[str, Trouble] = field(default_factory=dict)
    """Given whenever records of that organization are asked for."""
    record_pages: dict[str, bytes] = field(default_factory=dict)
    """Bodies given in place of the right ones whenever records of that organization are asked for."""
    miscount_once: dict[str, int] = field(default_factory=dict)
    """Added to the counts of organizations, in the next answer only."""
    before_page: Callable[[int], None] = lambda page: None
    """Called before a page of counts is made."""
    records_per_page: int = 5_000
    history: list[Call] | None = None
    """What `cdr_feed` gives; None: there is none."""
    history_reach: timedelta = timedelta(days=30)
    history_troubles: deque[Trouble] = field(default_factory=deque)
    """As `troubles`, for `cdr_feed` alone."""
    history_requests: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tokens_seen: list[str] = field(default_factory=list)
    base: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v1/partners/cdrcountbyorg", self._counts)
        app.router.add_get("/v1/partners/cdrsbyorg", self._records)
        if self.history is not None:
            app.router.add_get("/v1/cdr_feed", self._history)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _counts(self, request: web.Request) -> web.StreamResponse:
        page = read_page(request.query.get("page"))
        self.before_page(page)
        if (trouble := self._trouble(request)) is not None:
            return trouble
        try:
            period = read_count_period(
                request.query.get("startTime"), request.query.get("endTime"), self.clock.now(), self.rules
            )
        except ParameterError as error:
            return _problem(400, str(error))
        counted = Counter(call.org_uuid for call in self.records if call.ended in period)
        counted.update(dict.fromkeys(self.zero_counts_listed, 0))
        counted.update(self.miscount_once)
        self.miscount_once = {}
        found = cut_page(sorted(counted.items()), page, self.rules.organizations_per_page)
        lines = [{"orgId": org, "count": count} for org, count in found.items]
        return web.json_response({"cdr_counts": lines}, headers=found.headers())

    async def _records(self, request: web.Request) -> web.StreamResponse:
        org_uuid = request.query.get("orgId", "")
        if (trouble := self._trouble(request)) is not None:
            return trouble
        if org_uuid in self.record_troubles:
            return await _troubled(request, self.record_troubles[org_uuid])
        if org_uuid in self.record_pages:
            return web.Response(body=self.record_pages[org_uuid], content_type="application/json")
        try:
            period = read_period(
                request.query.get("startTime"), request.query.get("endTime"), self.clock.now(), self.rules
            )
        except ParameterError as error:
            return _problem(400, str(error))
        return self._page_of_records(request, org_uuid, period, self.records)

    async def _history(self, request: web.Request) -> web.StreamResponse:
        self.history_requests.append(request.path_qs)
        if self.history_troubles:
            return _response(self.history_troubles.popleft())
        limits = replace(self.rules, reach=self.history_reach, count_span=12 * self.rules.count_span)
        try:
            period = read_count_period(
                request.query.get("startTime"), request.query.get("endTime"), self.clock.now(), limits
            )
        except ParameterError as error:
            return _problem(400, str(error))
        return self._page_of_records(request, request.query.get("orgId", ""), period, self.history or [])

    def _page_of_records(
        self, request: web.Request, org_uuid: str, period: Period, records: list[Call]
    ) -> web.StreamResponse:
        found = [call for call in records if call.org_uuid == org_uuid and call.ended in period]
        if not found:
            return _problem(404, "There are no CDRs for this time range and filters")
        offset = int(request.query.get("offset", "0"))
        # The page begins with the last record of the page before, as a cursor made of a time does.
        shown = found[max(0, offset - 1) : offset + self.records_per_page]
        headers = {}
        if offset + self.records_per_page < len(found):
            following = request.url.update_query(offset=str(offset + self.records_per_page))
            headers["Link"] = f'<{following}>; rel="next"'
        return web.Response(body=body_of(shown), content_type="application/json", headers=headers)

    def _trouble(self, request: web.Request) -> web.StreamResponse | None:
        self.requests.append(request.path_qs)
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.tokens_seen.append(given)
        if self.troubles:
            trouble = self.troubles.popleft()
            return _response(trouble)
        if given != self.token:
            return _problem(401, "The request requires a valid access token set in the Authorization request header.")
        return None


async def _troubled(request: web.Request, trouble: Trouble) -> web.StreamResponse:
    if trouble.status == 0 and request.transport is not None:
        request.transport.close()
    return _response(trouble)


def _response(trouble: Trouble) -> web.StreamResponse:
    kind = "application/json" if trouble.body.startswith("{") else "text/html"
    return web.Response(status=trouble.status or 500, text=trouble.body, content_type=kind, headers=trouble.headers)


def _problem(status: int, message: str) -> web.StreamResponse:
    return web.json_response(error_body(status, message, "TEST_1"), status=status)
