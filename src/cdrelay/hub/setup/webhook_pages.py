"""The pages of a webhook: the form, the review of what it would do, the question before it is removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Response

from cdrelay.callbacks.guard import CallbackRefused
from cdrelay.contract.query import in_words
from cdrelay.contract.windows import Period
from cdrelay.errors import CdrelayError
from cdrelay.hub.pages import render_page, see_other
from cdrelay.hub.setup.changes import FEEDS, changes
from cdrelay.hub.setup.draft import Draft
from cdrelay.hub.setup.form import ROTATIONS, Refusal, Typed, refusals
from cdrelay.hub.setup.parts import SetupParts, off_by_operator
from cdrelay.hub.setup.trial import TrialResult
from cdrelay.hub.sign_in.sessions import SignedIn
from cdrelay.publisher.directory.entitlement import Preview
from cdrelay.publisher.errors import PublisherError, WebhookExists
from cdrelay.publisher.parties import ResourceType, Webhook

PATH = "/setup"


@dataclass(frozen=True, slots=True)
class SetupPages:
    """The pages; all methods block."""

    parts: SetupParts

    def show(
        self,
        signed_in: SignedIn,
        *,
        typed: Typed | None = None,
        refused: Sequence[Refusal] = (),
        problem: str = "",
        done: str = "",
        status: int = 200,
    ) -> Response:
        """The webhook and its form, filled with what was typed or with what is set."""
        webhook = self.parts.webhook(signed_in)
        partner_id = signed_in.administrator.partner_id
        return self._render(
            "setup/page.html",
            signed_in,
            status=status,
            partner=self.parts.directory.partner(partner_id).name,
            webhook=webhook,
            may_set=self.parts.may_set(signed_in, webhook),
            off_by_operator=webhook is not None and off_by_operator(webhook),
            secret_is_lost=self.parts.webhooks.secret_is_lost(partner_id),
            waiting=self.parts.log.waiting(partner_id),
            typed=typed or _typed_of(webhook),
            seen=typed.seen if typed and not problem else self.parts.seen(signed_in),
            refused={refusal.field: refusal.rule for refusal in refused},
            rotations=ROTATIONS,
            feeds=FEEDS,
            tick=in_words(self.parts.rules.tick),
            now=self.parts.clock.now(),
            problem=problem,
            done=done,
        )

    def review(self, signed_in: SignedIn, draft: Draft, trial: TrialResult | None = None) -> Response:
        """What saving a draft would do. Raises nothing: what cannot be counted is said not to be."""
        period = Period(self.parts.clock.now() - self._day, self.parts.clock.now())
        return self._render(
            "setup/review.html",
            signed_in,
            changes=changes(self.parts.webhook(signed_in), draft),
            draft=draft,
            sealed=self.parts.drafts.seal(draft, signed_in),
            feeds=FEEDS,
            counts=self._counts(signed_in.administrator.partner_id, period),
            day=in_words(self._day),
            trial=trial,
        )

    @property
    def _day(self) -> timedelta:
        return self.parts.rules.reach / 2

    def _counts(self, partner_id: str, period: Period) -> dict[ResourceType, Preview]:
        try:
            return dict(self.parts.preview(partner_id, period))
        except (CdrelayError, OSError):
            return {}

    def begin_review(self, signed_in: SignedIn, typed: Typed) -> Response:
        """From the form to the review, or back to the form with every rule that is broken."""
        found = refusals(typed, allow_http=self.parts.webhooks.allow_http)
        if found:
            return self.show(signed_in, typed=typed, refused=found, status=422)
        draft = Draft.of(typed)
        return self._conflict(signed_in, draft) or self.review(signed_in, draft)

    def save(self, signed_in: SignedIn, draft: Draft) -> Response:
        """Save what was reviewed."""
        conflict = self._conflict(signed_in, draft)
        if conflict is not None:
            # Saved twice, as by a double click.
            return see_other(f"{PATH}?done=saved") if self._is_set(signed_in, draft) else conflict
        try:
            self.parts.webhooks.set(
                signed_in.administrator.partner_id,
                draft.url,
                secret=draft.secret,
                unsigned=draft.unsigned,
                previous_valid_for=draft.previous_valid_for,
                resource_type=draft.resource_type,
                alert_url=draft.alert_url,
                replace=bool(draft.seen),
            )
        except WebhookExists:
            return self._exists(signed_in, draft)
        except (PublisherError, CallbackRefused) as error:
            return self.show(signed_in, typed=draft.typed, problem=f"Not saved: {error}", status=409)
        return see_other(f"{PATH}?done=saved")

    def _is_set(self, signed_in: SignedIn, draft: Draft) -> bool:
        """Whether the webhook is already what the draft would make of it."""
        webhook, partner_id = self.parts.webhook(signed_in), signed_in.administrator.partner_id
        wanted = (draft.url, draft.resource_type, draft.alert_url)
        if webhook is None or (webhook.url, webhook.resource_type, webhook.alert_url or "") != wanted:
            return False
        if draft.secret is not None:
            return self.parts.webhooks.secret_is(partner_id, draft.secret)
        return not (draft.unsigned and webhook.signed)

    def _conflict(self, signed_in: SignedIn, draft: Draft) -> Response | None:
        """A page when the webhook is no longer what the form was filled in for."""
        now = self.parts.seen(signed_in)
        if now == draft.seen:
            return None
        if not draft.seen:
            return self._exists(signed_in, draft)
        what = "changed" if now else "removed"
        problem = f"The webhook was {what} meanwhile, here or in another tab. Compare and review again."
        return self.show(signed_in, typed=draft.typed, problem=problem, status=409)

    def _exists(self, signed_in: SignedIn, draft: Draft) -> Response:
        problem = (
            "Your organization has a webhook already, and can have only one. "
            "Review again if what you typed shall replace it."
        )
        return self.show(signed_in, typed=draft.typed, problem=problem, status=409)

    def confirm_removal(self, signed_in: SignedIn) -> Response:
        """What removing means."""
        webhook = self.parts.webhook(signed_in)
        if webhook is None:
            return see_other(PATH)
        waiting = self.parts.log.waiting(signed_in.administrator.partner_id)
        return self._render("setup/remove.html", signed_in, webhook=webhook, waiting=waiting)

    def _render(self, template: str, signed_in: SignedIn, status: int = 200, **context: Any) -> Response:
        return render_page(template, signed_in, status=status, path=PATH, **context)


def _typed_of(webhook: Webhook | None) -> Typed:
    if webhook is None:
        return Typed()
    return Typed(url=webhook.url, resource_type=webhook.resource_type, alert_url=webhook.alert_url or "")
