"""What a draft would change of a webhook, in words: before and after. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdrelay.hub.setup.draft import Draft
from cdrelay.hub.setup.form import ROTATIONS
from cdrelay.publisher.parties import Webhook

FEEDS = {"analytics": "Analytics", "billing": "Billing"}
_NONE = "none"
_UNSIGNED = "no secret: deliveries are not signed"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that can be set, before and after."""

    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Whether saving does something to it."""
        return self.before != self.after


def changes(before: Webhook | None, draft: Draft) -> Sequence[Change]:
    """All that can be set; of a webhook that was switched off, also that saving switches it on."""
    found = [
        Change("Callback URL", before.url if before else _NONE, draft.url),
        Change("Secret token", _secret_before(before), _secret_after(before, draft)),
        Change("Resource type", FEEDS[before.resource_type] if before else _NONE, FEEDS[draft.resource_type]),
        Change("Alert URL", (before and before.alert_url) or _NONE, draft.alert_url or _NONE),
    ]
    if before is not None and not before.active:
        found.append(Change("Deliveries", "switched off", "on; what waits is sent"))
    return found


def _secret_before(before: Webhook | None) -> str:
    if before is None:
        return _NONE
    return "a secret is set" if before.signed else _UNSIGNED


def _secret_after(before: Webhook | None, draft: Draft) -> str:
    if draft.secret is not None:
        if before is None or not before.signed:
            return "a secret is set"
        length, words = ROTATIONS[draft.rotation]
        return f"a new secret; the old one stays valid {words}" if length else "a new secret; the old one ends at once"
    if draft.unsigned or before is None or not before.signed:
        return _UNSIGNED
    return "a secret is set"
