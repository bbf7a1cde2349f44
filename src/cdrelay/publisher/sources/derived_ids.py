"""Report IDs for records that have none: made from the source's own ids, so that they are the same at each reading."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from cdrelay.records.fields import BY_COLUMN
from cdrelay.records.identity import REPORT_ID
from cdrelay.records.wire import read_record

_NAMESPACE = UUID("b3a0b2c4-5c5e-5d0e-9a53-0f6a3d9a7f21")

_OWN_IDS = tuple(BY_COLUMN[column] for column in ("org_uuid", "local_call_id", "direction"))
_CALL_IDS = tuple(BY_COLUMN[column] for column in ("correlation_id", "call_id"))


def derived_id(*parts: str) -> str:
    """A UUID of version 5 that only these parts, in this order, have."""
    # Lengths, so that no two lists of parts look the same when they are written in a row.
    return str(uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)))


def report_id_of_record(wire: Mapping[str, Any]) -> str | None:
    """The Report ID of a record without one, from its own ids; None when it lacks them, or has a Report ID.

    The ids are Org UUID, Local call ID, Direction, and Correlation ID or else Call ID: together they name one side of
    one leg. The name of the source is no part, so that a record is the same by whichever way it comes.
    """
    record = read_record(wire)
    values = record.values
    if REPORT_ID.column in values or REPORT_ID.name in record.extra:
        return None
    call = next((values[field.column] for field in _CALL_IDS if field.column in values), None)
    own = [values.get(field.column) for field in _OWN_IDS]
    if call is None or None in own:
        return None
    return derived_id("record", *map(str, own), str(call))
