"""The two Detailed Call History APIs of one organization: `cdr_feed` and `cdr_stream` (FACTS section 3).

`cdr_feed` selects by Report time. `cdr_stream` selects by the time at which the record was stored, of which the lake
keeps when the payload that brought it began to come in; a corrected record is stored anew and so comes again.
"""

from collections.abc import Callable
from typing import Protocol

from fastapi import APIRouter, Request, Response

from cdrelay.clock import Clock
from cdrelay.contract.history import HistoryQuery, HistoryRules, HistoryWindow, read_history
from cdrelay.contract.query import ParameterError
from cdrelay.contract.windows import Period
from cdrelay.lake.selection import Claims, Selection
from cdrelay.lake.store import Moment, RecordPage
from cdrelay.publisher.api.asking import (
    BEARER,
    Asker,
    asker_of,
    parameters_kept,
    read_org_id,
    read_parameters,
    require_patience,
    require_region,
)
from cdrelay.publisher.api.backlog import Backlog
from cdrelay.publisher.api.parameters import of_history
from cdrelay.publisher.api.rate_limit import RateLimit
from cdrelay.publisher.api.record_answers import LINK, Records, answer_page
from cdrelay.publisher.api.regions import NO_REGIONS, Regions
from cdrelay.publisher.api_errors import ApiError, described
from cdrelay.publisher.directory.entitlement import Entitlement
from cdrelay.publisher.directory.partners import Directory


class PageReader(Protocol):
    """What the APIs need of the lake."""

    def period(self, period: Period) -> Selection:
        """The records with a Report time in the period."""
        ...

    def read_page(self, org_uuid: str, query: HistoryQuery, moment: Moment, claims: Claims) -> RecordPage:
        """One page of an organization's records, by `moment`."""
        ...


_RESPONSES = described(
    s400="A parameter is missing, malformed or out of range; the message names it and the rule",
    s401="No partner access token, or one that is unknown, expired or revoked",
    s403="The token lacks the scope for records, or the organization is not one that it reaches",
    s429="Too many requests with this token; come again after Retry-After",
    s451="The organization belongs to another region; the message names the host that has its records",
    s503="What was acknowledged is not stored yet, or no database for the moment; come again after Retry-After",
)


def history_router(
    directory: Directory,
    entitlement: Entitlement,
    lake: PageReader,
    backlog: Backlog,
    clock: Clock,
    rules: HistoryRules,
    regions: Regions = NO_REGIONS,
) -> APIRouter:
    """The routes; `install_error_handlers` gives their errors their shape. Parameters nobody knows are passed over."""
    router = APIRouter(prefix="/v1", tags=["history"], dependencies=[BEARER])
    feed = _History(directory, entitlement, lake, backlog, clock, rules, rules.feed, "report_time", regions)
    stream = _History(directory, entitlement, lake, backlog, clock, rules, rules.stream, "received", regions)

    @router.get(
        "/cdr_feed",
        response_model=Records,
        summary="Records of one organization, by the time the call ended",
        responses={**_RESPONSES, 200: {"headers": LINK}},
        openapi_extra={"parameters": of_history(rules.feed, "Report time")},
    )
    def cdr_feed(request: Request) -> Response:
        """In pages, each with a link to the next."""
        return feed.answer(request)

    @router.get(
        "/cdr_stream",
        response_model=Records,
        summary="Records of one organization, by the time they were stored",
        responses={**_RESPONSES, 200: {"headers": LINK}},
        openapi_extra={"parameters": of_history(rules.stream, "time of storing")},
    )
    def cdr_stream(request: Request) -> Response:
        """In pages, each with a link to the next. Late and corrected records come by themselves."""
        # What waits belongs to a time that can be asked for after one minute, and must not be passed over.
        return stream.answer(request, backlog.load)

    return router


class _History:
    """One of the two APIs. Each counts requests by itself."""

    def __init__(
        self,
        directory: Directory,
        entitlement: Entitlement,
        lake: PageReader,
        backlog: Backlog,
        clock: Clock,
        rules: HistoryRules,
        window: HistoryWindow,
        moment: Moment,
        regions: Regions,
    ) -> None:
        self._directory = directory
        self._entitlement = entitlement
        self._lake = lake
        self._backlog = backlog
        self._clock = clock
        self._window = window
        self._moment = moment
        self._regions = regions
        self._first = RateLimit(clock, rules.first_requests, rules.rate_period)
        self._further = RateLimit(clock, rules.page_requests, rules.rate_period)

    def answer(self, request: Request, load: Callable[[], object] = lambda: None) -> Response:
        """A page, after everything that may stand against it was looked at. Raises ApiError."""
        asker = asker_of(self._directory, request)
        with parameters_kept():
            given = read_parameters(request)
            query = read_history(given, self._clock.now(), self._window)
            org_uuid = self._organization(asker, given.get("orgId"), query.period)
        require_region(self._directory, self._regions, org_uuid)
        self._backlog.require_loaded()
        require_patience(request, self._first if query.after is None else self._further)
        load()
        # These are the APIs of an organization: what the partner has chosen for its webhook does not matter here.
        selected = self._lake.period(query.period)
        claims = self._entitlement.claims([(asker.partner_id, "analytics")], selected, [org_uuid])
        page = self._lake.read_page(org_uuid, query, self._moment, claims)
        return answer_page(request, page, org_uuid, query)

    def _organization(self, asker: Asker, asked: str | None, period: Period) -> str:
        """The one that is asked about: a partner's token leaves that open unless there is just one."""
        own = asker.reached(self._entitlement.organizations_of(asker.partner_id, period))
        if asked is None:
            if len(own) != 1:
                raise ParameterError("orgId", "is required, as the partner does not have just one organization")
            return own[0]
        org_uuid = read_org_id(asked)
        if org_uuid not in own:
            raise ApiError(403, f"organization {org_uuid} is not managed by this partner")
        return org_uuid
