"""`/deliveries`: a partner's windows and what became of them; sending again what is in reach."""

import re

from fastapi import APIRouter, Request, Response

from cdrelay.hub.pages import see_other
from cdrelay.hub.setup.log_pages import PATH, Asked, LogPages, RangeForm
from cdrelay.hub.setup.parts import SetupParts
from cdrelay.publisher.access.forms import FormBody


def log_router(parts: SetupParts) -> APIRouter:
    """The log, one delivery, and sending again."""
    router = APIRouter(include_in_schema=False)
    pages = LogPages(parts)

    @router.get(PATH)
    def windows(request: Request) -> Response:
        query = request.query_params
        return pages.windows(parts.reader(request), Asked.read(query), done=_done(query.get("again", "")))

    @router.get(f"{PATH}/send-again")
    def back() -> Response:
        # What only a form leads to, opened by its address: after signing in anew, or out of the history.
        return see_other(PATH)

    @router.get(PATH + "/{delivery_id}")
    def delivery(request: Request, delivery_id: str) -> Response:
        return pages.delivery(parts.reader(request), delivery_id)

    @router.post(f"{PATH}/send-again")
    def send_again(request: Request, form: FormBody) -> Response:
        return pages.send_again(parts.setter(request, form), RangeForm(form.get("from"), form.get("to")))

    return router


def _done(again: str) -> str:
    if not re.fullmatch(r"[0-9]{1,6}", again, re.ASCII):
        return ""
    number = int(again)
    return (
        f"{number:,} window{' is' if number == 1 else 's are'} being sent again."
        if number
        else ("There was nothing to send again: no window of your organization lies in that range.")
    )
