"""Our publisher with faults by name: each changes a question before it is answered, or the answer."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import FastAPI, Request, Response

from cdrelay.contract.times import read_time, write_time

Query = dict[str, str]
Next = Callable[[Request], Awaitable[Any]]


def _rounded(query: Query) -> Query:
    return {name: text[:-1] + ".000Z" if text[-4:-3] == ":" else text for name, text in query.items()}


def _one_page(query: Query) -> Query:
    return {name: text for name, text in query.items() if name != "page"}


def _end_included(query: Query) -> Query:
    try:
        later = write_time(read_time(query["endTime"]) + timedelta(milliseconds=1))
    except (KeyError, ValueError):
        return query
    return query | {"endTime": later}


def _one_spelling(query: Query) -> Query:
    return {name: text for name, text in query.items() if name != "orgID"}


QUESTIONS: dict[str, Callable[[Query], Query]] = {
    "takes times without milliseconds": _rounded,
    "passes over the page": _one_page,
    "includes the end of a period": _end_included,
    "knows orgId alone": _one_spelling,
}


def _counted_wrongly(status: int, body: bytes) -> tuple[int, bytes]:
    document = json.loads(body)
    for line in document.get("cdr_counts", []):
        line["count"] += 1
    return status, json.dumps(document).encode()


def _without_a_key(status: int, body: bytes) -> tuple[int, bytes]:
    return status, body.replace(b'"ELIN":', b'"Elin":')


def _without_parameter(status: int, body: bytes) -> tuple[int, bytes]:
    return status, b'{"message":"Bad request","trackingId":"T_1"}' if status == 400 else body


def _as_page(status: int, body: bytes) -> tuple[int, bytes]:
    return status, body if status < 400 else b"<html>startTime endTime page orgId</html>"


ANSWERS: dict[str, Callable[[int, bytes], tuple[int, bytes]]] = {
    "counts one too many": _counted_wrongly,
    "leaves a key out": _without_a_key,
    "does not name the parameter": _without_parameter,
    "answers errors with a page": _as_page,
    "answers 403 for 401": lambda status, body: (403 if status == 401 else status, body),
    "has nothing for strangers": lambda status, body: (200, b'{"items":[]}') if status == 403 else (status, body),
}
NO_HEADERS = "leaves the page headers out"


def _later(query: Query, **step: float) -> Query:
    try:
        moved = {name: read_time(query[name]) + timedelta(**step) for name in ("startTime", "endTime")}
    except (KeyError, ValueError):
        return query
    return query | {name: write_time(moment) for name, moment in moved.items()}


def _shorter(query: Query) -> Query:
    return query | {"startTime": _later(query, milliseconds=1).get("startTime", "")}


def _strict_max(query: Query) -> Query:
    return query | {"max": "out of range"} if query.get("max", "500") not in {"500", "5000"} else query


HISTORY_QUESTIONS: dict[str, Callable[[Query], Query]] = {
    "takes a period 1 ms too long": _shorter,
    "takes an end of just now": lambda query: _later(query, minutes=-10),
    "refuses a max out of range": _strict_max,
    "passes over locations": lambda query: {name: text for name, text in query.items() if name != "locations"},
}
"""Of `cdr_feed` and `cdr_stream`."""


def _one_less(status: int, body: bytes) -> tuple[int, bytes]:
    document = json.loads(body)
    document["items"] = document.get("items", [])[:-1]
    return status, json.dumps(document).encode() if status == 200 else body


HISTORY_ANSWERS: dict[str, Callable[[int, bytes], tuple[int, bytes]]] = {"leaves a record out": _one_less}
NO_RETRY_AFTER = "does not say how long to wait"


def make_wrong(app: FastAPI, fault: str) -> None:
    """Give the app that fault; before it is served."""

    async def wrongly(request: Request, call_next: Next) -> Response:
        history = request.url.path.startswith("/v1/cdr_")
        questions = QUESTIONS | (HISTORY_QUESTIONS if history else {})
        answers = ANSWERS | (HISTORY_ANSWERS if history else {})
        if fault in questions:
            query = dict(parse_qsl(request.scope["query_string"].decode(), keep_blank_values=True))
            request.scope["query_string"] = urlencode(questions[fault](query)).encode()
        answer = await call_next(request)
        status, body = answer.status_code, b"".join([piece async for piece in answer.body_iterator])
        if fault in answers:
            status, body = answers[fault](status, body)
        left_out = {"content-length"} | {NO_HEADERS: {"num-pages"}, NO_RETRY_AFTER: {"retry-after"}}.get(fault, set())
        headers = {name: text for name, text in answer.headers.items() if name not in left_out}
        return Response(body, status, headers)

    app.middleware("http")(wrongly)
