"""One record or CDR, as it came from a source, as the lines that go into the spool."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import msgspec

from cdrelay.errors import UNREADABLE
from cdrelay.publisher.sources.derived_ids import report_id_of_record
from cdrelay.publisher.sources.mapping.asterisk import asterisk_records
from cdrelay.publisher.sources.mapping.freeswitch import freeswitch_records
from cdrelay.publisher.sources.origin import Origin
from cdrelay.records.fields import field_for
from cdrelay.records.identity import ORG_UUID, REPORT_ID, Plausible, RecordRefused, read_identity, refuse_large
from cdrelay.records.wire import decode_object, encode_object, read_record

Line = bytes | msgspec.Raw
"""JSON text of one record: Raw is as it came, bytes are made by us."""

_MAPPINGS: dict[str, Callable[[Mapping[str, Any], Origin], list[dict[str, Any]]]] = {
    "freeswitch": freeswitch_records,
    "asterisk": asterisk_records,
}


def lines_of(raw: msgspec.Raw, origin: Origin, plausible: Plausible) -> Sequence[Line]:
    """The records that a CDR of `origin` means, each with a sound identity. Raises RecordRefused.

    The same each time, so that what is read twice is stored once.
    """
    mapping = _MAPPINGS.get(origin.format)
    if mapping is None:
        return (_completed(raw, origin, plausible),)
    lines = [encode_object(wire) for wire in mapping(_decoded(raw), origin)]
    for line in lines:
        read_identity(line, plausible)
    return lines


def one_line(record: Line) -> bytes:
    """The JSON of a record as a line of NDJSON."""
    # In JSON a line feed stands only between tokens, where a space means the same.
    return bytes(record).replace(b"\n", b" ") + b"\n"


def _completed(raw: msgspec.Raw, origin: Origin, plausible: Plausible) -> Line:
    """A record of ours as it came; one without Org UUID or Report ID with those, where they can be told."""
    try:
        read_identity(raw, plausible)
    except RecordRefused as refusal:
        if refusal.field not in {ORG_UUID.name, REPORT_ID.name}:
            raise
        wire = _decoded(raw)
        missing = _missing(wire, origin)
        if not missing:
            raise
        line = encode_object(_beside(wire, missing) | missing)
        read_identity(line, plausible)
        return line
    return raw


def _missing(wire: Mapping[str, Any], origin: Origin) -> dict[str, str]:
    record = read_record(wire)
    missing: dict[str, str] = {}
    if ORG_UUID.column not in record.values:
        texts = {key: value for key, value in wire.items() if isinstance(value, str)}
        org_uuid = origin.organization(texts)
        if org_uuid is not None:
            missing[ORG_UUID.name] = org_uuid
    report_id = report_id_of_record({**wire, **missing})
    if report_id is not None:
        missing[REPORT_ID.name] = report_id
    return missing


def _beside(wire: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    """The rest of a record beside these fields, in whatever spelling it has them, so that none is there twice."""
    return {key: value for key, value in wire.items() if (field := field_for(key)) is None or field.name not in names}


def _decoded(raw: msgspec.Raw) -> dict[str, Any]:
    refuse_large(raw)
    try:
        return decode_object(raw)
    except UNREADABLE as error:
        raise RecordRefused("record", f"is no JSON object: {error}") from error
