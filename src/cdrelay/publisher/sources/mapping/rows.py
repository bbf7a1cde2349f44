"""The shape of a mapping: a table of our fields, each with where its value comes from, read by code and by people."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from cdrelay.records.fields import BY_NAME
from cdrelay.records.values import Value, write_value

Cdr = TypeVar("Cdr")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNT = re.compile(r"\d{1,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row(Generic[Cdr]):
    """How one field of the record is filled."""

    field: str
    """The key on the wire."""
    source: str
    """Where the value comes from, in the platform's words; for the documentation."""
    value: Callable[[Cdr], Value | None]
    """The value; None or an empty text where the platform does not tell it."""
    note: str = ""


def filled(rows: Sequence[Row[Cdr]], cdr: Cdr) -> dict[str, Any]:
    """The wire object of one record. What the platform does not tell is left out."""
    wire: dict[str, Any] = {}
    for row in rows:
        value = row.value(cdr)
        if value is not None and value != "":
            wire[row.field] = write_value(BY_NAME[row.field], value)
    return wire


def whole(text: str) -> int | None:
    """A whole number that is not negative, from digits; None for anything else."""
    return int(text) if _COUNT.fullmatch(text) else None


def moment_of(microseconds: int | None) -> datetime | None:
    """A moment from microseconds since 1970, in whole milliseconds as the contract has; None for none and 0."""
    if not microseconds:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=microseconds // 1000)
    except OverflowError:
        return None
