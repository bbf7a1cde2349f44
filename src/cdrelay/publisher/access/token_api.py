"""Where integrations get, renew and give back tokens: `/v1/access_token` and `/v1/revoke` (RFC 6749, RFC 7009)."""

import base64
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal
from urllib.parse import unquote_plus

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from cdrelay.contract.error_bodies import TRACKING_HEADER, error_body
from cdrelay.publisher.access.forms import Form, read_form
from cdrelay.publisher.access.integrations import Integration, Integrations
from cdrelay.publisher.access.oauth import OAuth, Tokens
from cdrelay.publisher.api_errors import ErrorAnswer, tracking_of
from cdrelay.publisher.errors import FormRefused, OAuthError, RenewedTooOften

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class TokenAnswer(BaseModel):
    """Tokens; lifetimes in whole seconds left."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_token_expires_in: int
    token_type: Literal["Bearer"]
    scope: str


class TokenError(ErrorAnswer):
    """An error of RFC 6749 5.2 in the shape of our errors."""

    error: str = Field(description="invalid_request, invalid_client, invalid_grant, invalid_scope, …")
    error_description: str


_FIELDS = {
    "client_id": "Or in Authorization: Basic",
    "client_secret": "Or in Authorization: Basic",
    "grant_type": "authorization_code or refresh_token",
    "code": "From the redirect address, of use once within 5 minutes",
    "redirect_uri": "The one that the code came to",
    "code_verifier": "When a code_challenge was given",
    "refresh_token": "Stays the same, and lasts anew with each use",
    "scope": "Fewer than consented to; all when left out",
}
_REVOKED_FIELDS = {
    "client_id": "Or in Authorization: Basic",
    "client_secret": "Or in Authorization: Basic",
    "token": "An access token, or a refresh token, which ends the whole consent",
    "token_type_hint": "Passed over",
}
_STATUS = {"invalid_client": 401, "slow_down": 429}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": TokenError, "description": "What is asked cannot be given; `error` says why"},
    401: {"model": TokenError, "description": "The client id is unknown or the secret is not its own"},
}

_TOO_OFTEN: dict[str, Any] = {
    "model": TokenError,
    "description": "The refresh token was used too often lately",
    "headers": {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}},
}


def _form_described(fields: dict[str, str], required: list[str]) -> dict[str, object]:
    properties = {name: {"type": "string", "description": what} for name, what in fields.items()}
    schema = {"type": "object", "properties": properties, "required": required}
    return {
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}},
        "security": [{}],
    }


async def _given(request: Request) -> Form | OAuthError:
    """The form, or what is wrong with it: a dependency must not answer, as it does not know the shape."""
    try:
        form = await read_form(request)
    except FormRefused as error:
        return OAuthError("invalid_request", str(error))
    if form.repeated:
        return OAuthError("invalid_request", f"{form.repeated[0]} is given more than once")
    return form


Given = Annotated[Form | OAuthError, Depends(_given)]


def token_router(integrations: Integrations, oauth: OAuth) -> APIRouter:
    """The routes. What a client does wrong is answered in the shape of RFC 6749 5.2 and in ours at once."""
    router = APIRouter(prefix="/v1", tags=["tokens"])

    @router.post(
        "/access_token",
        response_model=TokenAnswer,
        summary="Tokens for a code, or a new access token for a refresh token",
        responses={**_RESPONSES, 429: _TOO_OFTEN},
        openapi_extra=_form_described(_FIELDS, ["grant_type"]),
    )
    def access_token(request: Request, given: Given) -> Response:
        def work(client: Integration, form: Form) -> Response:
            tokens = asdict(_tokens(oauth, client, form)) | {"token_type": "Bearer"}
            return JSONResponse(tokens, headers={**_NO_STORE, TRACKING_HEADER: tracking_of(request)})

        return _answered(request, given, integrations, work)

    @router.post(
        "/revoke",
        summary="Give a token back",
        status_code=200,
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra=_form_described(_REVOKED_FIELDS, ["token"]),
    )
    def revoke(request: Request, given: Given) -> Response:
        """Also of a token that is unknown or has ended: it is of no use afterwards."""

        def work(client: Integration, form: Form) -> Response:
            oauth.revoke(client, _required(form, "token"))
            return Response(status_code=200, headers={**_NO_STORE, TRACKING_HEADER: tracking_of(request)})

        return _answered(request, given, integrations, work)

    return router


def _answered(
    request: Request,
    given: Form | OAuthError,
    integrations: Integrations,
    work: Callable[[Integration, Form], Response],
) -> Response:
    try:
        if isinstance(given, OAuthError):
            raise given
        return work(_client(request, given, integrations), given)
    except OAuthError as error:
        status = _STATUS.get(error.code, 400)
        tracking = tracking_of(request)
        body = error_body(status, str(error), tracking) | {"error": error.code, "error_description": str(error)}
        more = {"WWW-Authenticate": 'Basic realm="cdrelay"'} if status == 401 else {}
        if isinstance(error, RenewedTooOften):
            more["Retry-After"] = str(error.seconds)
        return JSONResponse(body, status, {**_NO_STORE, **more, TRACKING_HEADER: tracking})


def _tokens(oauth: OAuth, client: Integration, form: Form) -> Tokens:
    kind = _required(form, "grant_type")
    if kind == "authorization_code":
        code, redirect_uri = _required(form, "code"), _required(form, "redirect_uri")
        return oauth.redeem(client, code, redirect_uri, form.get("code_verifier"))
    if kind == "refresh_token":
        return oauth.refresh(client, _required(form, "refresh_token"), form.get("scope"))
    raise OAuthError("unsupported_grant_type", "grant_type must be authorization_code or refresh_token")


def _required(form: Form, name: str) -> str:
    value = form.get(name)
    if not value:
        raise OAuthError("invalid_request", f"{name} is required")
    return value


def _client(request: Request, form: Form, integrations: Integrations) -> Integration:
    """Who asks, by the form or by Basic (RFC 6749 2.3.1), where both parts are URL-encoded; not by both."""
    client_id, secret = form.get("client_id"), form.get("client_secret")
    basic = _basic(request)
    if basic is not None:
        if secret or (client_id and client_id != basic[0]):
            raise OAuthError("invalid_request", "the client authenticates by the form or by Basic, not by both")
        client_id, secret = basic
    client = integrations.authenticate(client_id, secret)
    if client is None:
        raise OAuthError("invalid_client", "the client id is unknown, or the client secret is not its own")
    return client


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # no base64, no ASCII, or no UTF-8 in it
        raise OAuthError("invalid_client", "Authorization: Basic cannot be read") from None
    return unquote_plus(client_id), unquote_plus(secret)
