"""How the records of one table are read: the usual ones at the speed of the parser, others field by field.

The usual form is: documented keys and those with a column of their own, exactly spelled, with values of the usual JSON
types, and documented values in enumerations. The decoder refuses all else, and that is the whole test for unknown keys
and values: half the price of listing them. A value that only the documents do not know costs its record a second look
and nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import msgspec

from cdrelay.errors import UNREADABLE
from cdrelay.lake.drift import Sighting, in_extra, in_structs, in_values
from cdrelay.lake.promoted import divide
from cdrelay.lake.schema import Columns
from cdrelay.records.fields import FIELDS, Field, Kind
from cdrelay.records.identity import Identity, Plausible, RecordRefused, identify
from cdrelay.records.wire import CallRecord, decode_object, encode_extra, encode_object, read_record, write_record

_KEYS_OF = attrgetter("org_uuid", "report_id", "report_time")

Keys = tuple[str | None, str | None, str | None]
"""Org UUID, Report ID and Report time as they came."""


@dataclass(frozen=True, slots=True)
class Thorough:
    """A record that was read field by field."""

    identity: Identity
    line: bytes
    """The fields that have a column in canonical form, as JSON."""
    extra: str | None
    sightings: tuple[Sighting, ...]
    """How it differs from the documents."""


class Reading:
    """How the records for a table with these columns are read. Safe to use from several threads."""

    def __init__(self, columns: Columns) -> None:
        self._promoted = columns.promoted
        self._promoted_keys = frozenset(field.name for field in columns.promoted)
        self._usual = _decoder(columns, documented_values=True)
        self._open = _decoder(columns, documented_values=False)

    def usual_keys(self, raws: Sequence[msgspec.Raw]) -> tuple[list[Keys], dict[Sighting, int]]:
        """The keys of records in their usual form, and what new values they have.

        Raises one of UNREADABLE where any of them has another form.
        """
        try:
            # One comprehension, and no record kept beyond its turn: the parser then works in the processor's cache.
            return [_KEYS_OF(self._usual.decode(raw)) for raw in raws], {}
        except msgspec.ValidationError:
            records = [self._open.decode(raw) for raw in raws]
            return list(map(_KEYS_OF, records)), in_structs(records)

    def thoroughly(self, raw: bytes | msgspec.Raw, plausible: Plausible) -> Thorough:
        """The canonical form of a record, and its identity. Raises RecordRefused."""
        try:
            record = read_record(decode_object(raw))
        except UNREADABLE as error:
            raise RecordRefused("record", f"is no JSON object: {error}") from error
        identity = identify(record.values, plausible)
        texts, extra = divide(self._promoted, record.extra)
        line = encode_object(write_record(CallRecord(record.values, {})) | texts)
        # A promoted key whose value fits may be in `extra` too, for its form.
        sightings = (*in_extra(extra.keys() - texts.keys(), self._promoted_keys), *in_values(record.values))
        return Thorough(identity, line, encode_extra(extra), sightings)


def _decoder(columns: Columns, *, documented_values: bool) -> msgspec.json.Decoder[Any]:
    documented = [
        (field.column, _json_type(field, documented_values), msgspec.field(name=field.name, default=None))
        for field in FIELDS
    ]
    # Null is no text: that the key was there must come out again.
    promoted = [
        (f"promoted_{number}", str | msgspec.UnsetType, msgspec.field(name=field.name, default=msgspec.UNSET))
        for number, field in enumerate(columns.promoted)
    ]
    usual = msgspec.defstruct("_Usual", [*documented, *promoted], forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(usual)


def _json_type(field: Field, documented_values: bool) -> Any:
    if documented_values and field.values:
        return Literal[(*field.values, "", "NA", "na")] | None
    return {Kind.BOOLEAN: str | bool | None, Kind.INTEGER: str | int | None}.get(field.kind, str | None)
