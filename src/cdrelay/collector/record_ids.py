"""The Report IDs in a body of records. Pure."""

import msgspec

from cdrelay.errors import UNREADABLE
from cdrelay.lake.payload import BodyUnreadable, split
from cdrelay.records.wire import decode_object, read_record


class _Keyed(msgspec.Struct):
    report_id: str = msgspec.field(name="Report ID")


_DECODER = msgspec.json.Decoder(_Keyed)


def ids_of(body: bytes) -> set[str]:
    """Those of all records that have one, in lower case; a record without one cannot be stored, and is not looked for.

    Raises ValueError when the body is no list of records.
    """
    try:
        raws = split(body, lines=False)
    except BodyUnreadable as error:
        raise ValueError(str(error)) from error
    return {report_id for raw in raws if (report_id := _id_of(raw))}


def _id_of(raw: msgspec.Raw) -> str:
    try:
        return _DECODER.decode(raw).report_id.lower()
    except UNREADABLE:
        pass
    try:  # spelled in another way
        found = read_record(decode_object(raw)).values.get("report_id")
    except UNREADABLE:
        return ""
    return found.lower() if isinstance(found, str) else ""
