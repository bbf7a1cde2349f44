"""The sign-in form: who may try, what a filled form leads to, and where one goes from there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from fastapi import Request, Response

from cdrelay.contract.networks import network_of
from cdrelay.contract.query import in_words
from cdrelay.hub.pages import render_page, see_other
from cdrelay.hub.sign_in.sessions import Forbidden, SignIn
from cdrelay.publisher.access.administrators import SignInPolicy
from cdrelay.publisher.access.forms import Form
from cdrelay.publisher.api.rate_limit import RateLimit
from cdrelay.publisher.errors import LockedOut, SignInRefused
from cdrelay.publisher.parties import Administrator

log = structlog.get_logger()

# No other host: not `//host`, not `/\host`, which browsers read alike; nothing that would break out of a header.
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*", re.ASCII)


ENDED: Mapping[str, str] = {
    "page": "Your session has ended. Sign in to go on.",
    "form": "Your session had ended, so nothing of what you sent was done. Sign in, and do it again.",
}
"""What is said to those whose session ended, by what they asked for."""


@dataclass(frozen=True, slots=True)
class SignInPage:
    """What the sign-in page is built of."""

    sign_in: SignIn
    policy: SignInPolicy
    tries: RateLimit
    """By the network that a request comes from."""
    offers_provider: bool = False
    """Whether one may sign in at the company's provider, too."""

    def show(self, after: str, email: str = "", problem: str = "", status: int = 200, ended: str = "") -> Response:
        """The form; `after` is where it leads, `ended` what a session that has ended did not come to (`ENDED`)."""
        return render_page(
            "sign_in.html",
            None,
            status=status,
            after=after,
            email=email,
            problem=problem,
            ended=ENDED.get(ended, ""),
            offers_provider=self.offers_provider,
        )

    def barred(self, request: Request, after: str, email: str = "") -> Response | None:
        """The page for an address that has tried too often; else the attempt is counted."""
        seconds = self.tries.seconds_to_wait(network_of(request.client.host if request.client else ""))
        if not seconds:
            return None
        page = self.show(after, email, f"Too many attempts from your address. Wait {seconds} seconds.", 429)
        page.headers["Retry-After"] = str(seconds)
        return page

    def enter(self, request: Request, form: Form) -> Response:
        """What a filled form leads to. The answer to a locked address is that to a wrong password. Raises Forbidden."""
        after, email = local_path(form.get("next")), form.get("email")
        if from_elsewhere(request):
            raise Forbidden("this form was sent from another site; open the sign-in page and repeat")
        if barred := self.barred(request, after, email):
            return barred
        try:
            administrator = self.sign_in.administrators.check_password(email, form.get("password"))
        except (SignInRefused, LockedOut) as error:
            log.warning("sign_in.refused", reason=type(error).__name__)
            problem = (
                "The e-mail address or the password is wrong. "
                f"After {self.policy.failures} failures in a row an address is locked for {in_words(self.policy.lock)}."
            )
            return self.show(after, email, problem, 403)
        return self.welcome(request, administrator, after)

    def welcome(self, request: Request, administrator: Administrator, after: str) -> Response:
        """Begin the session of one who has proved who they are, and lead them on."""
        response = see_other(after or landing(administrator))
        self.sign_in.begin(administrator, request, response)
        log.info("sign_in.begun", administrator=administrator.id)
        return response


def landing(administrator: Administrator) -> str:
    """Where one who signs in without a page in mind begins."""
    return "/tokens" if administrator.role == "assigned" else "/setup"


def local_path(text: str) -> str:
    """The path when it leads to a page of ours; else nothing."""
    return text if _LOCAL.fullmatch(text) else ""


def from_elsewhere(request: Request) -> bool:
    """Whether a browser says that a form was sent from another site. Clients that are no browsers say nothing."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.url.netloc
