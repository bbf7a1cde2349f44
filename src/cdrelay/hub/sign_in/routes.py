"""Signing in and out: `/sign-in`, `/sign-out`."""

from fastapi import APIRouter, Request, Response

from cdrelay.hub.pages import see_other
from cdrelay.hub.sign_in.form import SignInPage, landing, local_path
from cdrelay.publisher.access.forms import FormBody


def sign_in_router(page: SignInPage) -> APIRouter:
    """The routes."""
    router, sign_in = APIRouter(include_in_schema=False), page.sign_in

    @router.get("/sign-in")
    def form(request: Request) -> Response:
        after = local_path(request.query_params.get("next", ""))
        signed_in = sign_in.find(request)
        if signed_in is not None:
            return see_other(after or landing(signed_in.administrator))
        return page.show(after, ended=request.query_params.get("ended", ""))

    @router.post("/sign-in")
    def enter(request: Request, given: FormBody) -> Response:
        return page.enter(request, given)

    @router.get("/sign-out")
    def stay() -> Response:
        # Opened by its address, or after signing in anew: that alone signs nobody out.
        return see_other("/sign-in")

    @router.post("/sign-out")
    def leave(request: Request, given: FormBody) -> Response:
        response = see_other("/sign-in")
        signed_in = sign_in.find(request)
        if signed_in is not None:
            sign_in.check_csrf(signed_in, given.get("csrf"))
        sign_in.end(request, response)
        return response

    return router
