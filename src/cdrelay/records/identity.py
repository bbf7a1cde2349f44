"""What makes a record that record, and which records cannot be stored (DESIGN section 6; TRAPS 11 and 12)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from cdrelay.errors import UNREADABLE, CdrelayError
from cdrelay.records.fields import BY_COLUMN
from cdrelay.records.values import Misfit, Value, is_gap, is_uuid, read_value
from cdrelay.records.wire import decode_object, read_record

KEYS = ORG_UUID, REPORT_ID, REPORT_TIME = tuple(BY_COLUMN[name] for name in ("org_uuid", "report_id", "report_time"))


class RecordRefused(CdrelayError):
    """A record that cannot be stored; names the field and the rule it breaks."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Plausible:
    """The Report times that are believed, both ends included. No partition is made from another one."""

    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """(Org UUID, Report ID) is the record; the Report time says which version. The newest wins, equal is the same."""

    org_uuid: str
    report_id: str
    report_time: datetime


def identify(values: Mapping[str, Value], plausible: Plausible) -> Identity:
    """The identity among typed values by column name. Raises RecordRefused."""
    org_uuid, report_id, report_time = (values.get(field.column) for field in (ORG_UUID, REPORT_ID, REPORT_TIME))
    if not isinstance(report_id, str) or not is_uuid(report_id):
        raise RecordRefused(REPORT_ID.name, "is missing, or is no UUID")
    if not isinstance(org_uuid, str) or not is_uuid(org_uuid):
        raise RecordRefused(ORG_UUID.name, "is missing, or is no UUID")
    if not isinstance(report_time, datetime):
        raise RecordRefused(REPORT_TIME.name, "is missing, or is no time of the form YYYY-MM-DDTHH:MM:SS.mmmZ")
    if not plausible.oldest <= report_time <= plausible.newest:
        raise RecordRefused(
            REPORT_TIME.name,
            f"is not plausible, which is from {plausible.oldest:%Y-%m-%dT%H:%MZ} to {plausible.newest:%Y-%m-%dT%H:%MZ}",
        )
    return Identity(org_uuid, report_id, report_time)


RECORD_BYTES = 8 * 2**20
"""No record is larger, which is a few thousand times what one is: the engine needs several times that memory."""


def refuse_large(raw: bytes | msgspec.Raw) -> None:
    """Raise RecordRefused when the JSON text of a record is larger than any should be."""
    if len(memoryview(raw)) > RECORD_BYTES:
        raise RecordRefused("record", f"is larger than {RECORD_BYTES} bytes")


# Only the three keys are looked at; the rest of the record is passed over at the speed of the parser.
_Keys = msgspec.defstruct(
    "_Keys",
    [(field.column, str | None, msgspec.field(name=field.name, default=None)) for field in KEYS],
)
_KEYS_DECODER = msgspec.json.Decoder(_Keys)


def read_identity(raw: bytes | msgspec.Raw, plausible: Plausible) -> Identity:
    """The identity of the record in `raw`, spelled in any way. Raises RecordRefused, also when `raw` is no UTF-8."""
    refuse_large(raw)
    try:
        str(raw, "utf-8")  # any buffer will do; the parser passes over what it need not read
        values = _usual_values(raw)
        if values is None:  # spelled or typed in another way: the thorough reading tells
            values = read_record(decode_object(raw)).values
    except UNREADABLE as error:
        raise RecordRefused("record", f"is no JSON object: {error}") from error
    return identify(values, plausible)


def _usual_values(raw: bytes | msgspec.Raw) -> Mapping[str, Value] | None:
    """The three values, where their keys are spelled as on the wire and their JSON is text; None otherwise."""
    try:
        keys = _KEYS_DECODER.decode(raw)
    except msgspec.ValidationError:
        return None
    values = {}
    for field in KEYS:
        text = getattr(keys, field.column)
        if is_gap(field, text):
            return None
        try:
            values[field.column] = read_value(field, text)
        except Misfit:
            return None
    return values
