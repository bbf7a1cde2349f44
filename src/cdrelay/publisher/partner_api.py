"""The two partner endpoints, as the seed describes them: counts by organization, and records of one organization."""

from collections.abc import Iterator
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from cdrelay.clock import Clock
from cdrelay.contract.error_bodies import TRACKING_HEADER
from cdrelay.contract.history import NEXT_ID, NEXT_TIME, HistoryQuery, HistoryWindow, read_history
from cdrelay.contract.paging import cut_page
from cdrelay.contract.query import read_count_period, read_page
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.lake.store import RecordPage
from cdrelay.publisher.api_errors import ApiError, described, tracking_of
from cdrelay.publisher.asking import parameters_kept, partner_of, read_org_id
from cdrelay.publisher.directory import Directory
from cdrelay.publisher.entitlement import Entitlement
from cdrelay.publisher.record_answers import LINK, Records, answer_page, answer_records


class RecordsReader(Protocol):
    """What the endpoints need of the lake."""

    def count_by_organization(self, period: Period) -> dict[str, int]:
        """Records by organization with a Report time in the period."""
        ...

    def read_organization(self, org_uuid: str, period: Period) -> Iterator[bytes]:
        """Records of an organization as wire JSON, by Report time."""
        ...

    def read_page(self, org_uuid: str, query: HistoryQuery) -> RecordPage:
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
    s503="No database for the moment; come again after Retry-After",
)
_PAGE_HEADERS = {
    name: {"description": what, "schema": {"type": "integer"}}
    for name, what in {
        "num-pages": "Pages there are",
        "total-orgs": "Organizations on all pages",
        "current-page": "The page this is, from 1",
    }.items()
}
_FORM = "UTC, in the form YYYY-MM-DDTHH:MM:SS.mmmZ"
StartTime = Annotated[str | None, Query(alias="startTime", description=f"First Report time. {_FORM}")]
EndTime = Annotated[str | None, Query(alias="endTime", description=f"Report times before it. {_FORM}")]
PageNumber = Annotated[str | None, Query(description="Page of 200 organizations, from 1")]
OrgId = Annotated[str | None, Query(alias="orgId", description="Plain UUID, or encoded")]
OrgIdToo = Annotated[str | None, Query(alias="orgID", description="Another spelling of orgId")]

Paging = Annotated[str | None, Query(alias="max", description="Cut into pages of so many records: 500 to 5000")]
NextTime = Annotated[str | None, Query(alias=NEXT_TIME, description="From a Link header")]
NextId = Annotated[str | None, Query(alias=NEXT_ID, description="From a Link header")]


def partner_router(
    directory: Directory, entitlement: Entitlement, lake: RecordsReader, clock: Clock, rules: Rules
) -> APIRouter:
    """The routes; `install_error_handlers` gives their errors their shape. Parameters nobody knows are passed over."""
    router = APIRouter(prefix="/v1/partners", tags=["partners"])
    # Of records no more than the reach is said: the limit of 60 minutes is that of counts (FACTS 2.2).
    window = HistoryWindow(span=rules.reach, settle=rules.settle, reach=rules.reach)

    @router.get(
        "/cdrcountbyorg",
        response_model=Counts,
        summary="Records of each organization in a period of at most 1 hour",
        responses={**_ERRORS, 200: {"headers": _PAGE_HEADERS}},
    )
    def counts(
        request: Request, start_time: StartTime = None, end_time: EndTime = None, page: PageNumber = None
    ) -> Response:
        """To compare with what arrived: both times between 48 hours and 5 minutes ago, at most 60 minutes apart."""
        partner = partner_of(directory, request)
        with parameters_kept():
            period = read_count_period(start_time, end_time, clock.now(), rules)
            number = read_page(page)
        listing = cut_page(entitlement.organizations_of(partner.id, period), number, rules.organizations_per_page)
        found = lake.count_by_organization(period) if listing.items else {}
        body = {"cdr_counts": [{"orgId": org, "count": found.get(org, 0)} for org in listing.items]}
        return JSONResponse(body, headers={**listing.headers(), TRACKING_HEADER: tracking_of(request)})

    @router.get(
        "/cdrsbyorg",
        response_model=Records,
        summary="Records of one organization",
        responses={**_ERRORS, **described(s403="The organization is not one of the partner's"), 200: {"headers": LINK}},
    )
    def records(
        request: Request,
        org_id: OrgId = None,
        org_id_too: OrgIdToo = None,
        start_time: StartTime = None,
        end_time: EndTime = None,
        paging: Paging = None,
        next_time: NextTime = None,
        next_id: NextId = None,
    ) -> Response:
        """What a partner lacks: both times between 48 hours and 5 minutes ago. All at once unless `max` is given."""
        partner = partner_of(directory, request)
        given = {"startTime": start_time, "endTime": end_time}
        if paging:
            given |= {"max": paging, NEXT_TIME: next_time, NEXT_ID: next_id}
        with parameters_kept():
            org_uuid = read_org_id(org_id or org_id_too)
            query = read_history({name: text for name, text in given.items() if text}, clock.now(), window)
        if org_uuid not in entitlement.organizations_of(partner.id, query.period):
            raise ApiError(403, f"organization {org_uuid} is not managed by this partner")
        if paging:
            return answer_page(request, lake.read_page(org_uuid, query), org_uuid, query)
        return answer_records(request, lake.read_organization(org_uuid, query.period))

    return router
