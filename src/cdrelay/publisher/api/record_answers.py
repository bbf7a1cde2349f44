"""The document of records, sent as it is read: no answer is held in memory."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from cdrelay.contract.error_bodies import TRACKING_HEADER
from cdrelay.contract.history import HistoryQuery
from cdrelay.lake.store import RecordPage
from cdrelay.publisher.api_errors import tracking_of
from cdrelay.records.fields import FIELDS

# Bytes of records that are sent at once; each piece costs a change of threads.
_PIECE = 1024 * 1024


RECORD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "CallRecord",
    "description": 'Flat, gaps as "". Other keys may be added at any time.',
    "required": ["Report ID", "Report time", "Org UUID"],
    "properties": {one.name: {"description": one.description} for one in FIELDS},
}
LINK = {"Link": {"description": 'The next page, as rel="next"; absent on the last', "schema": {"type": "string"}}}
"""The header of pages, for OpenAPI."""


class Records(BaseModel):
    """Records of the Detailed Call History format; pages follow the time that selects them."""

    items: list[dict[str, Any]] = Field(json_schema_extra={"items": RECORD_SCHEMA})


def answer_records(request: Request, records: Iterable[bytes], next_query: str | None = None) -> Response:
    """The answer that holds `records`, and a link to the next page where there is one."""
    pieces = in_pieces(records)
    # The first piece is read before the status is said, so that a lake that cannot be read is an error.
    first = next(pieces)
    headers = {TRACKING_HEADER: tracking_of(request)}
    if next_query is not None:
        headers["Link"] = f'<{request.url.replace(query=next_query)}>; rel="next"'
    return StreamingResponse(chain([first], pieces), media_type="application/json", headers=headers)


def answer_page(request: Request, page: RecordPage, org_uuid: str, query: HistoryQuery) -> Response:
    """The answer that holds a page of an organization's records."""
    following = page.following
    next_query = None if following is None else query.next_query(org_uuid, following)
    return answer_records(request, page.records, next_query)


def in_pieces(records: Iterable[bytes], size: int = _PIECE) -> Iterator[bytes]:
    """The document `{"items":[…]}` of records that are JSON text, in pieces of about `size` bytes."""
    begun, waiting, gathered = b'{"items":[', [], 0
    for record in records:
        waiting.append(record)
        gathered += len(record)
        if gathered >= size:
            yield begun + b",".join(waiting)
            begun, waiting, gathered = b",", [], 0
    if waiting or begun != b",":
        yield begun + b",".join(waiting)
    yield b"]}"
