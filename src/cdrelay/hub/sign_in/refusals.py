"""What every page answers to whom it is not for: a way to sign in, or a page that says why."""

import asyncio
from urllib.parse import quote

from fastapi import FastAPI, Request, Response

from cdrelay.hub.pages import render_refusal, see_other
from cdrelay.hub.sign_in.cookies import cookie_of
from cdrelay.hub.sign_in.sessions import COOKIE, Forbidden, NotSignedIn, SignIn
from cdrelay.publisher.errors import FormRefused


def install_refusals(app: FastAPI, sign_in: SignIn) -> None:
    """To be called once."""

    async def not_signed_in(request: Request, _error: Exception) -> Response:
        url = request.url
        # A form that came too late is not sent again by itself: its page is opened.
        after = f"{url.path}?{url.query}" if url.query else url.path
        address = f"/sign-in?next={quote(after, safe='/')}"
        if cookie_of(request, COOKIE):
            address += f"&ended={'page' if request.method in ('GET', 'HEAD') else 'form'}"
        return see_other(address)

    async def forbidden(request: Request, error: Exception) -> Response:
        signed_in = await asyncio.to_thread(sign_in.find, request)
        return render_refusal(signed_in, 403, str(error))

    async def form_refused(_request: Request, error: Exception) -> Response:
        return render_refusal(None, 400, str(error))

    app.add_exception_handler(NotSignedIn, not_signed_in)
    app.add_exception_handler(Forbidden, forbidden)
    app.add_exception_handler(FormRefused, form_refused)
