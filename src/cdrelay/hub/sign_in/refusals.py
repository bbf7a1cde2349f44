"""What every page answers to whom it is not for, and to a browser where there is no page: never bare JSON."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from cdrelay.control.database import DatabaseUnavailable
from cdrelay.hub.pages import render_refusal, see_other
from cdrelay.hub.sign_in.sessions import Forbidden, NotSignedIn, SignIn
from cdrelay.publisher.api_errors import RETRY_SECONDS
from cdrelay.publisher.errors import FormRefused


def install_refusals(app: FastAPI, sign_in: SignIn) -> None:
    """A way to sign in, or a page that says why. To be called after the handlers that answer programs."""

    async def not_signed_in(request: Request, _error: Exception) -> Response:
        url = request.url
        # A form that came too late is not sent again by itself: its page is opened.
        after = f"{url.path}?{url.query}" if url.query else url.path
        return see_other(f"/sign-in?next={quote(after, safe='/')}")

    async def forbidden(request: Request, error: Exception) -> Response:
        signed_in = await asyncio.to_thread(sign_in.find, request)
        return render_refusal(signed_in, 403, str(error))

    async def form_refused(_request: Request, error: Exception) -> Response:
        return render_refusal(None, 400, str(error))

    app.add_exception_handler(NotSignedIn, not_signed_in)
    app.add_exception_handler(Forbidden, forbidden)
    app.add_exception_handler(FormRefused, form_refused)
    _for_browsers(app, HTTPException, _no_page)
    _for_browsers(app, DatabaseUnavailable, _not_now)


def _for_browsers(app: FastAPI, kind: type[Exception], page: Callable[[Any], Response]) -> None:
    """Answer an error with a page where a browser asks; programs get what they got before."""
    for_programs: Any = app.exception_handlers[kind]

    async def answer(request: Request, error: Exception) -> Response:
        browser = "text/html" in request.headers.get("Accept", "") and not request.url.path.startswith("/v1/")
        found: Response = page(error) if browser else await for_programs(request, error)
        return found

    app.add_exception_handler(kind, answer)


def _no_page(error: HTTPException) -> Response:
    page = render_refusal(None, error.status_code, "there is nothing at this address", "No such page")
    page.headers.update(error.headers or {})
    return page


def _not_now(error: DatabaseUnavailable) -> Response:
    page = render_refusal(None, 503, str(error), "Not at the moment")
    page.headers["Retry-After"] = str(RETRY_SECONDS)
    return page
