"""What programs ask of the ledger: `/api/ledger`, and certificates as JSON or PDF."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cdrelay.collector.certificate import as_json
from cdrelay.collector.certificate_pdf import certificate_pdf
from cdrelay.collector.errors import CertificateRefused
from cdrelay.collector.heat_map import HeatQuestion
from cdrelay.collector.heat_marks import MARKS, Mark
from cdrelay.collector.under_repair import read_under_repair
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.contract.query import LARGEST_PAGE_NUMBER, ParameterError, read_page
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period, ceil_to, floor_to
from cdrelay.hub.ledger.addresses import read_beginning
from cdrelay.hub.ledger.answers import CertificateAnswer, LedgerAnswer, Refusal, map_json, repair_json
from cdrelay.hub.ledger.asked import ROWS, Asked
from cdrelay.hub.ledger.parts import LedgerParts, no_organization

MOST_HOURS = 7 * 24
_MOMENT = (
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    r"(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{3})?)?Z)?$"
)
_FORM = "A date, or a time as 2026-11-24T11:00Z; UTC"
_READ = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{3})?)?Z)?", re.ASCII)
_FORMATS = ("json", "pdf")
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "A parameter breaks a rule; the message names it and the rule"},
    503: {"model": Refusal, "description": "No database for the moment"},
}


def ledger_api(parts: LedgerParts) -> APIRouter:
    """Both endpoints. They show counts, times and ids."""
    router = APIRouter(tags=["ledger"])

    @router.get(
        "/api/ledger",
        summary="Completeness by organization and hour, the worst first",
        response_class=JSONResponse,
        responses={200: {"model": LedgerAnswer}, **_ERRORS},
        openapi_extra={"parameters": _map_parameters()},
    )
    def ledger(request: Request) -> Response:
        try:
            question = _question(parts, request.query_params)
        except ParameterError as error:
            return _refused(400, str(error))
        now = parts.clock.now()
        repair = read_under_repair(parts.database, parts.rules, question.source)
        about = {
            "now": write_time(now),
            "hourSeconds": parts.rules.count_span.total_seconds(),
            "repair": repair_json(repair),
        }
        return JSONResponse(about | map_json(parts.heat_maps.draw(question, now), question.period))

    @router.get(
        "/api/ledger/certificate",
        summary="A certificate of completeness",
        response_class=JSONResponse,
        responses={
            200: {"model": CertificateAnswer, "content": {"application/pdf": {}}},
            **_ERRORS,
            404: {"model": Refusal, "description": "No such source, or one that never heard of the organization"},
        },
        openapi_extra={"parameters": _certificate_parameters()},
    )
    def certificate(request: Request) -> Response:
        return _certificate(parts, request.query_params)

    return router


def _question(parts: LedgerParts, query: Mapping[str, str]) -> HeatQuestion:
    span, usual = parts.rules.count_span, Asked().period(parts.clock.now(), parts.rules)
    start = floor_to(_moment("from", query["from"]), span) if "from" in query else None
    end = ceil_to(_moment("to", query["to"]), span) if "to" in query else None
    if end is None:
        end = usual.end if start is None or start < usual.end else start + span
    if start is None:
        start = end - usual.length
    if start >= end:
        raise ParameterError("to", "must be later than from")
    if (end - start) // span > MOST_HOURS:
        raise ParameterError("to", f"must be no more than {MOST_HOURS} hours after from")
    state = query.get("state")
    if state is not None and state not in MARKS:
        raise ParameterError("state", f"must be one of {', '.join(MARKS)}")
    asked: Mark | None = next((one for one in MARKS if one == state), None)
    beginning, page = read_beginning(query.get("orgId", "")), read_page(query.get("page"))
    return HeatQuestion(Period(start, end), span, query.get("source"), beginning, asked, page, ROWS)


def _certificate(parts: LedgerParts, query: Mapping[str, str]) -> Response:
    try:
        period = _whole(parts, query)
        organization, form = _organization(query), query.get("format", "json")
        if form not in _FORMATS:
            raise ParameterError("format", f"must be one of {', '.join(_FORMATS)}")
        key = parts.key(query.get("source", ""), organization, period)
        if key is None:
            return _refused(404, no_organization(query.get("source", ""), organization))
        made = parts.certificates.certificate(key.source, key.org_uuid, period)
    except (ParameterError, CertificateRefused) as error:
        return _refused(400, str(error))
    name = f"completeness-{key.org_uuid}-{period.start:%Y%m%dT%H%M}-{period.end:%Y%m%dT%H%M}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    if form == "pdf":
        return Response(certificate_pdf(made), media_type="application/pdf", headers=headers)
    return Response(
        json.dumps(as_json(made), indent=2, ensure_ascii=False), media_type="application/json", headers=headers
    )


def _whole(parts: LedgerParts, query: Mapping[str, str]) -> Period:
    start, end = _moment("from", query.get("from", "")), _moment("to", query.get("to", ""))
    if start >= end:
        raise ParameterError("to", "must be later than from")
    return Period(start, end)


def _organization(query: Mapping[str, str]) -> str:
    try:
        return organization_uuid(query.get("orgId", ""))
    except ValueError as error:
        raise ParameterError("orgId", f"must be the id of an organization; {error}") from None


def _moment(parameter: str, text: str) -> datetime:
    try:
        if not _READ.fullmatch(text):
            raise ValueError("it has another form")
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    except ValueError:
        raise ParameterError(
            parameter, f"must be a date or a time in UTC such as 2026-11-24T11:00Z, not {text[:40]!r}"
        ) from None
    if not 1970 <= moment.year <= 9000:
        raise ParameterError(parameter, "must lie between the years 1970 and 9000")
    return moment


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)


def _parameter(name: str, description: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def _times(*, required: bool) -> list[dict[str, Any]]:
    moment = {"type": "string", "pattern": _MOMENT}
    start = "Start, included" if required else "Start, included; without it as long before `to` as the page shows"
    end = "End, excluded; whole hours" if required else "End, excluded; without it now"
    return [
        _parameter("from", f"{start}. {_FORM}", moment, required=required),
        _parameter("to", f"{end}. {_FORM}", moment, required=required),
    ]


def _map_parameters() -> list[dict[str, Any]]:
    return [
        *_times(required=False),
        _parameter("source", "Only of this source", {"type": "string"}),
        _parameter("orgId", "Only organizations whose UUID begins so; or an encoded id", {"type": "string"}),
        _parameter("state", "Only organizations with an hour in this state", {"type": "string", "enum": list(MARKS)}),
        _parameter(
            "page",
            f"Page of {ROWS} organizations, from 1",
            {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE_NUMBER},
        ),
    ]


def _certificate_parameters() -> list[dict[str, Any]]:
    return [
        _parameter("source", "Name of the source", {"type": "string"}, required=True),
        _parameter(
            "orgId",
            "Plain UUID, or encoded",
            {"type": "string", "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"},
            required=True,
        ),
        *_times(required=True),
        _parameter("format", "How it is written", {"type": "string", "enum": list(_FORMATS), "default": "json"}),
    ]
