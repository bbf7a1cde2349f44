"""`/setup`: a partner's webhook. What is typed is reviewed before it is saved; only full administrators save."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from fastapi import APIRouter, Request, Response

from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.hub.pages import see_other
from cdrelay.hub.setup.draft import Draft, DraftRefused
from cdrelay.hub.setup.form import Typed
from cdrelay.hub.setup.parts import SetupParts
from cdrelay.hub.setup.trial import TrialResult
from cdrelay.hub.setup.webhook_pages import PATH, SetupPages
from cdrelay.hub.sign_in.sessions import SignedIn
from cdrelay.publisher.access.forms import Form, FormBody
from cdrelay.publisher.api.rate_limit import RateLimit
from cdrelay.publisher.errors import WebhookUnknown

_TESTS_A_MINUTE = 10

_DONE = {
    "saved": "Saved. Deliveries go to this URL from the next window on.",
    "removed": "The webhook is removed. Nothing is delivered any more.",
    "rotated": "The old secret is no longer valid.",
    "on": "The webhook is on again. What waited is sent now, the oldest first.",
}


def setup_router(parts: SetupParts) -> APIRouter:
    """The page, and the way from its form over review and test delivery to the webhook."""
    router = APIRouter(include_in_schema=False)
    pages = SetupPages(parts)
    tests = RateLimit(parts.clock, _TESTS_A_MINUTE, timedelta(minutes=1))

    @router.get(PATH)
    def show(request: Request) -> Response:
        return pages.show(parts.reader(request), done=_DONE.get(request.query_params.get("done", ""), ""))

    @router.post(f"{PATH}/review")
    def review(request: Request, form: FormBody) -> Response:
        return pages.begin_review(parts.setter(request, form), Typed.read(form))

    @router.post(f"{PATH}/edit")
    def edit(request: Request, form: FormBody) -> Response:
        return _with_draft(pages, request, form, lambda signed_in, draft: pages.show(signed_in, typed=draft.typed))

    @router.post(f"{PATH}/test")
    async def test(request: Request, form: FormBody) -> Response:
        opened = await asyncio.to_thread(_opened, pages, request, form)
        if isinstance(opened, Response):
            return opened
        signed_in, draft = opened
        wait = tests.seconds_to_wait(signed_in.administrator.partner_id)
        if wait:
            trial = TrialResult.not_sent(f"{_TESTS_A_MINUTE} tests a minute are enough; wait {wait} seconds")
        else:
            trial = await _try_out(parts, signed_in, draft)
        return await asyncio.to_thread(pages.review, signed_in, draft, trial)

    @router.post(PATH)
    def save(request: Request, form: FormBody) -> Response:
        return _with_draft(pages, request, form, pages.save)

    @router.get(PATH + "/{step}")
    def back(step: str) -> Response:
        # What only a form leads to, opened by its address: after signing in anew, or out of the history.
        return see_other(PATH)

    return router


def action_router(parts: SetupParts) -> APIRouter:
    """What can be done to a webhook that is set."""
    router = APIRouter(include_in_schema=False)
    pages = SetupPages(parts)

    @router.post(f"{PATH}/end-rotation")
    def end_rotation(request: Request, form: FormBody) -> Response:
        return _act(pages, request, form, parts.webhooks.forget_previous_secret, "rotated")

    @router.post(f"{PATH}/switch-on")
    def switch_on(request: Request, form: FormBody) -> Response:
        return _act(pages, request, form, lambda partner_id: parts.webhooks.set_active(partner_id, active=True), "on")

    @router.get(f"{PATH}/remove")
    def confirm(request: Request) -> Response:
        return pages.confirm_removal(parts.sign_in.require(request, role="full"))

    @router.post(f"{PATH}/remove")
    def remove(request: Request, form: FormBody) -> Response:
        return _act(pages, request, form, parts.webhooks.remove, "removed")

    return router


def _opened(pages: SetupPages, request: Request, form: Form) -> tuple[SignedIn, Draft] | Response:
    """Who would save what; or the page that says why that cannot be known."""
    signed_in = pages.parts.setter(request, form)
    try:
        return signed_in, pages.parts.drafts.open(form.get("draft"), signed_in)
    except DraftRefused as error:
        return pages.show(signed_in, problem=f"Not saved: {error}.", status=409)


def _with_draft(
    pages: SetupPages, request: Request, form: Form, then: Callable[[SignedIn, Draft], Response]
) -> Response:
    opened = _opened(pages, request, form)
    return opened if isinstance(opened, Response) else then(*opened)


async def _try_out(parts: SetupParts, signed_in: SignedIn, draft: Draft) -> TrialResult:
    try:
        secret = await asyncio.to_thread(_secret_to_be, parts, signed_in, draft)
    except SecretUnreadable:
        return TrialResult.not_sent("the secret that is set cannot be read any more; type a new one")
    return await parts.trials.try_out(draft.url, secret)


def _secret_to_be(parts: SetupParts, signed_in: SignedIn, draft: Draft) -> str | None:
    """What deliveries would be signed with. Raises SecretUnreadable."""
    if draft.secret is not None or draft.unsigned or parts.webhook(signed_in) is None:
        return draft.secret
    return parts.webhooks.secret(signed_in.administrator.partner_id)


def _act(pages: SetupPages, request: Request, form: Form, action: Callable[[str], object], done: str) -> Response:
    signed_in = pages.parts.setter(request, form)
    try:
        action(signed_in.administrator.partner_id)
    except WebhookUnknown:
        return pages.show(signed_in, problem="There is no webhook any more.", status=409)
    return see_other(f"{PATH}?done={done}")
