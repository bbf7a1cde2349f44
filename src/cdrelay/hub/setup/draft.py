"""A webhook as it would be: it goes from the review to the saving inside of the page, sealed.

The page holds it as ciphertext that nobody without this installation's key can read or make. It fits the session and
the partner that it was made in, for an hour.
"""

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cdrelay.clock import Clock
from cdrelay.control.secrets_at_rest import SecretBox, SecretUnreadable
from cdrelay.errors import CdrelayError
from cdrelay.hub.setup.form import ROTATIONS, Typed
from cdrelay.hub.sign_in.sessions import SignedIn
from cdrelay.publisher.parties import ResourceType, Webhook

_PURPOSE = "webhook draft"
_LIFETIME = timedelta(hours=1)


class DraftRefused(CdrelayError):
    """A draft that is too old, of another session or partner, or none at all."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What shall be saved."""

    url: str
    secret: str | None = field(repr=False)
    """None: the one there is stays."""
    unsigned: bool
    rotation: str
    resource_type: ResourceType
    alert_url: str
    seen: str

    @classmethod
    def of(cls, typed: Typed) -> "Draft":
        """Of a form without refusals."""
        return cls(
            url=typed.url,
            secret=typed.secret or None,
            unsigned=typed.remove_secret,
            rotation=typed.rotation,
            resource_type="billing" if typed.resource_type == "billing" else "analytics",
            alert_url=typed.alert_url,
            seen=typed.seen,
        )

    @property
    def typed(self) -> Typed:
        """The form that leads to it."""
        return Typed(
            url=self.url,
            secret=self.secret or "",
            remove_secret=self.unsigned,
            rotation=self.rotation,
            resource_type=self.resource_type,
            alert_url=self.alert_url,
            seen=self.seen,
        )

    @property
    def previous_valid_for(self) -> timedelta:
        """How long the secret before stays valid beside a new one."""
        return ROTATIONS[self.rotation][0]


def seen_as(webhook: Webhook, secret_mark: str) -> str:
    """A short text that differs when what an administrator can set differs."""
    shown = (webhook.url, secret_mark, webhook.resource_type, webhook.alert_url, webhook.created_at)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


class Drafts:
    """Seals drafts and opens them again."""

    def __init__(self, secret_box: SecretBox, clock: Clock) -> None:
        self._box = secret_box
        self._clock = clock

    def seal(self, draft: Draft, signed_in: SignedIn) -> str:
        """As a text for a hidden field."""
        bound = {"purpose": _PURPOSE, "bound": _bound_to(signed_in), "at": self._clock.now().isoformat()}
        return self._box.seal(json.dumps(bound | {"draft": asdict(draft)})).decode()

    def open(self, sealed: str, signed_in: SignedIn) -> Draft:
        """What `seal` was given in the same session. Raises DraftRefused."""
        try:
            content: Any = json.loads(self._box.open(sealed.encode()))
        except (SecretUnreadable, ValueError) as error:
            raise DraftRefused("what was to be saved cannot be read; fill in the form again") from error
        if not isinstance(content, dict) or content.get("purpose") != _PURPOSE:
            raise DraftRefused("what was to be saved cannot be read; fill in the form again")
        if not hmac.compare_digest(content["bound"], _bound_to(signed_in)):
            raise DraftRefused("what was to be saved belongs to another session; fill in the form again")
        if self._clock.now() - datetime.fromisoformat(content["at"]) > _LIFETIME:
            raise DraftRefused("what was to be saved is more than an hour old; fill in the form again")
        return Draft(**content["draft"])


def _bound_to(signed_in: SignedIn) -> str:
    named = f"{signed_in.csrf} {signed_in.administrator.id} {signed_in.administrator.partner_id}"
    return hashlib.sha256(named.encode()).hexdigest()
