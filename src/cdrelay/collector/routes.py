"""`POST /webhooks/{source}`: where providers deliver. The one place where what happened becomes an HTTP status."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.receiving import EncodingUnsupported, Offered, Receiver, SignatureRefused
from cdrelay.contract.error_bodies import ERROR_SCHEMA, TRACKING_HEADER, error_body, tracking_id
from cdrelay.contract.signature import SIGNATURE_HEADER
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.errors import CdrelayError
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable
from cdrelay.lake.spool import NoRoom

_STATUS: dict[type[CdrelayError], int] = {
    SourceUnknown: 404,
    SignatureRefused: 401,
    EncodingUnsupported: 415,
    BodyTooLarge: 413,
    BodyUnreadable: 400,
    # Ours to mend: the sender should keep the payload and try again.
    NoRoom: 503,
    DatabaseUnavailable: 503,
    SecretUnreadable: 503,
}
_RETRY_AFTER_SECONDS = 30
_RECORDS = {"type": "array", "description": "Records, as on the wire; one that cannot be read is put aside"}
_ITEMS = {"type": "object", "required": ["items"], "properties": {"items": _RECORDS}}
_DATA = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"anyOf": [_RECORDS, _ITEMS]}, "items": _RECORDS},
}
_SIGNATURE = {
    "name": SIGNATURE_HEADER,
    "in": "header",
    "required": False,
    "description": "Hex HMAC-SHA1 of the raw body, where the source has a secret",
    "schema": {"type": "string"},
}
_TAKES = {
    "parameters": [_SIGNATURE],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"anyOf": [_ITEMS, _DATA, _RECORDS]}}},
    },
}
_REASONS = {
    400: "The body is no list of records",
    401: "The signature does not fit, or is missing",
    404: "There is no such source",
    413: "The body is too large, as sent or unpacked",
    415: "An encoding other than gzip",
    503: "It cannot be kept at the moment; send it again after Retry-After",
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"description": why, "content": {"application/json": {"schema": ERROR_SCHEMA}}}
    for status, why in _REASONS.items()
}

_log = structlog.get_logger(__name__)


class Taken(BaseModel):
    """A payload that is durable."""

    payload: str = Field(description="Names it in traces")
    records: int


def webhook_router(receiver: Receiver, new_id: Callable[[], str] = lambda: str(uuid4())) -> APIRouter:
    """The route, on top of `receiver`; `new_id` makes the tracking ids of refusals."""
    router = APIRouter(tags=["collector"])

    @router.post(
        "/webhooks/{source}",
        summary="Take in call records of a provider",
        response_model=Taken,
        responses=_REFUSED,
        openapi_extra=_TAKES,
    )
    async def receive(source: str, request: Request) -> Response:
        """Answered 200 only when the body is durable. The same body again is harmless."""
        offered = Offered(
            source=source,
            signature=request.headers.get(SIGNATURE_HEADER),
            content_encoding=request.headers.get("content-encoding", ""),
            content_length=_length(request.headers.get("content-length")),
        )
        try:
            received = await receiver.receive(offered, request.stream())
        except ClientDisconnect:
            return Response(status_code=400)  # no one is there to read it
        except tuple(_STATUS) as error:
            return _refusal(_STATUS[type(error)], str(error), tracking_id(new_id()))
        return JSONResponse({"payload": received.payload, "records": received.records})

    return router


def _length(header: str | None) -> int | None:
    return int(header) if header is not None and header.isascii() and header.isdigit() else None


def _refusal(status: int, message: str, tracking: str) -> Response:
    if status >= 500:
        # Paths and reasons of ours are for the log, not for whoever sends.
        _log.warning("webhook.refused", status=status, reason=message, tracking=tracking)
        message = "the payload cannot be kept at the moment; nothing of it was, please send it again"
    headers = {TRACKING_HEADER: tracking}
    if status == 503:
        headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    return JSONResponse(error_body(status, message, tracking), status, headers)
