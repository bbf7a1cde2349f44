"""One value of a record between the wire and its type (FACTS section 4).

Providers disagree on form: numbers come as text and text as numbers, times with a space for the T. What is read is the
value; what is written is one canonical form.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cdrelay.records.fields import Field, Kind

Value = str | int | float | bool | datetime

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
_INTEGER = re.compile(r"-?\d{1,19}(?:\.0{1,9})?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_INT64 = range(-(2**63), 2**63)


class Misfit(ValueError):
    """A value that does not fit the type of its field; it is kept as it is, beside the columns."""


def is_gap(field: Field, raw: Any) -> bool:
    """Whether a JSON value means that there is none: null, the empty text, and `NA` or `na` where that is no value."""
    return raw is None or raw == "" or (raw in ("NA", "na") and not field.na_is_value)


def read_value(field: Field, raw: Any) -> Value:
    """The typed value of a JSON value that is no gap (numbers with a fraction as Decimal). Raises Misfit."""
    if isinstance(raw, dict | list):
        raise Misfit(f"{field.name} holds a structure")
    text = str(raw).lower() if isinstance(raw, bool) else str(raw)
    value = _READERS[field.kind](text)
    if value is None:
        raise Misfit(f"{field.name} is no {field.kind.value}")
    return value


def _read_uuid(text: str) -> str:
    """Lower case where it is a UUID; any other text is kept as it is, for its column holds text too."""
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else text


def is_uuid(value: Value | None) -> bool:
    """Whether a value is a UUID in canonical form."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _read_time(text: str) -> datetime | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        # A time without a zone is UTC (FACTS section 4).
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _read_boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _read_integer(text: str) -> int | None:
    if not _INTEGER.fullmatch(text):
        return None
    value = int(text.partition(".")[0])
    return value if value in _INT64 else None


def _read_number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = float(Decimal(text)) + 0.0  # no negative zero
    return value if math.isfinite(value) else None


_READERS: dict[Kind, Callable[[str], Value | None]] = {
    Kind.TEXT: lambda text: text,
    Kind.UUID: _read_uuid,
    Kind.TIMESTAMP: _read_time,
    Kind.BOOLEAN: _read_boolean,
    Kind.INTEGER: _read_integer,
    Kind.NUMBER: _read_number,
}


def write_value(field: Field, value: Value | None) -> str | int:
    """The canonical JSON value: text, save for the two fields that the wire carries as numbers; a gap is ""."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return write_timestamp(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and field.wire_number:
        return value
    return str(value)


def write_timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, or microseconds where there are any, and Z."""
    # Not strftime: it writes years before 1000 without their zeros.
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
