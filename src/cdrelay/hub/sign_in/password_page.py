"""`/password`: an administrator sets another password of their own."""

from fastapi import APIRouter, Request, Response

from cdrelay.hub.pages import render_page
from cdrelay.hub.sign_in.form import SignInPage
from cdrelay.hub.sign_in.sessions import SignedIn
from cdrelay.publisher.access.forms import Form, FormBody
from cdrelay.publisher.access.passwords import SHORTEST_PASSWORD
from cdrelay.publisher.errors import LockedOut, PasswordRefused, SignInRefused


def password_router(page: SignInPage) -> APIRouter:
    """The routes. The password so far is asked for and counted as at the sign-in: an open page is no way round it."""
    router, sign_in = APIRouter(include_in_schema=False), page.sign_in

    @router.get("/password")
    def form(request: Request) -> Response:
        return _show(sign_in.require(request), changed="changed" in request.query_params)

    @router.post("/password")
    def change(request: Request, given: FormBody) -> Response:
        signed_in = sign_in.require(request)
        sign_in.check_csrf(signed_in, given.get("csrf"))
        if given.get("new") != given.get("again"):
            return _show(signed_in, "The new password is not the same both times.")
        try:
            return _change(request, signed_in, given)
        except (SignInRefused, LockedOut):
            return _show(signed_in, "The password so far is wrong, or was wrong too often.")
        except PasswordRefused as error:
            return _show(signed_in, str(error))

    def _change(request: Request, signed_in: SignedIn, given: Form) -> Response:
        store, administrator = sign_in.administrators, signed_in.administrator
        store.check_password(administrator.email, given.get("current"))
        store.set_password(administrator.id, given.get("new"))
        # All sessions have ended with the old password; this browser begins another.
        return page.welcome(request, administrator, "/password?changed")

    return router


def _show(signed_in: SignedIn, problem: str = "", *, changed: bool = False) -> Response:
    return render_page(
        "password.html",
        signed_in,
        status=400 if problem else 200,
        problem=problem,
        changed=changed,
        shortest=SHORTEST_PASSWORD,
    )
