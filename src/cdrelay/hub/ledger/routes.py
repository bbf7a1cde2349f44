"""The pages of the ledger. Addresses that lead to nothing get a page that says so."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from cdrelay.hub.answering import answered, page_number
from cdrelay.hub.ledger.addresses import DRIFT_PATH, PATH, TRACE_PATH
from cdrelay.hub.ledger.asked import Asked
from cdrelay.hub.ledger.drift_page import drift_page
from cdrelay.hub.ledger.hour_page import hour_page
from cdrelay.hub.ledger.map_page import map_page
from cdrelay.hub.ledger.organization_page import organization_page
from cdrelay.hub.ledger.parts import LedgerParts
from cdrelay.hub.ledger.trace_page import trace_form, trace_page
from cdrelay.hub.pages import see_other


def ledger_router(parts: LedgerParts) -> APIRouter:
    """`/ledger`, an organization, and an hour of it. They need no sign-in: they show counts, times and ids."""
    router = APIRouter(include_in_schema=False)

    @router.get(PATH)
    def shown(request: Request) -> Response:
        return answered(lambda: map_page(parts, Asked.read(request.query_params)))

    @router.get(PATH + "/{source}/{organization}")
    def organization(request: Request, source: str, organization: str) -> Response:
        until = request.query_params.get("until", "")
        return answered(lambda: organization_page(parts, source, organization.lower(), until))

    @router.get(PATH + "/{source}/{organization}/{hour}")
    def hour(request: Request, source: str, organization: str, hour: str) -> Response:
        number = page_number(request.query_params.get("page", ""))
        return answered(lambda: hour_page(parts, source, organization.lower(), hour, number))

    @router.get(TRACE_PATH)
    def ask(request: Request) -> Response:
        report_id = request.query_params.get("id", "").strip()
        return see_other(f"{TRACE_PATH}/{quote(report_id[:100], safe='')}") if report_id else trace_form(parts)

    @router.get(TRACE_PATH + "/{report_id}")
    def trace(request: Request, report_id: str) -> Response:
        at = request.query_params.get("at", "")
        return answered(lambda: trace_page(parts, report_id, at))

    @router.get(DRIFT_PATH)
    def drift() -> Response:
        return answered(lambda: drift_page(parts))

    return router
