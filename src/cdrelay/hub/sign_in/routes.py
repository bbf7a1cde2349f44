"""Signing in and out: `/sign-in`, `/sign-out`, and what a page answers to whom it is not for."""

import asyncio
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request, Response

from cdrelay.hub.pages import render_page, see_other
from cdrelay.hub.sign_in.form import SignInPage, landing, local_path
from cdrelay.hub.sign_in.sessions import Forbidden, NotSignedIn, SignIn
from cdrelay.publisher.access.forms import FormBody
from cdrelay.publisher.errors import FormRefused


def sign_in_router(page: SignInPage) -> APIRouter:
    """The routes."""
    router, sign_in = APIRouter(include_in_schema=False), page.sign_in

    @router.get("/sign-in")
    def form(request: Request) -> Response:
        after = local_path(request.query_params.get("next", ""))
        signed_in = sign_in.find(request)
        return page.show(after) if signed_in is None else see_other(after or landing(signed_in.administrator))

    @router.post("/sign-in")
    def enter(request: Request, given: FormBody) -> Response:
        return page.enter(request, given)

    @router.post("/sign-out")
    def leave(request: Request, given: FormBody) -> Response:
        response = see_other("/sign-in")
        signed_in = sign_in.find(request)
        if signed_in is not None:
            sign_in.check_csrf(signed_in, given.get("csrf"))
        sign_in.end(request, response)
        return response

    return router


def install_refusals(app: FastAPI, sign_in: SignIn) -> None:
    """What every page answers to whom it is not for: a way to sign in, or a refusal."""

    async def not_signed_in(request: Request, _error: Exception) -> Response:
        url = request.url
        # A form that came too late is not sent again by itself: its page is opened.
        after = f"{url.path}?{url.query}" if url.query else url.path
        return see_other(f"/sign-in?next={quote(after, safe='/')}")

    async def forbidden(request: Request, error: Exception) -> Response:
        signed_in = await asyncio.to_thread(sign_in.find, request)
        return render_page("refused.html", signed_in, status=403, reason=str(error))

    async def form_refused(_request: Request, error: Exception) -> Response:
        return render_page("refused.html", None, status=400, reason=str(error))

    app.add_exception_handler(NotSignedIn, not_signed_in)
    app.add_exception_handler(Forbidden, forbidden)
    app.add_exception_handler(FormRefused, form_refused)
