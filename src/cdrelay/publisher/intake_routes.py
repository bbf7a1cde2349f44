"""`POST /v1/intake/records`: where a calling platform hands in its records."""

import asyncio
from uuid import uuid4

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from cdrelay.clock import Clock
from cdrelay.contract.error_bodies import TRACKING_HEADER
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable
from cdrelay.lake.spool import Envelope, NoRoom
from cdrelay.publisher.api_errors import RETRY_SECONDS, ApiError, bearer_of, described, tracking_of
from cdrelay.publisher.directory import Directory
from cdrelay.publisher.intake import Intake, content_encoding, content_kind

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
    },
}
_RESPONSES = described(
    s400="The body is no list of records",
    s401="No intake key, or one that is unknown or revoked",
    s413="The body is too large, as sent or unpacked",
    s415="A content type or encoding that is not taken",
    s503="No room on the disk, or no database; come again after Retry-After",
) | {422: {"model": IntakeAnswer, "description": "There were records, and none was taken"}}


def intake_router(directory: Directory, intake: Intake, clock: Clock) -> APIRouter:
    """The route; `install_error_handlers` gives its errors their shape."""
    router = APIRouter(tags=["intake"])

    @router.post(
        "/v1/intake/records",
        response_model=IntakeAnswer,
        responses=_RESPONSES,
        summary="Hand in call records",
        openapi_extra={"requestBody": _BODY},
    )
    async def take_records(request: Request) -> Response:
        """Answered 200 only when the accepted records are durable; handing them in again is harmless.

        The key goes into `Authorization: Bearer …` or `X-Api-Key`; `Content-Encoding: gzip` is taken.
        """
        key = bearer_of(request) or request.headers.get("X-Api-Key", "").strip()
        if not key or not await asyncio.to_thread(directory.intake_key_valid, key):
            message = "an intake key is needed: Authorization: Bearer …, or X-Api-Key"
            raise ApiError(401, message, {"WWW-Authenticate": "Bearer"})
        envelope = _envelope(request, clock)
        try:
            taken = await intake.take(envelope, request.stream(), _announced_size(request))
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


def _envelope(request: Request, clock: Clock) -> Envelope:
    kind = content_kind(request.headers.get("Content-Type"))
    if kind is None:
        raise ApiError(415, "the Content-Type must be application/json, application/x-ndjson or application/jsonl")
    encoding = content_encoding(request.headers.get("Content-Encoding"))
    if encoding is None:
        raise ApiError(415, "the Content-Encoding must be gzip, or none", {"Accept-Encoding": "gzip"})
    return Envelope(
        id=str(uuid4()),
        source="intake",
        channel="intake",
        received=clock.now(),
        content_encoding=encoding,
        lines=kind == "lines",
    )


def _announced_size(request: Request) -> int:
    text = request.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
