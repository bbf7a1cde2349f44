"""The two partner endpoints, as the seed describes them: counts by organization, and records of one organization."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from cdrelay.clock import Clock
from cdrelay.contract.error_bodies import TRACKING_HEADER
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.contract.paging import cut_page
from cdrelay.contract.query import ParameterError, read_count_period, read_page, read_period
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.publisher.api_errors import ApiError, bearer_of, described, tracking_of
from cdrelay.publisher.directory import Directory
from cdrelay.publisher.parties import Partner

# Bytes of records that are sent at once; each piece costs a change of threads.
_PIECE = 256 * 1024


class RecordsReader(Protocol):
    """What the endpoints need of the lake."""

    def count_by_organization(self, period: Period) -> dict[str, int]:
        """Records by organization with a Report time in the period."""
        ...

    def read_organization(self, org_uuid: str, period: Period) -> Iterator[bytes]:
        """Records of an organization as wire JSON, by Report time."""
        ...


class OrganizationCount(BaseModel):
    """The records of one organization."""

    org_id: str = Field(alias="orgId")
    count: int


class Counts(BaseModel):
    """Every organization of the partner, also those without records, by id."""

    cdr_counts: list[OrganizationCount]


class Records(BaseModel):
    """Records of the Detailed Call History format, by Report time."""

    items: list[dict[str, Any]]


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


def partner_router(directory: Directory, lake: RecordsReader, clock: Clock, rules: Rules) -> APIRouter:
    """The routes; `install_error_handlers` gives their errors their shape. Parameters nobody knows are passed over."""
    router = APIRouter(prefix="/v1/partners", tags=["partners"])

    def partner_of(request: Request) -> Partner:
        token = bearer_of(request)
        partner = directory.partner_for_token(token) if token else None
        if partner is None:
            what = "is unknown, expired or revoked" if token else "is needed: Authorization: Bearer …"
            raise ApiError(401, f"a partner access token {what}", {"WWW-Authenticate": "Bearer"})
        return partner

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
        partner = partner_of(request)
        with _parameters():
            period = read_count_period(start_time, end_time, clock.now(), rules)
            number = read_page(page)
        listing = cut_page(directory.organizations_of(partner.id), number, rules.organizations_per_page)
        found = lake.count_by_organization(period) if listing.items else {}
        body = {"cdr_counts": [{"orgId": org, "count": found.get(org, 0)} for org in listing.items]}
        return JSONResponse(body, headers={**listing.headers(), TRACKING_HEADER: tracking_of(request)})

    @router.get(
        "/cdrsbyorg",
        response_model=Records,
        summary="Records of one organization",
        responses={**_ERRORS, **described(s403="The organization is not one of the partner's")},
    )
    def records(
        request: Request,
        org_id: OrgId = None,
        org_id_too: OrgIdToo = None,
        start_time: StartTime = None,
        end_time: EndTime = None,
    ) -> Response:
        """What a partner lacks: both times between 48 hours and 5 minutes ago."""
        partner = partner_of(request)
        with _parameters():
            org_uuid = _read_org_id(org_id or org_id_too)
            period = read_period(start_time, end_time, clock.now(), rules)
        if org_uuid not in directory.organizations_of(partner.id):
            raise ApiError(403, f"organization {org_uuid} is not managed by this partner")
        pieces = in_pieces(lake.read_organization(org_uuid, period))
        # The first piece is read before the status is said, so that a lake that cannot be read is an error.
        first = next(pieces)
        return StreamingResponse(
            _after(first, pieces), media_type="application/json", headers={TRACKING_HEADER: tracking_of(request)}
        )

    return router


@contextmanager
def _parameters() -> Iterator[None]:
    """Turns a parameter that breaks a rule into an answer."""
    try:
        yield
    except ParameterError as error:
        raise ApiError(400, str(error)) from error


def _read_org_id(text: str | None) -> str:
    if not text:
        raise ParameterError("orgId", "is required")
    try:
        return organization_uuid(text)
    except ValueError as error:
        raise ParameterError("orgId", str(error)) from error


def in_pieces(records: Iterable[bytes], size: int = _PIECE) -> Iterator[bytes]:
    """The document `{"items":[…]}` of records that are JSON text, in pieces of about `size` bytes."""
    piece = bytearray(b'{"items":[')
    separator = b""
    for record in records:
        piece += separator + record
        separator = b","
        if len(piece) >= size:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece + b"]}")


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
