"""Which values of a record tell of a person, and the record without them. Counts, times and durations stay.

A record has sides: who called, who was called, whose record it is, and so on (`Field.side`). When one value of a side
tells of the person, all values of that side are theirs. The others' stay.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from cdrelay.errors import UNREADABLE
from cdrelay.records.fields import FIELDS, Kind, field_for
from cdrelay.records.values import Value
from cdrelay.records.wire import CallRecord, decode_object, encode_object, read_record, write_record

ERASED = "erased"
"""Stands where a personal text stood. A UUID leaves a gap, because the mark is none."""
PERSONAL = tuple(field for field in FIELDS if field.side)
"""The fields that tell of a person, in wire order."""
KNOWN_BY = tuple(
    field for field in PERSONAL if field.column not in ("call_id", "authorization_code", "transfer_type_context")
)
"""Those by which a record is found: numbers, names, addresses and ids. The others go along with their side."""
LEAST_CHARACTERS = 3
"""What is shorter would be found in records of anybody."""

Knows = Callable[[str], bool]
"""Whether a value is one of the person's. See `forms_of` for what counts as the same value."""

_OWN_SIDE = {"ORIGINATING": "calling", "TERMINATING": "called"}
_SCHEME = re.compile(r"(?:sips?|tel|mailto):")
_SEPARATORS = re.compile(r"[\s().:/-]")
_NUMBER = re.compile(r"(?:\+|00)?(\d+)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WORD = re.compile(r"""[^\s"'\\,;:<>=()\[\]{}]+""")
_DIGITS = re.compile(r"\+?\d[\d ().-]{3,}\d")


def forms_of(text: str) -> frozenset[str]:
    """The forms by which a value is known, however it is written.

    Case, blanks, the scheme and the parameters of a URI do not count; in numbers, MAC addresses and UUIDs nor do
    separators; in numbers nor does `+` or `00` before them. `sip:+1 555 0100@example.com` is also the number.
    """
    whole = _SCHEME.sub("", " ".join(text.split()).casefold(), count=1).partition(";")[0]
    compact = _SEPARATORS.sub("", whole.partition("@")[0] if whole[:1].isdigit() or whole[:1] == "+" else whole)
    number = _NUMBER.fullmatch(compact)
    return frozenset(form for form in (whole, number[1] if number else compact) if len(form) >= LEAST_CHARACTERS)


def erased(record: CallRecord, knows: Knows) -> CallRecord | None:
    """The record without what it holds of the person; None when it holds nothing.

    In a record that is touched the values of keys nobody documented go too: nobody can say whose they are.
    """
    unknown, sides = _found(record, knows)
    if not unknown and not sides:
        return None
    own = _OWN_SIDE.get(str(record.values.get("direction")))
    if own in sides or "user" in sides:
        sides |= {"user", own or "user"}
    values = dict(record.values)
    for field in PERSONAL:
        if field.side in sides and field.column in values:
            values[field.column] = ERASED
            if field.kind is Kind.UUID:
                del values[field.column]
    return CallRecord(values, {key: _left(key, value, sides) for key, value in record.extra.items()})


def _found(record: CallRecord, knows: Knows) -> tuple[bool, set[str]]:
    """Whether a key nobody documented tells of the person, and the sides that do."""
    sides = {field.side for field in KNOWN_BY if _tells(record.values.get(field.column), knows)}
    unknown = False
    for key, value in record.extra.items():
        field = field_for(key)
        if (field is None or field.side) and any(_speaks_of(text, knows) for text in _texts_in(value)):
            sides |= {field.side} if field else set()
            unknown |= field is None
    return unknown, sides


def _tells(value: Value | None, knows: Knows) -> bool:
    return isinstance(value, str) and knows(value)


def _left(key: str, value: Any, sides: set[str]) -> Any:
    field = field_for(key)
    return ERASED if field is None or field.side in sides else value


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from _texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts_in(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def erased_json(raw: bytes | msgspec.Raw, erase: Callable[[CallRecord], CallRecord | None], knows: Knows) -> bytes:
    """The JSON text of a record without what it holds of the person; as it came when that is nothing.

    Of what is no JSON object nothing is left when any word or quoted text in it is theirs.
    """
    try:
        record = read_record(decode_object(raw))
    except UNREADABLE:
        return ERASED.encode() if tells_of(bytes(raw), knows) else bytes(raw)
    left = erase(record)
    return bytes(raw) if left is None else encode_object(write_record(left))


def tells_of(content: bytes, knows: Knows) -> bool:
    """Whether something without a known form holds a text of the person's; see `_speaks_of`."""
    text = content.decode("utf-8", "replace")
    return _speaks_of(text, knows) or any(knows(match[1]) for match in _QUOTED.finditer(text))


def _speaks_of(text: str, knows: Knows) -> bool:
    """Whether free text is one of the person's, or has a word or a number in it that is."""
    pieces = (match[0] for pattern in (_WORD, _DIGITS) for match in pattern.finditer(text))
    return knows(text) or any(map(knows, pieces))
