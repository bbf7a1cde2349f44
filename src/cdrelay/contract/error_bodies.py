"""The shape of an error answer: the union of the shapes clients of such APIs know (FACTS 3.5)."""

from typing import Any

import msgspec

from cdrelay.errors import UNREADABLE

TRACKING_HEADER = "Trackingid"
ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["errorCode", "message", "errors", "trackingId"],
    "properties": {
        "errorCode": {"type": "integer", "description": "The HTTP status"},
        "message": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "required": ["description"], "properties": {"description": {"type": "string"}}},
        },
        "trackingId": {"type": "string", "description": f"The same as in the header {TRACKING_HEADER}"},
    },
}
"""Of `error_body`, for OpenAPI."""

_MARKS = frozenset({"errorCode", "code", "errors", "trackingId"})
"""One of them at least is beside the message in every shape (FACTS 3.5)."""


def tracking_id(uuid: str) -> str:
    """A tracking id in the form clients expect, made of a fresh `uuid`."""
    return f"CDRELAY_{uuid}"


def error_body(status: int, message: str, tracking: str) -> dict[str, Any]:
    """The JSON body of an error with HTTP status `status`."""
    return {
        "errorCode": status,
        "message": message,
        "errors": [{"description": message}],
        "trackingId": tracking,
    }


def is_error_body(body: bytes) -> bool:
    """Whether it is an error in one of the shapes that such APIs have, and not one of whoever stands before them."""
    try:
        parsed = msgspec.json.decode(body)
    except UNREADABLE:
        return False
    if not isinstance(parsed, dict) or not isinstance(parsed.get("message"), str):
        return False
    return not parsed.keys().isdisjoint(_MARKS)


def error_message(body: bytes) -> str:
    """What an error body says, from whichever shape, plain text or HTML it came in; at most 300 characters."""
    try:
        parsed = msgspec.json.decode(body)
    except UNREADABLE:
        parsed = None
    if isinstance(parsed, dict):
        errors = parsed.get("errors")
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        text = parsed.get("message") or first.get("description") or ""
    else:
        text = body.decode("utf-8", "replace")
    return " ".join(str(text).split())[:300]
