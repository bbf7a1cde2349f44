"""Signing in at the company's provider: `/sign-in/provider`, and `…/back`, where the browser comes back to."""

import asyncio
import hmac
import json
from dataclasses import asdict, dataclass
from datetime import timedelta

import structlog
from fastapi import APIRouter, Request, Response

from cdrelay.clock import Clock
from cdrelay.control.secrets_at_rest import SecretBox, SecretUnreadable
from cdrelay.hub.pages import see_other
from cdrelay.hub.sign_in.cookies import cookie_of, delete_cookie, set_cookie
from cdrelay.hub.sign_in.form import SignInPage, local_path
from cdrelay.hub.sign_in.provider import Attempt, Provider, ProviderFailed
from cdrelay.publisher.api.rate_limit import RateLimit
from cdrelay.publisher.errors import AdministratorUnknown

log = structlog.get_logger()

COOKIE = "cdrelay_provider"
_PATH = "/sign-in/provider"
_BACK = f"{_PATH}/back"
_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What the browser keeps for us, sealed, while it is at the provider."""

    attempt: Attempt
    after: str


class _Memory:
    """Seals it into a cookie of the browser: nothing is stored of those who never come back."""

    def __init__(self, box: SecretBox, clock: Clock) -> None:
        self._box = box
        self._clock = clock

    def keep(self, response: Response, request: Request, remembered: _Remembered) -> None:
        until = (self._clock.now() + _LIFETIME).timestamp()
        sealed = self._box.seal(json.dumps(asdict(remembered) | {"for": COOKIE, "until": until})).decode()
        set_cookie(request, response, COOKIE, sealed)

    def read(self, request: Request) -> _Remembered | None:
        try:
            kept = json.loads(self._box.open(cookie_of(request, COOKIE).encode()))
        except (SecretUnreadable, ValueError):
            return None
        # The box seals other things for browsers, too.
        if kept.get("for") != COOKIE or kept["until"] <= self._clock.now().timestamp():
            return None
        return _Remembered(Attempt(**kept["attempt"]), kept["after"])


def provider_router(page: SignInPage, provider: Provider, box: SecretBox, clock: Clock) -> APIRouter:
    """The routes. Leaving counts as an attempt of the address; each time away ends with one way back."""
    router = APIRouter(include_in_schema=False)
    memory, ways_back = _Memory(box, clock), RateLimit(clock, 1, _LIFETIME)

    @router.get(_PATH)
    async def leave(request: Request) -> Response:
        after = local_path(request.query_params.get("next", ""))
        if barred := page.barred(request, after):
            return barred
        try:
            address, attempt = await provider.begin(_redirect_uri(request))
        except ProviderFailed as error:
            return _failed(page, after, error)
        response = see_other(address)
        memory.keep(response, request, _Remembered(attempt, after))
        return response

    @router.get(_BACK)
    async def back(request: Request) -> Response:
        remembered, given = memory.read(request), request.query_params
        ours = remembered is not None and _same(remembered.attempt.state, given.get("state", ""))
        if remembered is None or not ours or ways_back.seconds_to_wait(remembered.attempt.state):
            problem = "This sign-in was not begun here, or took too long. Try again."
            return _ended(request, page.show("", problem=problem, status=400))
        return _ended(request, await _finished(page, provider, request, remembered))

    return router


async def _finished(page: SignInPage, provider: Provider, request: Request, remembered: _Remembered) -> Response:
    given, after = request.query_params, remembered.after
    if "code" not in given:
        return page.show(after, problem="The provider has not signed you in.", status=403)
    try:
        email = await provider.finish(given["code"], remembered.attempt, _redirect_uri(request))
        administrator = await asyncio.to_thread(page.sign_in.administrators.by_email, email)
    except ProviderFailed as error:
        return _failed(page, after, error)
    except AdministratorUnknown:
        return page.show(after, problem="No administrator has your e-mail address.", status=403)
    return await asyncio.to_thread(page.welcome, request, administrator, after)


def _failed(page: SignInPage, after: str, error: ProviderFailed) -> Response:
    log.warning("sign_in.provider_failed", reason=str(error))
    return page.show(after, problem=f"Signing in there did not work: {error}.", status=502)


def _redirect_uri(request: Request) -> str:
    return f"{request.base_url}".rstrip("/") + _BACK


def _same(own: str, given: str) -> bool:
    return hmac.compare_digest(own.encode(), given.encode())


def _ended(request: Request, response: Response) -> Response:
    delete_cookie(request, response, COOKIE)
    return response
