"""A call record between wire JSON and typed values, both ways, losing nothing.

Known keys are matched in any spelling. A value that does not fit its field and a key that nobody knows are kept in
`extra`, and come out again: the misfit under its field's name, the unknown key under its own. `read(write(r)) == r`
for every record, and two encodings of one record read as one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any

import msgspec

from cdrelay.records.fields import BY_NAME, FIELDS, Field, field_for
from cdrelay.records.values import Misfit, Value, is_gap, read_value, write_value


def _number(text: str) -> Decimal | int | str:
    """Fractions become Decimal, so that a number nobody knows comes out digit for digit."""
    try:
        number = Decimal(text)
    except InvalidOperation:  # its exponent is past 18 digits: kept as text, so that its record can be stored
        return text
    return 0 if str(number) == "-0" else number  # `-0E0` would be written as `-0`, which is read as 0


_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=_number)
_DEPTH = 64
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SORTING_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call leg's record: typed values by column name, absent ones left out, and what fits no column."""

    values: Mapping[str, Value]
    extra: Mapping[str, Any]


def decode_object(raw: bytes | msgspec.Raw) -> dict[str, Any]:
    """The JSON object in `raw`. Raises msgspec.MsgspecError when it is none."""
    return _DECODER.decode(raw)


def read_record(wire: Mapping[str, Any]) -> CallRecord:
    """The record that a decoded JSON object means."""
    values: dict[str, Value] = {}
    extra: dict[str, Any] = {}
    for key, field, value in _by_preference(wire):
        raw = _within_depth(value) if isinstance(value, dict | list) else value
        if field is None:
            extra[key] = raw
        elif is_gap(field, raw):
            continue
        elif field.column in values or field.name in extra:
            _keep_second(values, extra, key, field, raw)
        else:
            try:
                values[field.column] = read_value(field, raw)
            except Misfit:
                extra[field.name] = raw
    return CallRecord(values, extra)


def _within_depth(structure: Any) -> Any:
    """A structure; one of too many levels as its JSON text, which can be read again however deep the reader stands.

    Parsers count their levels on the stack of who calls them: what one caller could just read, another could not.
    """
    level = [structure]
    for _ in range(_DEPTH):
        inner = chain.from_iterable(each.values() if isinstance(each, dict) else each for each in level)
        level = [each for each in inner if isinstance(each, dict | list)]
        if not level:
            return structure
    return _ENCODER.encode(structure).decode()


def _by_preference(wire: Mapping[str, Any]) -> Iterable[tuple[str, Field | None, Any]]:
    """The exact spellings first, then the others in an order that does not depend on how they came."""
    folded = []
    for key, raw in wire.items():
        if (field := BY_NAME.get(key)) is not None:
            yield key, field, raw
        else:
            folded.append(key)
    for key in sorted(folded):
        yield key, field_for(key), wire[key]


def _keep_second(values: dict[str, Value], extra: dict[str, Any], key: str, field: Field, raw: Any) -> None:
    """A field that came twice, in two spellings: the same value is one, another one is kept under its own key."""
    try:
        if values.get(field.column) == read_value(field, raw):
            return
    except Misfit:
        pass
    extra[key] = raw


def write_record(record: CallRecord) -> dict[str, Any]:
    """The canonical wire object: all 87 keys in wire order, then the unknown ones by name."""
    wire: dict[str, Any] = {field.name: write_value(field, record.values.get(field.column)) for field in FIELDS}
    return with_extra(wire, record.extra)


def with_extra(wire: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Put what fitted no column back into a wire object of documented fields: misfits in place, the rest behind."""
    for key in sorted(extra):
        wire[key] = extra[key]
    return wire


def encode_object(wire: Mapping[str, Any]) -> bytes:
    """Compact JSON in the order of the mapping."""
    return _ENCODER.encode(wire)


def encode_extra(extra: Mapping[str, Any]) -> str | None:
    """The text of the column `extra`: sorted JSON, or None when there is nothing."""
    return _SORTING_ENCODER.encode(extra).decode() if extra else None
