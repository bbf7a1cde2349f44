"""`POST /webhooks/{source}`: where providers deliver. The one place where what happened becomes an HTTP status.

The answer comes when the body is durable in the spool, or, where that is set, when its records are committed to the
lake. When that takes too long the answer is 202 and not an error: any 2xx counts as delivered, and the payload is
durable; an error would make the provider send again what is here, and in the end stop sending.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any
from uuid import uuid4

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from cdrelay.collector.admission import SenderTooSlow, TooManyAtOnce, TooManyRequests
from cdrelay.collector.commitments import Commitments
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.receiving import EncodingUnsupported, Offered, Received, Receiver, SignatureRefused
from cdrelay.contract.error_bodies import ERROR_SCHEMA, TRACKING_HEADER, error_body, tracking_id
from cdrelay.contract.manifest import Manifest
from cdrelay.contract.networks import network_of
from cdrelay.contract.signature import SHA256_HEADER, SIGNATURE_HEADER, read_sha256
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
    SenderTooSlow: 408,
    TooManyRequests: 429,
    # Ours to mend: the sender should keep the payload and try again.
    NoRoom: 503,
    TooManyAtOnce: 503,
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
_SIGNATURES = [
    {"name": name, "in": "header", "required": False, "description": what, "schema": {"type": "string"}}
    for name, what in (
        (SIGNATURE_HEADER, "Hex HMAC-SHA1 of the raw body; where the source has a secret, one of both is needed"),
        (SHA256_HEADER, "Hex HMAC-SHA256 of the raw body; where both are there, both must fit"),
    )
]
_TAKES = {
    "parameters": _SIGNATURES,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"anyOf": [_ITEMS, _DATA, _RECORDS]}}},
    },
}
_REASONS = {
    400: "The body is no list of records",
    401: "The signature does not fit, or is missing",
    404: "There is no such source, or it is one that is pulled",
    408: "The body stood still or came too slowly",
    413: "The body is too large, as sent or unpacked",
    415: "An encoding other than gzip and zstd",
    429: "The source sends more often than it may; send it again after Retry-After",
    503: "It cannot be kept at the moment; send it again after Retry-After",
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"description": why, "content": {"application/json": {"schema": ERROR_SCHEMA}}}
    for status, why in _REASONS.items()
}

_log = structlog.get_logger(__name__)


class Taken(BaseModel):
    """A payload that is durable; where the answer waits for the commit, also what the load of its records did."""

    payload: str = Field(description="Names it in traces")
    records: int
    added: int | None = Field(None, description="New records")
    corrected: int | None = Field(None, description="Newer versions of records that were there")
    repeated: int | None = Field(None, description="Records that were there already")
    quarantined: int | None = Field(None, description="Records that cannot be stored, put aside with the reason")


_COMMITTED = ("records", "added", "corrected", "repeated", "quarantined")


@dataclass(frozen=True, slots=True)
class AfterCommit:
    """That the answer waits for the commit to the lake, and how long."""

    commitments: Commitments
    seconds: float


def webhook_router(
    receiver: Receiver,
    after_commit: AfterCommit | None = None,
    *,
    new_id: Callable[[], str] = lambda: str(uuid4()),
) -> APIRouter:
    """The route, on top of `receiver`; `new_id` makes the tracking ids of refusals. See the module for the answer."""
    router = APIRouter(tags=["collector"])

    @router.post(
        "/webhooks/{source}",
        summary="Take in call records of a provider",
        response_model=Taken,
        responses=_REFUSED,
        openapi_extra=_TAKES,
    )
    async def receive(source: str, request: Request) -> Response:
        """Answered 200 only when the body is durable or, if so set, in the lake. The same body again is harmless."""
        offered = Offered(
            source=source,
            sender=network_of(request.client.host if request.client else ""),
            signature=request.headers.get(SIGNATURE_HEADER),
            signature_sha256=read_sha256(request.headers.get(SHA256_HEADER)),
            content_encoding=request.headers.get("content-encoding", ""),
            content_length=_length(request.headers.get("content-length")),
            manifest=Manifest.read(request.headers),
        )
        try:
            received = await receiver.receive(offered, request.stream())
        except ClientDisconnect:
            return Response(status_code=400)  # no one is there to read it
        except tuple(_STATUS) as error:
            return _refusal(error, tracking_id(new_id()))
        if after_commit is not None:
            return await _committed(received, after_commit)
        return JSONResponse({"payload": received.payload, "records": received.records})

    return router


async def _committed(received: Received, after_commit: AfterCommit) -> Response:
    loaded = await after_commit.commitments.of(received.payload, after_commit.seconds)
    if loaded is None:
        return JSONResponse({"payload": received.payload, "records": received.records}, 202)
    return JSONResponse({"payload": loaded.id} | {name: getattr(loaded, name) for name in _COMMITTED})


def _length(header: str | None) -> int | None:
    return int(header) if header is not None and header.isascii() and header.isdigit() else None


def _refusal(error: Exception, tracking: str) -> Response:
    status, message = next(status for kind, status in _STATUS.items() if isinstance(error, kind)), str(error)
    if status >= 500:
        # Paths and reasons of ours are for the log, not for whoever sends.
        _log.warning("webhook.refused", status=status, reason=message, tracking=tracking)
        message = "the payload cannot be kept at the moment; nothing of it was, please send it again"
    headers = {TRACKING_HEADER: tracking}
    if status == 408:
        headers["Connection"] = "close"  # the rest of the body would only come as slowly
    elif isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(max(1, ceil(error.seconds)))
    elif status == 503:
        headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    return JSONResponse(error_body(status, message, tracking), status, headers)
