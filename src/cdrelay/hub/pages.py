"""The frame that the pages behind the sign-in share, and the headers that they go out with."""

from collections.abc import Collection, Mapping
from typing import Any

import jinja2
from fastapi import Response
from fastapi.responses import RedirectResponse

from cdrelay import __version__
from cdrelay.hub.impersonal import impersonal
from cdrelay.hub.relative_time import relative
from cdrelay.hub.sign_in.sessions import SignedIn

NAVIGATION = {"/setup": "Call Detail Records", "/deliveries": "Deliveries", "/tokens": "Tokens"}
_OF_ALL_CUSTOMERS = {"/setup", "/deliveries"}


def _sentence(text: str) -> str:
    """As people write one: a capital, but for the name of a parameter, and a full stop."""
    first = text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]
    return first if first.endswith((".", "!", "?")) else f"{first}."


TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("cdrelay.hub"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["number"] = lambda value: f"{value:,}"
TEMPLATES.filters["clock"] = lambda moment: f"{moment:%H:%M:%S}"
TEMPLATES.filters["day_and_clock"] = lambda moment: f"{moment:%m-%d %H:%M:%S}"
TEMPLATES.filters["day"] = lambda moment: f"{moment:%Y-%m-%d}"
TEMPLATES.filters["minute"] = lambda moment: f"{moment:%Y-%m-%d %H:%M}"
TEMPLATES.filters["sentence"] = _sentence
TEMPLATES.filters["moment"] = lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}"
TEMPLATES.filters["relative"] = relative
TEMPLATES.filters["impersonal"] = impersonal


def page_headers(form_targets: Collection[str] = ()) -> dict[str, str]:
    """Nothing but our own style and forms; `form_targets` are origins that a form may lead to besides."""
    targets = " ".join(["'self'", *form_targets])
    return {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; "
            f"form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        # With `no-referrer` a browser would not say which page a form comes from, either.
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def render_page(
    template: str,
    signed_in: SignedIn | None,
    *,
    status: int = 200,
    path: str = "",
    form_targets: Collection[str] = (),
    navigation: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """A page that extends `frame.html`; None: of somebody who has not signed in. `path` marks where they are."""
    pages = _navigation(signed_in) if navigation is None else navigation
    text = TEMPLATES.get_template(template).render(
        signed_in=signed_in, navigation=pages, path=path, version=__version__, **context
    )
    return Response(text, status, page_headers(form_targets), "text/html; charset=utf-8")


def render_refusal(
    signed_in: SignedIn | None, status: int, reason: str, heading: str = "This is refused", home: str = "/sign-in"
) -> Response:
    """The page that says why there is no other; `home` is where it leads on to."""
    return render_page("refused.html", signed_in, status=status, heading=heading, reason=reason, home=home)


def see_other(path: str) -> Response:
    """Leads a browser there, with GET."""
    return RedirectResponse(path, 303, page_headers())


def _navigation(signed_in: SignedIn | None) -> dict[str, str]:
    if signed_in is None:
        return {}
    assigned = signed_in.administrator.role == "assigned"
    return {path: name for path, name in NAVIGATION.items() if not (assigned and path in _OF_ALL_CUSTOMERS)}
