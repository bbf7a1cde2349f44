"""The form of a webhook: what was typed, and which rules it breaks. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from cdrelay.callbacks.guard import require_callback_url
from cdrelay.errors import CdrelayError
from cdrelay.publisher.access.forms import Form
from cdrelay.publisher.delivery.webhooks import require_secret

ROTATIONS: Mapping[str, tuple[timedelta, str]] = {
    "none": (timedelta(0), "not at all: it ends when you save"),
    "1h": (timedelta(hours=1), "for 1 hour"),
    "24h": (timedelta(hours=24), "for 24 hours"),
    "7d": (timedelta(days=7), "for 7 days"),
}
"""How long the secret before may stay valid beside a new one: the form's value, the duration, its words."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The form as it was sent. `secret` is never put into a page again."""

    url: str = ""
    secret: str = field(default="", repr=False)
    remove_secret: bool = False
    rotation: str = "none"
    resource_type: str = ""
    alert_url: str = ""
    seen: str = ""
    """What the webhook was like when the form was shown (`seen_as`): nothing when there was none."""

    @classmethod
    def read(cls, form: Form) -> "Typed":
        """Out of the fields of a POST; spaces around a pasted URL are nobody's intention."""
        return cls(
            url=form.get("url").strip(),
            secret=form.get("secret"),
            remove_secret=bool(form.get("remove_secret")),
            rotation=form.get("rotation", "none"),
            resource_type=form.get("resource_type"),
            alert_url=form.get("alert_url").strip(),
            seen=form.get("seen"),
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that a field breaks, in words that can stand beside it."""

    field: str
    rule: str


def refusals(typed: Typed, *, allow_http: bool) -> list[Refusal]:
    """All rules that are broken, in the order of the fields on the page."""
    found = [
        Refusal("url", "a URL is needed: without one there is nowhere to deliver to") if not typed.url else None,
        _broken("url", require_callback_url, typed.url, allow_http=allow_http) if typed.url else None,
        _secret_refusal(typed),
        Refusal("rotation", "the time must be one of the choices") if typed.rotation not in ROTATIONS else None,
        Refusal("resource_type", "a choice is needed: Analytics or Billing")
        if typed.resource_type not in ("analytics", "billing")
        else None,
        _alert_refusal(typed, allow_http),
    ]
    return [one for one in found if one is not None]


def _secret_refusal(typed: Typed) -> Refusal | None:
    if not typed.secret:
        return None
    if typed.remove_secret:
        return Refusal("secret", "a secret cannot be both set and removed; do one of the two")
    return _broken("secret", require_secret, typed.secret)


def _alert_refusal(typed: Typed, allow_http: bool) -> Refusal | None:
    if not typed.alert_url:
        return None
    if typed.alert_url == typed.url:
        return Refusal(
            "alert_url", "the alert URL must be another one than the callback URL: it is told when that one fails"
        )
    return _broken("alert_url", require_callback_url, typed.alert_url, allow_http=allow_http, called="the alert URL")


def _broken(field_name: str, require: Callable[..., None], value: str, **options: bool | str) -> Refusal | None:
    try:
        require(value, **options)
    except CdrelayError as error:
        return Refusal(field_name, str(error))
    return None
