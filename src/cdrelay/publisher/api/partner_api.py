"""The two partner endpoints, as the seed describes them: counts by organization, and records of one organization."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from cdrelay.clock import Clock
from cdrelay.contract.error_bodies import TRACKING_HEADER
from cdrelay.contract.history import (
    DOCUMENTED_PAGES,
    NEXT_ID,
    NEXT_TIME,
    HistoryQuery,
    HistoryWindow,
    PageSizes,
    read_history,
)
from cdrelay.contract.paging import cut_page
from cdrelay.contract.query import ParameterError, read_count_period, read_page
from cdrelay.contract.rules import NO_LIMIT, RequestRate, Rules
from cdrelay.contract.windows import Period
from cdrelay.lake.selection import Claims, Selection
from cdrelay.lake.store import RecordPage
from cdrelay.publisher.api.asking import (
    BEARER,
    asker_of,
    parameters_kept,
    read_org_id,
    read_parameters,
    require_patience,
    require_region,
)
from cdrelay.publisher.api.backlog import Backlog
from cdrelay.publisher.api.parameters import of_counts, of_records
from cdrelay.publisher.api.rate_limit import RateLimit
from cdrelay.publisher.api.record_answers import LINK, Records, answer_page, answer_records
from cdrelay.publisher.api.regions import NO_REGIONS, Regions
from cdrelay.publisher.api_errors import ApiError, described, tracking_of
from cdrelay.publisher.directory.entitlement import Entitlement
from cdrelay.publisher.directory.partners import Directory


class RecordsReader(Protocol):
    """What the endpoints need of the lake."""

    def period(self, period: Period) -> Selection:
        """The records with a Report time in the period."""
        ...

    def read_organization(self, org_uuid: str, period: Period, claims: Claims) -> Iterator[bytes]:
        """Records of an organization as wire JSON, in no particular order."""
        ...

    def read_page(self, org_uuid: str, query: HistoryQuery, *, claims: Claims) -> RecordPage:
        """One page of them."""
        ...


class OrganizationCount(BaseModel):
    """The records of one organization."""

    org_id: str = Field(alias="orgId")
    count: int


class Counts(BaseModel):
    """Every organization of the partner, also those without records, by id."""

    cdr_counts: list[OrganizationCount]


_ERRORS = described(
    s400="A parameter is missing, malformed or out of range; the message names it and the rule",
    s401="No partner access token, or one that is unknown, expired or revoked",
    s403="The token lacks the scope for records, or the organization is not one that it reaches",
    s429="Too many requests with this token; come again after Retry-After",
    s503="What was acknowledged is not stored yet, or no database for the moment; come again after Retry-After",
)
_PAGE_HEADERS = {
    name: {"description": what, "schema": {"type": "integer"}}
    for name, what in {
        "num-pages": "Pages there are",
        "total-orgs": "Organizations on all pages",
        "current-page": "The page this is, from 1",
    }.items()
}
_OF_ONE = described(
    s451="The organization belongs to another region; the message names the host that has its records",
)
_PAGING = ("max", NEXT_TIME, NEXT_ID)


def partner_router(
    directory: Directory,
    entitlement: Entitlement,
    lake: RecordsReader,
    backlog: Backlog,
    clock: Clock,
    rules: Rules,
    *,
    rate: RequestRate = NO_LIMIT,
    regions: Regions = NO_REGIONS,
    pages: PageSizes = DOCUMENTED_PAGES,
) -> APIRouter:
    """The routes; `install_error_handlers` gives their errors their shape. Parameters nobody knows are passed over."""
    router = APIRouter(prefix="/v1/partners", tags=["partners"], dependencies=[BEARER])
    # Of records no more than the reach is said: the limit of 60 minutes is that of counts (FACTS 2.2).
    window = HistoryWindow(span=rules.reach, settle=rules.settle, reach=rules.reach, pages=pages)
    counts_asked, records_asked = (RateLimit(clock, rate.requests, rate.period) for _ in range(2))

    @router.get(
        "/cdrcountbyorg",
        response_model=Counts,
        summary="Records of each organization in a period of at most 1 hour",
        responses={**_ERRORS, 200: {"headers": _PAGE_HEADERS}},
        openapi_extra={"parameters": of_counts(rules)},
    )
    def counts(request: Request) -> Response:
        """To compare with what arrived. Organizations of other regions are left out: their own host counts them."""
        asker = asker_of(directory, request)
        with parameters_kept():
            given = read_parameters(request)
            period = read_count_period(given.get("startTime"), given.get("endTime"), clock.now(), rules)
            number = read_page(given.get("page"))
        backlog.require_loaded()
        require_patience(request, counts_asked)
        elsewhere = directory.organizations_outside(regions.own) if regions.own else set()
        own = asker.reached(entitlement.organizations_of(asker.partner_id, period))
        organizations = [org for org in own if org not in elsewhere]
        listing = cut_page(organizations, number, rules.organizations_per_page)
        selected = lake.period(period)
        found = selected.count(entitlement.claims([entitlement.feed_of(asker.partner_id)], selected, listing.items))
        body = {"cdr_counts": [{"orgId": org, "count": found.get((0, org), 0)} for org in listing.items]}
        return JSONResponse(body, headers={**listing.headers(), TRACKING_HEADER: tracking_of(request)})

    @router.get(
        "/cdrsbyorg",
        response_model=Records,
        summary="Records of one organization",
        responses={**_ERRORS, **_OF_ONE, 200: {"headers": LINK}},
        openapi_extra={"parameters": of_records(window)},
    )
    def records(request: Request) -> Response:
        """What a partner lacks: all at once, in no particular order, or with `max` page by page, by Report time."""
        asker = asker_of(directory, request)
        with parameters_kept():
            given = read_parameters(request)
            asked = {name: given[name] for name in ("startTime", "endTime", *_PAGING) if name in given}
            org_uuid = _read_organization(given)
            query = read_history(asked, clock.now(), window)
        if org_uuid not in asker.reached(entitlement.organizations_of(asker.partner_id, query.period)):
            raise ApiError(403, f"organization {org_uuid} is not managed by this partner")
        require_region(directory, regions, org_uuid)
        backlog.require_loaded()
        require_patience(request, records_asked)
        feed = entitlement.feed_of(asker.partner_id)
        claims = entitlement.claims([feed], lake.period(query.period), [org_uuid])
        if any(name in given for name in _PAGING):
            return answer_page(request, lake.read_page(org_uuid, query, claims=claims), org_uuid, query)
        return answer_records(request, lake.read_organization(org_uuid, query.period, claims))

    return router


def _read_organization(given: Mapping[str, str]) -> str:
    """Of `orgId`, which the seed also spells `orgID`. Raises ParameterError."""
    one, other = given.get("orgId"), given.get("orgID")
    if one and other and read_org_id(one) != read_org_id(other):
        raise ParameterError("orgID", "names another organization than orgId; ask for one at a time")
    return read_org_id(one or other)
