"""What the pages of Call Detail Records stand on, and who may see them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import Request

from cdrelay.clock import Clock
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.hub.setup.draft import Drafts, seen_as
from cdrelay.hub.setup.trial import Trials
from cdrelay.hub.sign_in.sessions import Forbidden, SignedIn, SignIn
from cdrelay.publisher.access.forms import Form
from cdrelay.publisher.delivery.delivery_log import DeliveryLog
from cdrelay.publisher.delivery.resending import Resent
from cdrelay.publisher.delivery.webhooks import BY_OPERATOR, Webhooks
from cdrelay.publisher.directory.entitlement import Preview
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.errors import WebhookUnknown
from cdrelay.publisher.parties import ResourceType, Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupParts:
    """The stores and callables; all of them block, but for the tests."""

    sign_in: SignIn
    directory: Directory
    webhooks: Webhooks
    drafts: Drafts
    log: DeliveryLog
    preview: Callable[[str, Period], Mapping[ResourceType, Preview]]
    send_again: Callable[[str, Period], Resent]
    trials: Trials
    clock: Clock
    rules: Rules
    send_empty_windows: bool

    def reader(self, request: Request) -> SignedIn:
        """Who may see set-up and deliveries. Raises NotSignedIn, Forbidden."""
        signed_in = self.sign_in.require(request)
        if signed_in.administrator.role == "assigned":
            raise Forbidden("this page is about all customers of your organization; you see those assigned to you")
        return signed_in

    def setter(self, request: Request, form: Form) -> SignedIn:
        """Who may do what a form asks for. Raises NotSignedIn, Forbidden."""
        signed_in = self.sign_in.require(request, role="full")
        self.sign_in.check_csrf(signed_in, form.get("csrf"))
        webhook = self.webhook(signed_in)
        if webhook is not None and off_by_operator(webhook):
            raise Forbidden("the operator has switched this webhook off; ask them before you change it")
        return signed_in

    def webhook(self, signed_in: SignedIn) -> Webhook | None:
        """That of the administrator's partner; None: there is none."""
        try:
            return self.webhooks.get(signed_in.administrator.partner_id)
        except WebhookUnknown:
            return None

    def seen(self, signed_in: SignedIn) -> str:
        """What the webhook is like now, as `seen_as` has it; nothing where there is none."""
        try:
            partner_id = signed_in.administrator.partner_id
            return seen_as(self.webhooks.get(partner_id), self.webhooks.secret_mark(partner_id))
        except WebhookUnknown:
            return ""

    def may_set(self, signed_in: SignedIn, webhook: Webhook | None) -> bool:
        """Whether the pages show controls."""
        return signed_in.administrator.role == "full" and not (webhook is not None and off_by_operator(webhook))


def off_by_operator(webhook: Webhook) -> bool:
    """Whether no failure has switched it off, but who runs the publisher."""
    return not webhook.active and webhook.switched_off_because == BY_OPERATOR
