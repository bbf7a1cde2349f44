"""`/v1/directory/…`: partners, organizations, relations, licences and administrators, for the operator's programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, create_model

from cdrelay.contract.error_bodies import TRACKING_HEADER
from cdrelay.publisher.access.operator_keys import OperatorKeys
from cdrelay.publisher.api.record_answers import LINK
from cdrelay.publisher.api_errors import ApiError, described, tracking_of
from cdrelay.publisher.bulk.changes import KEYS
from cdrelay.publisher.bulk.formats import Format, read_document, write_document
from cdrelay.publisher.bulk.importing import Bulk
from cdrelay.publisher.bulk.report import report_values
from cdrelay.publisher.directory.rows import ROWS, Kind
from cdrelay.publisher.directory_api.asking import (
    LARGEST_DOCUMENT,
    body,
    content_type,
    doing,
    operator_required,
    parameters,
    read_body,
    read_entry,
    read_parameters,
)
from cdrelay.publisher.directory_api.models import Answer, ExportAsked, ImportAnswer, ImportAsked, Paged

_LISTED = 1_000
"""Changes, and refusals, that the answer to an import names."""
_ALWAYS = described(
    s400="A parameter, the body or one of its fields is malformed; the message names it and the rule",
    s401="No operator key, or one that is unknown or revoked",
    s503="No database for the moment; come again after Retry-After",
)
_UNKNOWN = described(s404="There is no such entry, or none that a field refers to")
_WRITTEN = described(
    s409="It does not go together with an entry that is there, or two of its fields do not; the message says which",
    s413="The body is too large",
    s415="The body has another content type, or is packed",
)
_LOCATION = {"Location": {"description": "Where the new entry is", "schema": {"type": "string"}}}
_CONTENT_TYPES: dict[str, Format] = {"application/json": "json", "text/csv": "csv"}


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of entries: what it is asked with, what it answers, and the stores' part in it. All of them block."""

    kind: Kind
    one: str
    """How one entry is called, with its article."""
    answer: type[Answer]
    asked: type[Paged]
    change: type[BaseModel]
    listed: Callable[[Any, int], Sequence[Any]]
    """So many entries by key, as asked for."""
    get: Callable[[str], Any]
    add: Callable[[Any], Any]
    changed: Callable[[str, Any], Any]
    remove: Callable[[str], None] | None = None


def directory_router(resources: Sequence[Resource], bulk: Bulk, keys: OperatorKeys) -> APIRouter:
    """The routes; `install_error_handlers` gives their errors their shape. Parameters nobody knows are passed over."""
    router = APIRouter(
        prefix="/v1/directory", tags=["directory"], dependencies=[Depends(operator_required(keys))], responses=_ALWAYS
    )
    for resource in resources:
        _add_list_routes(router, resource)
        _add_entry_routes(router, resource)
    _add_bulk_routes(router, bulk)
    return router


def _answer(request: Request, resource: Resource, entry: Any, status: int = 200, **headers: str) -> Response:
    content = resource.answer.model_validate(entry).model_dump(mode="json", by_alias=True)
    return JSONResponse(content, status, headers=headers | {TRACKING_HEADER: tracking_of(request)})


def _add_list_routes(router: APIRouter, resource: Resource) -> None:
    path, key = f"/{resource.kind}", KEYS[resource.kind]
    page = create_model(f"{resource.answer.__name__}s", items=(list[resource.answer], ...))  # type: ignore[name-defined]

    @router.get(
        path,
        summary=f"The {resource.kind}, by id",
        response_model=page,
        responses={200: {"headers": LINK}, **_UNKNOWN},
        openapi_extra={"parameters": parameters(resource.asked)},
        name=f"list_{resource.kind}",
    )
    async def list_entries(request: Request) -> Response:
        asked = read_parameters(request, resource.asked)
        # One more than fits tells whether there is a next page.
        found = await doing(lambda: resource.listed(asked, asked.max + 1))
        headers = {TRACKING_HEADER: tracking_of(request)}
        if len(found) > asked.max:
            following = dict(request.query_params) | {"after": getattr(found[asked.max - 1], key)}
            headers["Link"] = f'<{request.url.replace(query=urlencode(following))}>; rel="next"'
        items = [resource.answer.model_validate(entry) for entry in found[: asked.max]]
        return JSONResponse(page(items=items).model_dump(mode="json", by_alias=True), headers=headers)

    @router.post(
        path,
        summary=f"Add {resource.one}",
        status_code=201,
        response_model=resource.answer,
        responses={201: {"headers": _LOCATION}, **_UNKNOWN, **_WRITTEN},
        openapi_extra={"requestBody": body({"application/json": ROWS[resource.kind].model_json_schema()})},
        name=f"add_{resource.kind}",
    )
    async def add_entry(request: Request) -> Response:
        row = await read_entry(request, ROWS[resource.kind])
        added = await doing(lambda: resource.add(row))
        return _answer(request, resource, added, 201, Location=f"{router.prefix}{path}/{getattr(added, key)}")


def _add_entry_routes(router: APIRouter, resource: Resource) -> None:
    path = f"/{resource.kind}/{{entry_id}}"

    @router.get(
        path,
        summary=f"Look at {resource.one}",
        response_model=resource.answer,
        responses=_UNKNOWN,
        name=f"get_{resource.kind}",
    )
    async def get_entry(request: Request, entry_id: str) -> Response:
        return _answer(request, resource, await doing(lambda: resource.get(entry_id)))

    @router.patch(
        path,
        summary=f"Change {resource.one}",
        response_model=resource.answer,
        responses={**_UNKNOWN, **_WRITTEN},
        openapi_extra={"requestBody": body({"application/json": resource.change.model_json_schema()})},
        name=f"change_{resource.kind}",
    )
    async def change_entry(request: Request, entry_id: str) -> Response:
        """A field that is not given stays as it is."""
        change = await read_entry(request, resource.change)
        return _answer(request, resource, await doing(lambda: resource.changed(entry_id, change)))

    if (remove := resource.remove) is None:
        return

    @router.delete(
        path,
        summary=f"Remove {resource.one}",
        status_code=204,
        responses={**_UNKNOWN, **described(s409="It has begun, and calls hang on it; it can be ended")},
        name=f"remove_{resource.kind}",
    )
    async def remove_entry(request: Request, entry_id: str) -> Response:
        await doing(lambda: remove(entry_id))
        return Response(status_code=204, headers={TRACKING_HEADER: tracking_of(request)})


def _add_bulk_routes(router: APIRouter, bulk: Bulk) -> None:
    lists: Mapping[str, Any] = {kind: {"type": "array", "items": {}} for kind in ROWS}
    document = {"type": "object", "properties": lists, "additionalProperties": False}
    refused: dict[int | str, dict[str, Any]] = {
        409: {"model": ImportAnswer, "description": "A row was refused, and `strict` asked to do nothing then"}
    }

    @router.post(
        "/import",
        summary="Bring the directory to what a document says",
        response_model=ImportAnswer,
        responses={**_WRITTEN, **refused},
        openapi_extra={
            "parameters": parameters(ImportAsked),
            "requestBody": body({"application/json": document, "text/csv": {"type": "string"}}),
        },
    )
    async def import_document(request: Request) -> Response:
        """Add what is new, change what differs; name and leave out rows that break a rule. Again changes nothing."""
        asked = read_parameters(request, ImportAsked)
        document_format = _CONTENT_TYPES.get(content_type(request))
        if document_format is None:
            raise ApiError(415, f"the Content-Type must be {' or '.join(_CONTENT_TYPES)}")
        data = await read_body(request, LARGEST_DOCUMENT)

        def bring() -> tuple[bool, dict[str, Any]]:
            rows = read_document(data, document_format, asked.kind)
            if asked.dry_run:
                plan = bulk.plan(rows, remove_missing=asked.remove_missing)
            else:
                plan = bulk.bring(rows, remove_missing=asked.remove_missing, strict=asked.strict)
            withheld = asked.strict and bool(plan.refused)
            report = report_values(plan, done=not asked.dry_run and not withheld, limit=_LISTED)
            return withheld and not asked.dry_run, report

        failed, report = await doing(bring)
        return JSONResponse(report, 409 if failed else 200, headers={TRACKING_HEADER: tracking_of(request)})

    @router.get(
        "/export",
        summary="The directory as a document that can be imported",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"application/json": {"schema": document}, "text/csv": {"schema": {"type": "string"}}}}
        },
        openapi_extra={"parameters": parameters(ExportAsked)},
    )
    async def export_document(request: Request) -> Response:
        """All of one moment. No passwords. JSON, or CSV with `Accept: text/csv`, which holds one kind of entries."""
        asked = read_parameters(request, ExportAsked)
        as_csv = "text/csv" in request.headers.get("Accept", "").lower()
        if as_csv and asked.kind is None:
            raise ApiError(400, "kind: must be given for CSV, which holds one kind of entries")
        entries = await doing(lambda: bulk.export([asked.kind] if asked.kind else tuple(ROWS)))
        pieces = write_document(entries, "csv" if as_csv else "json")
        media = "text/csv; charset=utf-8" if as_csv else "application/json"
        return StreamingResponse(pieces, media_type=media, headers={TRACKING_HEADER: tracking_of(request)})
