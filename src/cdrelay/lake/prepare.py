"""From spooled payloads to batches of lines that DuckDB can read: the part of a load that needs no table.

A record with the documented keys in their usual form is passed on as it came, checked but not touched. Any other is
read thoroughly by `records` and written anew in canonical form, or put aside with the reason.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable, split, unpack
from cdrelay.lake.schema import STAGED_EXTRA, STAGED_PAYLOAD
from cdrelay.lake.spool import Spool, Spooled
from cdrelay.records.fields import FIELDS, Kind
from cdrelay.records.identity import Identity, Plausible, RecordRefused, identify
from cdrelay.records.wire import CallRecord, decode_object, encode_extra, encode_object, read_record, write_record

# What the usual form is: only documented keys, exactly spelled, with values of the usual JSON types. The decoder
# refuses all else, and that is the whole test for unknown keys: half the price of listing them.
_JSON_TYPE = {Kind.BOOLEAN: str | bool | None, Kind.INTEGER: str | int | None}
_Usual = msgspec.defstruct(
    "_Usual",
    [(f.column, _JSON_TYPE.get(f.kind, str | None), msgspec.field(name=f.name, default=None)) for f in FIELDS],
    forbid_unknown_fields=True,
    gc=False,
)
_USUAL: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Usual)


@dataclass(slots=True)
class Refused:
    """A record that was put aside."""

    index: int
    """Its place in the payload, from 0."""
    raw: bytes
    field: str
    rule: str


@dataclass(slots=True)
class PayloadTally:
    """A payload on its way through one or more batches, and what became of its records."""

    spooled: Spooled
    records: int = 0
    added: int = 0
    corrected: int = 0
    refused: list[Refused] = field(default_factory=list)
    unreadable: str | None = None
    """Why the body as a whole could not be read."""


class Batch:
    """Lines to load together. Line numbers count from 0 within the batch."""

    def __init__(self) -> None:
        self.payloads: list[PayloadTally] = []
        self.finished: list[PayloadTally] = []
        """Payloads whose last line is in this batch: their spool files may go when it is committed."""
        self.size = 0
        # Raw is a record as it came; bytes are one that was read thoroughly and is in canonical form.
        self._lines: list[bytes | msgspec.Raw] = []
        self._payload_of = array("I")
        self._index_of = array("I")
        self._org_uuids: list[str | None] = []
        self._report_ids: list[str | None] = []
        self._report_times: list[str | None] = []

    def __len__(self) -> int:
        return len(self._lines)

    def begin(self, payload: PayloadTally) -> None:
        """The lines that follow are this payload's."""
        self.payloads.append(payload)

    def add(self, index: int, line: bytes | msgspec.Raw, keys: tuple[str | None, str | None, str | None]) -> None:
        """Take record `index` of the payload begun last; `keys` are its Org UUID, Report ID and Report time as text."""
        self._lines.append(line)
        self._payload_of.append(len(self.payloads) - 1)
        self._index_of.append(index)
        self._org_uuids.append(keys[0])
        self._report_ids.append(keys[1])
        self._report_times.append(keys[2])

    def keys(self) -> pa.Table:
        """Line numbers and keys, for DuckDB."""
        return pa.table(
            {
                "line": pa.array(range(len(self._lines)), pa.int32()),
                "org_uuid": pa.array(self._org_uuids, pa.string()),
                "report_id": pa.array(self._report_ids, pa.string()),
                "report_time": pa.array(self._report_times, pa.string()),
            }
        )

    def payload_of(self, line: int) -> PayloadTally:
        """The payload that a line came from."""
        return self.payloads[self._payload_of[line]]

    def read_thoroughly(self, line: int, plausible: Plausible) -> Identity | None:
        """Replace a line by its canonical form and return its identity.

        None when there is no more to be found out: the record had to be put aside, or is in canonical form already.
        """
        raw = self._lines[line]
        if not isinstance(raw, msgspec.Raw):
            return None
        try:
            self._lines[line], identity = stage_thoroughly(raw, plausible)
        except RecordRefused as refusal:
            self.payload_of(line).refused.append(Refused(self._index_of[line], bytes(raw), refusal.field, refusal.rule))
            return None
        return identity

    def write(self, lines: Iterable[int], target: Path) -> int:
        """Write the staged form of some lines to a file: the record with the number of its payload.

        Returns the length of the longest line in bytes.
        """
        heads = [b'{"%s":%d,' % (STAGED_PAYLOAD.encode(), number) for number in range(len(self.payloads))]
        pieces: list[bytes | memoryview] = []
        longest = 0
        for line in lines:
            text = memoryview(self._lines[line])
            longest = max(longest, len(text))
            pieces += (heads[self._payload_of[line]], text[1:], b"\n")
        with target.open("wb") as file:
            file.write(b"".join(pieces))
        return longest + max(map(len, heads))


def stage_thoroughly(raw: bytes | msgspec.Raw, plausible: Plausible) -> tuple[bytes, Identity]:
    """The canonical staged form of a record, and its identity. Raises RecordRefused."""
    try:
        wire = decode_object(raw)
    except msgspec.MsgspecError as error:
        raise RecordRefused("record", f"is no JSON object: {error}") from error
    record = read_record(wire)
    identity = identify(record.values, plausible)
    canonical = write_record(CallRecord(record.values, {}))
    if record.extra:
        canonical[STAGED_EXTRA] = encode_extra(record.extra)
    return encode_object(canonical), identity


def prepare(paths: Iterable[Path], plausible: Plausible, batch_bytes: int, unpacked_limit: int) -> Iterator[Batch]:
    """Batches of about `batch_bytes` from spool files, in order. A payload may reach over several batches."""
    batch = Batch()
    for path in paths:
        try:
            payload = PayloadTally(Spool.open(path))
        except FileNotFoundError:
            continue  # another process loaded it between the listing and now
        batch.begin(payload)
        for index, raw in enumerate(_records_of(payload, unpacked_limit)):
            _take(batch, index, raw, payload, plausible)
            payload.records += 1
            batch.size += len(memoryview(raw))
            if batch.size >= batch_bytes:
                yield batch
                batch = Batch()
                batch.begin(payload)
        batch.finished.append(payload)
        batch.size += 200  # thousands of tiny payloads are a batch too
    if batch.payloads:
        yield batch


def _records_of(payload: PayloadTally, unpacked_limit: int) -> list[msgspec.Raw]:
    envelope = payload.spooled.envelope
    try:
        body = unpack(payload.spooled.body(), envelope.content_encoding, unpacked_limit)
        raws = split(body, lines=envelope.lines)
        if not envelope.lines and b"\n" in body:
            # DuckDB wants a record a line; printed JSON has line feeds between its tokens.
            raws = [msgspec.Raw(msgspec.json.format(raw, indent=-1)) for raw in raws]
        return raws
    except (BodyUnreadable, BodyTooLarge) as error:
        payload.unreadable = str(error)
        return []


def _take(batch: Batch, index: int, raw: msgspec.Raw, payload: PayloadTally, plausible: Plausible) -> None:
    try:
        usual = _USUAL.decode(raw)
        keys = (usual.org_uuid, usual.report_id, usual.report_time)
        line: bytes | msgspec.Raw = raw
    except msgspec.MsgspecError:
        try:
            line, identity = stage_thoroughly(raw, plausible)
        except RecordRefused as refusal:
            payload.refused.append(Refused(index, bytes(raw), refusal.field, refusal.rule))
            return
        wire = msgspec.json.decode(line, type=_StagedKeys)
        keys = (identity.org_uuid, identity.report_id, wire.report_time)
    batch.add(index, line, keys)


class _StagedKeys(msgspec.Struct):
    report_time: str = msgspec.field(name="Report time")
