"""`/tokens`: an administrator's tokens and consents; for full ones also the partner's, and its integrations."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response

from cdrelay.clock import Clock
from cdrelay.hub.pages import render_page, see_other
from cdrelay.hub.sign_in.sessions import Forbidden, SignedIn, SignIn
from cdrelay.publisher.access.forms import Form, FormBody
from cdrelay.publisher.access.integrations import Integration, Integrations
from cdrelay.publisher.access.oauth import OAuth
from cdrelay.publisher.access.values import LONGEST_LABEL
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.errors import IntegrationRefused
from cdrelay.publisher.parties import CDR_SCOPE, Credential

PAGE = "/tokens"
_SHOWN_AFTER_END = timedelta(days=30)
_MOST_OWN = 100
"""Access tokens of an administrator, made by hand, at a time."""
_MOST_SHOWN = 200
"""Access tokens of the whole partner on the page: an integration that renews often has very many."""

_DONE: Mapping[str, str] = {
    "revoked": "The token is revoked. Programs that use it are refused from now on.",
    "withdrawn": "Your consent is withdrawn. The tokens that came of it have ended.",
    "integration": "The integration is revoked. All its tokens have ended.",
}
"""What is said after it was done, by the page's query."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made just now and is shown this once."""

    what: str
    secrets: dict[str, str]


class TokensPage:
    """Shows and does. All methods block; all raise DatabaseUnavailable."""

    def __init__(
        self,
        sign_in: SignIn,
        integrations: Integrations,
        oauth: OAuth,
        directory: Directory,
        clock: Clock,
        longest: timedelta,
    ) -> None:
        """`longest` is how long a token made by hand lasts at most."""
        self._sign_in = sign_in
        self._integrations = integrations
        self._oauth = oauth
        self._directory = directory
        self._credentials = directory.credentials
        self._clock = clock
        self._longest = longest
        self._days = max(1, int(longest / timedelta(days=1)))

    def show(
        self,
        signed_in: SignedIn,
        made: Made | None = None,
        problem: str = "",
        typed: Form | None = None,
        done: str = "",
    ) -> Response:
        """The page; `typed` is what a form had in it that is refused, `done` one of `_DONE`."""
        administrator = signed_in.administrator
        full = administrator.role == "full"
        now = self._clock.now()
        tokens = self._tokens(signed_in, now - _SHOWN_AFTER_END)
        shown = tokens[:_MOST_SHOWN] if full else []
        names = {one.id: one.name for one in self._sign_in.administrators.of_partner(administrator.partner_id)}
        return render_page(
            "tokens.html",
            signed_in,
            status=400 if problem else 200,
            path=PAGE,
            made=made,
            problem=problem,
            done=_DONE.get(done, ""),
            typed=typed or Form(()),
            partner=self._directory.partner(administrator.partner_id),
            own=_own(tokens, signed_in),
            consents=self._oauth.consents_of(administrator.id),
            tokens=[(one, names.get(one.administrator_id or "", "the operator")) for one in shown],
            more=len(tokens) - len(shown) if full else 0,
            integrations=self._integrations.of_partner(administrator.partner_id) if full else [],
            full=full,
            may_make=administrator.role != "assigned",
            now=now,
            days=self._days,
            scope=CDR_SCOPE,
        )

    def make_token(self, signed_in: SignedIn, form: Form) -> Response:
        """An access token in the administrator's own name."""
        if signed_in.administrator.role == "assigned":
            raise Forbidden("administrators of role assigned get tokens through integrations")
        label, days = form.get("label").strip(), form.get("days").strip()
        if problem := self._token_problem(signed_in, label, days):
            return self.show(signed_in, problem=problem, typed=form)
        administrator, lifetime = signed_in.administrator, min(timedelta(days=int(days)), self._longest)
        token = self._credentials.create_token(
            administrator.partner_id, label, lifetime, administrator_id=administrator.id
        )
        return self.show(signed_in, Made(f"The access token “{label}”", {"Access token": token}))

    def _token_problem(self, signed_in: SignedIn, label: str, days: str) -> str:
        if not label.isprintable() or not 1 <= len(label) <= LONGEST_LABEL:
            return f"The label must have 1 to {LONGEST_LABEL} printable characters."
        if not (days.isascii() and days.isdigit() and len(days) < 10 and 1 <= int(days) <= self._days):
            return f"The days must be a whole number from 1 to {self._days}."
        own = _own(self._tokens(signed_in, self._clock.now()), signed_in)
        lasting = sum(one.revoked_at is None for one in own)
        return "" if lasting < _MOST_OWN else f"You have {_MOST_OWN} tokens already; revoke those you do not need."

    def _tokens(self, signed_in: SignedIn, after: datetime) -> list[Credential]:
        """The partner's that have not ended by then, the newest first."""
        tokens = self._credentials.tokens(signed_in.administrator.partner_id)
        return [one for one in tokens if one.expires_at is None or one.expires_at > after]

    def revoke_token(self, signed_in: SignedIn, form: Form) -> Response:
        """One of their own; for full administrators, any of the partner."""
        found = self._token(signed_in, form.get("id"))
        self._credentials.revoke_token(found.id)
        return see_other(f"{PAGE}?done=revoked")

    def _token(self, signed_in: SignedIn, token_id: str) -> Credential:
        administrator = signed_in.administrator
        for one in self._credentials.tokens(administrator.partner_id):
            theirs = administrator.role == "full" or one.administrator_id == administrator.id
            if one.id == token_id and theirs:
                return one
        raise Forbidden("there is no such token that you may revoke")

    def withdraw(self, signed_in: SignedIn, form: Form) -> Response:
        """Their consents to an integration."""
        self._oauth.withdraw(signed_in.administrator.id, form.get("client_id"))
        return see_other(f"{PAGE}?done=withdrawn")

    def make_integration(self, signed_in: SignedIn, form: Form) -> Response:
        """Of the partner."""
        try:
            made, secret = self._integrations.add(
                form.get("name"),
                form.get("redirect_uris").splitlines(),
                form.get("scopes").split(),
                signed_in.administrator.partner_id,
            )
        except IntegrationRefused as error:
            return self.show(signed_in, problem=str(error), typed=form)
        shown = {"Client id": made.client_id, "Client secret": secret}
        return self.show(signed_in, Made(f"The integration “{made.name}”", shown))

    def revoke_integration(self, signed_in: SignedIn, form: Form) -> Response:
        """With all its tokens."""
        self._integrations.revoke(self._integration(signed_in, form.get("client_id")).client_id)
        return see_other(f"{PAGE}?done=integration")

    def _integration(self, signed_in: SignedIn, client_id: str) -> Integration:
        for one in self._integrations.of_partner(signed_in.administrator.partner_id):
            if one.client_id == client_id:
                return one
        raise Forbidden("there is no such integration of your partner organization")


def _own(tokens: Iterable[Credential], signed_in: SignedIn) -> list[Credential]:
    """Those that the administrator has made by hand."""
    own = signed_in.administrator.id
    return [one for one in tokens if one.administrator_id == own and one.grant_id is None]


def tokens_router(page: TokensPage, sign_in: SignIn) -> APIRouter:
    """The routes: one page, and a form for each thing that can be done there."""
    router = APIRouter(prefix=PAGE, include_in_schema=False)

    @router.get("")
    def tokens(request: Request) -> Response:
        return page.show(sign_in.require(request), done=request.query_params.get("done", ""))

    @router.get("/{step:path}")
    def back() -> Response:
        # What only a form leads to, opened by its address: after signing in anew, or out of the history.
        return see_other(PAGE)

    def _does(path: str, action: Callable[[SignedIn, Form], Response], *, full: bool = False) -> None:
        @router.post(path)
        def act(request: Request, given: FormBody) -> Response:
            signed_in = sign_in.require(request, role="full" if full else None)
            sign_in.check_csrf(signed_in, given.get("csrf"))
            return action(signed_in, given)

    _does("", page.make_token)
    _does("/revoke", page.revoke_token)
    _does("/consents/revoke", page.withdraw)
    _does("/integrations", page.make_integration, full=True)
    _does("/integrations/revoke", page.revoke_integration, full=True)
    return router
