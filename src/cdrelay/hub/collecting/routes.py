"""The routes of these pages. An address that leads to nothing gets a page that says so."""

from fastapi import APIRouter, Request, Response

from cdrelay.hub.answering import answered, page_number
from cdrelay.hub.collecting.addresses import ALARMS_PATH, QUARANTINE_PATH, SOURCES_PATH
from cdrelay.hub.collecting.alarms_page import alarms_page
from cdrelay.hub.collecting.parts import CollectingParts
from cdrelay.hub.collecting.quarantine_page import payload_page, quarantine_page
from cdrelay.hub.collecting.sources_page import sources_page


def collecting_router(parts: CollectingParts) -> APIRouter:
    """`/alarms`, `/sources`, `/quarantine`. They need no sign-in: they show counts, times, ids and names of sources."""
    router = APIRouter(include_in_schema=False)

    @router.get(ALARMS_PATH)
    def alarms() -> Response:
        return answered(lambda: alarms_page(parts))

    @router.get(SOURCES_PATH)
    def sources(request: Request) -> Response:
        number = page_number(request.query_params.get("page", ""))
        return answered(lambda: sources_page(parts, number))

    @router.get(QUARANTINE_PATH)
    def quarantine(request: Request) -> Response:
        number = page_number(request.query_params.get("page", ""))
        return answered(lambda: quarantine_page(parts, number))

    @router.get(QUARANTINE_PATH + "/{payload}")
    def payload(payload: str) -> Response:
        return answered(lambda: payload_page(parts, payload))

    return router
