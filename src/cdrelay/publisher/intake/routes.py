"""`POST /v1/intake/records`: where a calling platform hands in its records."""

import asyncio
import base64
from collections.abc import Callable
from urllib.parse import parse_qsl
from uuid import uuid4

import structlog
from fastapi import APIRouter, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, HTTPBasic, HTTPBearer
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from cdrelay.clock import Clock
from cdrelay.contract.error_bodies import TRACKING_HEADER
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable
from cdrelay.lake.spool import Envelope, NoRoom
from cdrelay.publisher.api.parameters import ORGANIZATION
from cdrelay.publisher.api_errors import RETRY_SECONDS, ApiError, bearer_of, described, tracking_of
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.errors import RecordSourceRefused, RecordSourceUnknown
from cdrelay.publisher.intake.taking import Intake, content_encoding, content_kind
from cdrelay.publisher.sources.origin import FORMATS, Format, Origin

_log = structlog.get_logger(__name__)


class RefusedRecord(BaseModel):
    """A record that was not taken."""

    index: int = Field(description="Where it stood in the body, from 0")
    report_id: str | None = Field(alias="reportId")
    field: str
    reason: str


class IntakeAnswer(BaseModel):
    """What became of a body."""

    accepted: int = Field(description="Records that are kept, durably")
    refused: list[RefusedRecord] = Field(description="The first 1,000 that are not")
    refused_total: int = Field(alias="refusedTotal")
    payload: str | None = Field(description="Names the body in traces; null when nothing was kept")


_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"description": 'An array of records, {"items":[…]} or {"data":…}'}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "One record a line"}},
        "application/x-www-form-urlencoded": {
            "schema": {"type": "string", "description": "The field cdr, as FreeSWITCH sends it; with its format only"}
        },
    },
}
# With and without -urlencoded and -base64-encoded: the module says either.
_FORM = "application/x-www-form-"
_RESPONSES = described(
    s400="The body is no list of records, or a parameter is wrong",
    s401="No intake key, or one that is unknown or revoked",
    s413="The body is too large, as sent or unpacked",
    s415="A content type or encoding that is not taken",
    s503="No room on the disk, or no database; come again after Retry-After",
) | {422: {"model": IntakeAnswer, "description": "There were records, and none was taken"}}


_PARAMETERS = [
    {
        "name": "format",
        "in": "query",
        "description": "What is handed in; record unless said",
        "schema": {"type": "string", "enum": list(FORMATS)},
    },
    {
        "name": "orgId",
        "in": "query",
        "description": "Whose calls they are, where they do not say it themselves: plain UUID, or encoded",
        "schema": ORGANIZATION,
    },
    {
        "name": "source",
        "in": "query",
        "description": "The name of a source, which says format, organizations, time zone",
        "schema": {"type": "string"},
    },
]
_KEY = "An intake key"
_KEYS = [
    Security(HTTPBearer(scheme_name="intakeKey", description=_KEY, auto_error=False)),
    Security(APIKeyHeader(name="X-Api-Key", scheme_name="intakeKeyHeader", description=_KEY, auto_error=False)),
    Security(HTTPBasic(scheme_name="intakeKeyPassword", description=f"{_KEY} as password", auto_error=False)),
]


def intake_router(directory: Directory, intake: Intake, clock: Clock, pushing: Callable[[str], Origin]) -> APIRouter:
    """The route; `install_error_handlers` gives its errors their shape.

    `pushing` gives the source that has that name and may be posted to, or raises RecordSourceUnknown or
    RecordSourceRefused; it blocks.
    """
    router = APIRouter(tags=["intake"], dependencies=_KEYS)

    @router.post(
        "/v1/intake/records",
        response_model=IntakeAnswer,
        responses=_RESPONSES,
        summary="Hand in call records",
        openapi_extra={"requestBody": _BODY, "parameters": _PARAMETERS},
    )
    async def take_records(request: Request) -> Response:
        """Answered 200 only when the accepted records are durable; handing them in again is harmless.

        The key goes into `Authorization: Bearer …`, `X-Api-Key`, or the password of `Authorization: Basic …`;
        `Content-Encoding: gzip` is taken.
        """
        key = _key_of(request)
        if not key or not await asyncio.to_thread(directory.intake_key_valid, key):
            message = "an intake key is needed: Authorization: Bearer …, X-Api-Key, or the password of Basic"
            raise ApiError(401, message, {"WWW-Authenticate": 'Bearer, Basic realm="intake"'})
        origin = await asyncio.to_thread(_origin, request, pushing)
        envelope = _envelope(request, clock, origin)
        try:
            taken = await intake.take(envelope, request.stream(), _announced_size(request), origin)
        except BodyTooLarge as error:
            raise ApiError(413, str(error)) from error
        except BodyUnreadable as error:
            raise ApiError(400, str(error)) from error
        except NoRoom as error:
            raise ApiError(503, str(error), {"Retry-After": str(RETRY_SECONDS)}) from error
        except ClientDisconnect as error:
            _log.info("records.broken_off", payload=envelope.id)
            raise ApiError(400, "the body broke off") from error
        return JSONResponse(taken.body(), taken.status, headers={TRACKING_HEADER: tracking_of(request)})

    return router


def _key_of(request: Request) -> str:
    """The intake key that the request carries; empty without one. FreeSWITCH knows only Basic."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(given, validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, no ASCII, or no UTF-8 in it
            return ""
    return bearer_of(request) or request.headers.get("X-Api-Key", "").strip()


def _origin(request: Request, pushing: Callable[[str], Origin]) -> Origin:
    """What the parameters say of where the records come from. Raises ApiError 400."""
    # mod_json_cdr adds `?uuid=…` to its URL, also where that has a query already.
    asked = dict(parse_qsl(request.url.query.replace("?", "&")))
    if "source" in asked:
        try:
            return pushing(asked["source"])
        except (RecordSourceUnknown, RecordSourceRefused) as error:
            raise ApiError(400, f"source: {error}") from error
    form = _format(asked.get("format", "record"))
    try:
        org_uuid = organization_uuid(asked["orgId"]) if "orgId" in asked else None
    except ValueError as error:
        raise ApiError(400, f"orgId: {error}") from error
    return Origin(name="intake" if form == "record" else form, format=form, org_uuid=org_uuid)


def _format(text: str) -> Format:
    for form in FORMATS:
        if form == text:
            return form
    raise ApiError(400, f"format: must be one of {', '.join(FORMATS)}")


def _envelope(request: Request, clock: Clock, origin: Origin) -> Envelope:
    content_type = request.headers.get("Content-Type")
    kind = content_kind(content_type)
    if kind is None and origin.format == "freeswitch" and (content_type or "").startswith(_FORM):
        kind = "document"
    if kind is None:
        raise ApiError(415, "the Content-Type must be application/json, application/x-ndjson or application/jsonl")
    encoding = content_encoding(request.headers.get("Content-Encoding"))
    if encoding is None:
        raise ApiError(415, "the Content-Encoding must be gzip, or none", {"Accept-Encoding": "gzip"})
    return Envelope(
        id=str(uuid4()),
        source=origin.name,
        channel="intake",
        received=clock.now(),
        content_encoding=encoding,
        lines=kind == "lines",
    )


def _announced_size(request: Request) -> int:
    text = request.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
