"""Keys that nobody documented and that were given a column: what of their values goes into it, and how it comes back.

A value that fits goes into the column. It leaves `extra` only where the column gives it back to the letter, which is
text in the canonical form of its type. So a record comes out as it came, whatever its values are; and the loader can
take the usual ones, which are text on the wire, the fast way.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cdrelay.errors import CdrelayError
from cdrelay.records.fields import Field, Kind, field_for, fold
from cdrelay.records.values import Misfit, is_uuid, read_value, write_value

LONGEST_KEY = 200

# How the loader's statements name what stands beside a record's own keys, without regard to case.
BESIDE_KEYS = frozenset(
    (
        "own_source",
        "own_channel",
        "own_payload",
        "own_received",
        "own_extra",
        "key_org_uuid",
        "key_report_id",
        "key_report_time",
    )
)
# Names that the engine gives a meaning, or that everybody would have to quote.
_ENGINES_OWN = frozenset(
    ("filename", "file_row_number", "file_index", "rowid", "order", "group", "select", "from", "to")
)


class CannotPromote(CdrelayError):
    """A key that cannot get a column; the message says why."""


def require_promotable(key: str, promoted: Sequence[Field]) -> None:
    """Raise CannotPromote where `key` can get no column beside those of `promoted`, of which it is none."""
    documented = field_for(key)
    if documented is not None:
        raise CannotPromote(f"{key!r} is the documented field {documented.name!r}, whose column is {documented.column}")
    # The parser knows no names with quotes or backslashes.
    if not fold(key) or len(key) > LONGEST_KEY or not key.isprintable() or set(key) & set('"\\'):
        raise CannotPromote(
            f"a key with a column has 1 to {LONGEST_KEY} printable characters, letters or digits among them,"
            " and neither double quotes nor backslashes"
        )
    if key.lower() in BESIDE_KEYS:
        raise CannotPromote(f"{key!r} is a name that the loader uses itself")
    for other in promoted:
        if fold(other.name) == fold(key):
            raise CannotPromote(f"{other.name!r}, the same but for its spelling, has the column {other.column} already")


def column_for(key: str, taken: Collection[str]) -> str:
    """A name in snake case, of ASCII letters and digits, that is not among `taken`."""
    name = re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")[:60] or "key"
    if name[0].isdigit() or name in _ENGINES_OWN:
        name = f"key_{name}"
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def text_of(field: Field, raw: Any) -> str | None:
    """The canonical text of a JSON value that fits the column, from which the engine makes the value; None otherwise.

    Null fits none, and the empty text fits only a column of text: that a key was there must come out again.
    """
    if raw is None:
        return None
    try:
        value = read_value(field, raw)
    except Misfit:
        return None
    if field.kind is Kind.UUID and not is_uuid(value):
        return None
    return str(write_value(field, value))


def divide(promoted: Sequence[Field], extra: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """What is in no documented column, as the texts of promoted columns by key, and what stays in `extra`."""
    texts: dict[str, str] = {}
    rest = dict(extra)
    for field in promoted:
        text = text_of(field, extra.get(field.name))
        if text is not None:
            texts[field.name] = text
            if text == extra[field.name] and not (field.kind is Kind.NUMBER and "e" in text):
                del rest[field.name]  # the engine writes numbers with an exponent in another way
    return texts, rest
