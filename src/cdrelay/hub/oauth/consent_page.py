"""`/v1/authorize`: an administrator is asked whether an integration may have tokens in their name (RFC 6749 4.1)."""

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Depends, Request, Response

from cdrelay.hub.pages import render_page, render_refusal, see_other
from cdrelay.hub.sign_in.sessions import Forbidden, SignedIn, SignIn
from cdrelay.publisher.access.consent import Asked, Sender, read_asked, read_sender
from cdrelay.publisher.access.forms import Form, FormBody
from cdrelay.publisher.access.integrations import Integrations
from cdrelay.publisher.access.oauth import OAuth
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.errors import OAuthError, RedirectRefused
from cdrelay.publisher.parties import CDR_SCOPE

MEANINGS = {CDR_SCOPE: "read the call detail records of the customers that you may see"}
"""What a scope is good for here. Others may be asked for, as integrations for the provider do, and give nothing."""

_ANYWHERE = ("https:", "http:")
"""Where the form of the consent may lead: Chromium holds each redirect after it to this, also those that follow at the
integration's own servers."""


def _query(request: Request) -> Form:
    return Form(parse_qsl(request.url.query, keep_blank_values=True))


Query = Annotated[Form, Depends(_query)]


def consent_router(sign_in: SignIn, integrations: Integrations, oauth: OAuth, directory: Directory) -> APIRouter:
    """The routes. The request stays in the address; the form adds the decision, so that both are checked again."""
    router = APIRouter(prefix="/v1", tags=["tokens"])

    @router.get(
        "/authorize",
        summary="Ask an administrator for consent",
        responses=_ANSWERS,
        status_code=303,
        response_class=Response,
        openapi_extra={"parameters": _PARAMETERS},
    )
    def ask(request: Request, query: Query) -> Response:
        """For browsers. Leads back to the redirect address with a code, or with an error, and the state."""
        return _answered(request, query, None)

    @router.post("/authorize", include_in_schema=False)
    def decide(request: Request, query: Query, given: FormBody) -> Response:
        return _answered(request, query, given)

    def _answered(request: Request, query: Form, given: Form | None) -> Response:
        try:
            sender = read_sender(query, integrations)
        except RedirectRefused as error:
            # Nobody who could be told: the person at the browser is.
            return render_refusal(sign_in.find(request), 400, str(error))
        try:
            asked = read_asked(query, sender)
        except OAuthError as error:
            return see_other(sender.refusal(error))
        signed_in = sign_in.require(request)
        _require_own(signed_in, sender)
        if given is None:
            return _page(request, signed_in, sender, asked)
        sign_in.check_csrf(signed_in, given.get("csrf"))
        if given.get("decision") == "approve":
            return see_other(sender.answer(code=oauth.approve(sender, asked, signed_in.administrator)))
        return see_other(sender.refusal(OAuthError("access_denied", "the administrator has refused")))

    def _page(request: Request, signed_in: SignedIn, sender: Sender, asked: Asked) -> Response:
        partner = directory.partner(signed_in.administrator.partner_id)
        return render_page(
            "consent.html",
            signed_in,
            form_targets=_ANYWHERE,
            integration=sender.integration,
            partner=partner,
            host=urlsplit(sender.redirect_uri).netloc,
            scopes=[
                (scope, MEANINGS.get(scope, "something else, which this server does not have"))
                for scope in asked.scopes
            ],
            address=f"{request.url.path}?{request.url.query}",
        )

    return router


_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"description": "A page for the administrator", "content": {"text/html": {}}},
    303: {"description": "To the sign-in page, or to the redirect address"},
    400: {"description": "A page: the integration or its redirect address is unknown", "content": {"text/html": {}}},
    403: {"description": "A page: the integration is another partner's", "content": {"text/html": {}}},
}


_PARAMETERS = [
    {"name": name, "in": "query", "required": required, "description": what, "schema": {"type": "string"}}
    for name, required, what in (
        ("client_id", True, "Of the integration"),
        ("redirect_uri", True, "One of those it has registered, letter by letter"),
        ("response_type", True, "code"),
        ("scope", False, "Separated by blanks; all that are registered when left out"),
        ("state", False, "Comes back as it is"),
        ("code_challenge", False, "PKCE (RFC 7636)"),
        ("code_challenge_method", False, "S256, or plain, which is meant when left out"),
    )
]


def _require_own(signed_in: SignedIn, sender: Sender) -> None:
    owner = sender.integration.partner_id
    if owner not in (None, signed_in.administrator.partner_id):
        raise Forbidden("this integration is another partner's")
