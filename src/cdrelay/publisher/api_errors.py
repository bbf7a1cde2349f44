"""Errors of the HTTP interface in the one shape that clients of such APIs know, with a tracking id (FACTS 3.5)."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from cdrelay.contract.error_bodies import TRACKING_HEADER, error_body, tracking_id
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.errors import CdrelayError

RETRY_SECONDS = 30
"""What Retry-After asks of a client when a disk or database has a bad moment."""

_SANE_TRACKING_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", re.ASCII)


class ApiError(CdrelayError):
    """An answer that is an error: HTTP status, message for the client, headers."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class ErrorDescription(BaseModel):
    """One of the errors; there is always one."""

    description: str


class ErrorAnswer(BaseModel):
    """The body of every error."""

    error_code: int = Field(alias="errorCode", description="The HTTP status")
    message: str
    errors: list[ErrorDescription]
    tracking_id: str = Field(alias="trackingId", description="The same as in the header Trackingid")


def described(**reasons: str) -> dict[int | str, dict[str, Any]]:
    """Error answers for OpenAPI: `described(s400="…", s401="…")`."""
    return {int(name[1:]): {"model": ErrorAnswer, "description": reason} for name, reason in reasons.items()}


def tracking_of(request: Request) -> str:
    """The tracking id of a request: the client's own when it is sane, else a fresh one; the same at each call."""
    if not hasattr(request.state, "tracking"):
        given = request.headers.get(TRACKING_HEADER, "")
        request.state.tracking = given if _SANE_TRACKING_ID.fullmatch(given) else tracking_id(str(uuid4()))
    return str(request.state.tracking)


def error_response(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request that went wrong."""
    tracking = tracking_of(request)
    return JSONResponse(
        error_body(status, message, tracking), status, headers={**(headers or {}), TRACKING_HEADER: tracking}
    )


def install_error_handlers(app: FastAPI, prefix: str = "/v1/") -> None:
    """Answer errors of paths under `prefix` in this shape, also 404, 405 and 422; other paths keep theirs."""

    async def api_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)  # noqa: S101  # registered for nothing else
        return error_response(request, error.status, str(error), error.headers)

    async def database_unavailable(request: Request, error: Exception) -> Response:
        return error_response(request, 503, str(error), {"Retry-After": str(RETRY_SECONDS)})

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        if not request.url.path.startswith(prefix):
            return await http_exception_handler(request, error)
        headers = {"Allow": _methods_of(request)} if error.status_code == 405 else error.headers
        return error_response(request, error.status_code, str(error.detail), headers)

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        if not request.url.path.startswith(prefix):
            return await request_validation_exception_handler(request, error)
        first = error.errors()[0]
        return error_response(request, 400, f"{first['loc'][-1]}: {first['msg']}")

    app.add_exception_handler(ApiError, api_error)
    app.add_exception_handler(DatabaseUnavailable, database_unavailable)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, validation_error)


def _methods_of(request: Request) -> str:
    """The methods that the path of a request knows: the framework names those of the first route alone."""
    # Asked for each, since a router that was included names no methods of its own.
    matching = [
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return ", ".join(matching)


def bearer_of(request: Request) -> str | None:
    """The token of `Authorization: Bearer …`; None without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
