"""The two Detailed Call History APIs of one organization: `cdr_feed` and `cdr_stream` (FACTS section 3).

`cdr_feed` selects by Report time. `cdr_stream` selects by the time at which the record was stored, of which the lake
keeps when the payload that brought it began to come in; a corrected record is stored anew and so comes again.
"""

from collections.abc import Callable
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cdrelay.clock import Clock
from cdrelay.contract.history import HistoryQuery, HistoryRules, HistoryWindow, read_history
from cdrelay.contract.query import ParameterError
from cdrelay.contract.windows import Period
from cdrelay.control.secrets_at_rest import token_hash
from cdrelay.errors import CdrelayError
from cdrelay.lake.store import Moment, RecordPage
from cdrelay.publisher.api_errors import RETRY_SECONDS, ApiError, bearer_of, described
from cdrelay.publisher.asking import parameters_kept, partner_of, read_org_id
from cdrelay.publisher.directory import Directory
from cdrelay.publisher.entitlement import Entitlement
from cdrelay.publisher.rate_limit import RateLimit
from cdrelay.publisher.record_answers import LINK, Records, answer_page


class PageReader(Protocol):
    """What the APIs need of the lake."""

    def read_page(self, org_uuid: str, query: HistoryQuery, moment: Moment) -> RecordPage:
        """One page of an organization's records, by `moment`."""
        ...


_FORM = "UTC, in the form YYYY-MM-DDTHH:MM:SS.mmmZ"

_ORG_ID = "Plain UUID, or encoded; may be left out where the partner has just one organization"


class HistoryParameters(BaseModel):
    """The parameters; read by the rules of the contract, so that a refusal names the rule."""

    model_config = ConfigDict(populate_by_name=True)

    start_time: str | None = Field(None, alias="startTime", description=f"First time. {_FORM}")
    end_time: str | None = Field(None, alias="endTime", description=f"Times before it. {_FORM}")
    locations: str | None = Field(None, description="Up to 10 names of locations, separated by commas")
    max: str | None = Field(None, description="Records on a page: 500 to 5000, which is the default")
    org_id: str | None = Field(None, alias="orgId", description=_ORG_ID)
    next_time: str | None = Field(None, alias="startTimeForNextFetch", description="From a Link header")
    next_id: str | None = Field(None, alias="lastReportId", description="From a Link header")


_RESPONSES = described(
    s400="A parameter is missing, malformed or out of range; the message names it and the rule",
    s401="No partner access token, or one that is unknown, expired or revoked",
    s403="The organization is not one of the partner's",
    s429="Too many requests with this token; come again after Retry-After",
    s503="Not at the moment; come again after Retry-After",
)


def history_router(
    directory: Directory,
    entitlement: Entitlement,
    lake: PageReader,
    load: Callable[[], object],
    clock: Clock,
    rules: HistoryRules,
) -> APIRouter:
    """The routes; `install_error_handlers` gives their errors their shape. Parameters nobody knows are passed over.

    `load` stores what was received and still waits, so that a stream never passes over it.
    """
    router = APIRouter(prefix="/v1", tags=["history"])
    feed = _History(directory, entitlement, lake, clock, rules, rules.feed, "report_time")
    stream = _History(directory, entitlement, lake, clock, rules, rules.stream, "received")

    @router.get(
        "/cdr_feed",
        response_model=Records,
        summary="Records of one organization, by the time the call ended",
        responses={**_RESPONSES, 200: {"headers": LINK}},
    )
    def cdr_feed(request: Request, parameters: Annotated[HistoryParameters, Query()]) -> Response:
        """At most 12 hours at once, between 48 hours and 5 minutes ago."""
        return feed.answer(request, parameters)

    @router.get(
        "/cdr_stream",
        response_model=Records,
        summary="Records of one organization, by the time they were stored",
        responses={**_RESPONSES, 200: {"headers": LINK}},
    )
    def cdr_stream(request: Request, parameters: Annotated[HistoryParameters, Query()]) -> Response:
        """At most 2 hours at once, between 12 hours and 1 minute ago. Late and corrected records come by themselves."""
        return stream.answer(request, parameters, load)

    return router


class _History:
    """One of the two APIs. Each counts requests by itself."""

    def __init__(
        self,
        directory: Directory,
        entitlement: Entitlement,
        lake: PageReader,
        clock: Clock,
        rules: HistoryRules,
        window: HistoryWindow,
        moment: Moment,
    ) -> None:
        self._directory = directory
        self._entitlement = entitlement
        self._lake = lake
        self._clock = clock
        self._window = window
        self._moment = moment
        self._first = RateLimit(clock, rules.first_requests, rules.rate_period)
        self._further = RateLimit(clock, rules.page_requests, rules.rate_period)

    def answer(
        self, request: Request, parameters: HistoryParameters, load: Callable[[], object] = lambda: None
    ) -> Response:
        """A page, after everything that may stand against it was looked at. Raises ApiError."""
        partner = partner_of(self._directory, request)
        with parameters_kept():
            given = parameters.model_dump(by_alias=True, exclude_none=True)
            query = read_history(given, self._clock.now(), self._window)
            org_uuid = self._organization(partner.id, parameters.org_id, query.period)
        self._require_patience(request, self._first if query.after is None else self._further)
        _load(load)
        page = self._lake.read_page(org_uuid, query, self._moment)
        return answer_page(request, page, org_uuid, query)

    def _organization(self, partner_id: str, asked: str | None, period: Period) -> str:
        """The one that is asked about: a partner's token leaves that open unless there is just one."""
        own = self._entitlement.organizations_of(partner_id, period)
        if not asked:
            if len(own) != 1:
                raise ParameterError("orgId", "is required, as the partner does not have just one organization")
            return own[0]
        org_uuid = read_org_id(asked)
        if org_uuid not in own:
            raise ApiError(403, f"organization {org_uuid} is not managed by this partner")
        return org_uuid

    @staticmethod
    def _require_patience(request: Request, limit: RateLimit) -> None:
        # Only now: a request that is refused for another reason costs nothing and uses up nothing.
        seconds = limit.seconds_to_wait(token_hash(bearer_of(request) or ""))
        if seconds:
            raise ApiError(429, "Request rate exceeds threshold", {"Retry-After": str(seconds)})


def _load(load: Callable[[], object]) -> None:
    try:
        load()
    except (CdrelayError, OSError) as error:
        message = "records that were received cannot be stored at the moment"
        raise ApiError(503, message, {"Retry-After": str(RETRY_SECONDS)}) from error
