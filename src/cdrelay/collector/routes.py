"""`POST /webhooks/{source}`: where providers deliver. The one place where what happened becomes an HTTP status."""

from collections.abc import Callable
from uuid import uuid4

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.receiving import EncodingUnsupported, Offered, Receiver, SignatureRefused
from cdrelay.contract.error_bodies import TRACKING_HEADER, error_body, tracking_id
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

_log = structlog.get_logger(__name__)


def webhook_router(receiver: Receiver, new_id: Callable[[], str] = lambda: str(uuid4())) -> APIRouter:
    """The route, on top of `receiver`; `new_id` makes the tracking ids of refusals."""
    router = APIRouter(tags=["collector"])

    @router.post("/webhooks/{source}", summary="Take in call records of a provider")
    async def receive(source: str, request: Request) -> Response:
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
