"""From spooled payloads to batches of lines that DuckDB can read: the part of a load that needs no table.

A record with the documented keys in their usual form is passed on as it came, checked but not touched. Any other is
read thoroughly by `records` and written anew in canonical form, or put aside with the reason.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, repeat
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from cdrelay.lake.payload import UNREADABLE, BodyTooLarge, BodyUnreadable, split, unpack
from cdrelay.lake.spool import Spool, Spooled
from cdrelay.records.fields import FIELDS, Kind
from cdrelay.records.identity import Identity, Plausible, RecordRefused, identify
from cdrelay.records.values import write_timestamp
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
_KEYS_OF = attrgetter("org_uuid", "report_id", "report_time")
_ROWS_A_CHUNK = 4096
_ROWS_AT_ONCE = 2048
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


class Block:
    """The lines of one payload in a batch."""

    def __init__(self, payload: PayloadTally) -> None:
        self.payload = payload
        self.lines: list[bytes | msgspec.Raw] = []
        """JSON text: Raw is a record as it came, bytes are one in canonical form."""
        self.extra: dict[int, str] = {}
        """What fits no column, by row, of the records in canonical form."""
        self.indexes = array("I")
        self.org_uuids: list[str | None] = []
        self.report_ids: list[str | None] = []
        self.report_times: list[str | None] = []

    def take(self, first: int, raws: Sequence[msgspec.Raw], plausible: Plausible) -> None:
        """Take records of the payload, the first of which is number `first`; what cannot be stored is put aside."""
        try:
            # One comprehension, and no record kept beyond its turn: the parser then works in the processor's cache.
            keys = [_KEYS_OF(_USUAL.decode(raw)) for raw in raws]
        except UNREADABLE:
            if len(raws) > 1:
                for number, raw in enumerate(raws, first):
                    self.take(number, (raw,), plausible)
            else:
                self._take_unusual(first, raws[0], plausible)
            return
        self.lines += raws
        self.indexes.extend(range(first, first + len(raws)))
        self.org_uuids += [org_uuid for org_uuid, _report_id, _report_time in keys]
        self.report_ids += [report_id for _org_uuid, report_id, _report_time in keys]
        self.report_times += [report_time for _org_uuid, _report_id, report_time in keys]

    def _take_unusual(self, index: int, raw: msgspec.Raw, plausible: Plausible) -> None:
        try:
            thorough = read_thoroughly(raw, plausible)
        except RecordRefused as refusal:
            self.payload.refused.append(Refused(index, bytes(raw), refusal.field, refusal.rule))
            return
        self._keep(len(self.lines), thorough)
        self.indexes.append(index)
        self.org_uuids.append(thorough.identity.org_uuid)
        self.report_ids.append(thorough.identity.report_id)
        self.report_times.append(write_timestamp(thorough.identity.report_time))

    def read_again(self, row: int, plausible: Plausible) -> Identity | None:
        """Replace a line by its canonical form and return its identity.

        None when there is no more to be found out: the record had to be put aside, or is in canonical form already.
        """
        raw = self.lines[row]
        if not isinstance(raw, msgspec.Raw):
            return None
        try:
            thorough = read_thoroughly(raw, plausible)
        except RecordRefused as refusal:
            self.payload.refused.append(Refused(self.indexes[row], bytes(raw), refusal.field, refusal.rule))
            return None
        self._keep(row, thorough)
        self.org_uuids[row] = thorough.identity.org_uuid
        self.report_ids[row] = thorough.identity.report_id
        self.report_times[row] = write_timestamp(thorough.identity.report_time)
        return thorough.identity

    def _keep(self, row: int, thorough: "Thorough") -> None:
        self.lines[row : row + 1] = [thorough.line]
        if thorough.extra is not None:
            self.extra[row] = thorough.extra


class Batch:
    """Blocks to load together. A line is named by the number of its block and its row there."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.finished: list[PayloadTally] = []
        """Payloads whose last line is in this batch: their spool files may go when it is committed."""
        self.size = 0
        self.arrived: pa.Table
        """The lines for DuckDB: block, row, the three keys and the JSON as text, and extra. See `made_ready`."""

    def made_ready(self) -> "Batch":
        """Bring `arrived` up to date with the blocks."""
        self.arrived = self._arrived()
        return self

    def _arrived(self) -> pa.Table:
        blocks = self.blocks
        lines = [line for block in blocks for line in block.lines]
        offsets = array("q", accumulate((len(memoryview(line)) for line in lines), initial=0))
        columns = {
            "block": pa.array(
                array("i", chain.from_iterable(repeat(n, len(b.lines)) for n, b in enumerate(blocks))), pa.int32()
            ),
            "row": pa.array(array("i", chain.from_iterable(range(len(b.lines)) for b in blocks)), pa.int32()),
            "org_uuid": _texts(b.org_uuids for b in blocks),
            "report_id": _texts(b.report_ids for b in blocks),
            "report_time": _texts(b.report_times for b in blocks),
            "extra": _texts(
                [b.extra.get(row) for row in range(len(b.lines))] if b.extra else repeat(None, len(b.lines))
                for b in blocks
            ),
            "json": pa.LargeStringArray.from_buffers(len(lines), pa.py_buffer(offsets), pa.py_buffer(b"".join(lines))),
        }
        table = pa.table(columns)
        # Several chunks, so that the engine's threads share the work.
        return pa.Table.from_batches(table.to_batches(max_chunksize=_ROWS_A_CHUNK), schema=table.schema)


def _texts(columns: Iterable[Iterable[str | None]]) -> pa.Array:
    return pa.array(list(chain.from_iterable(columns)), pa.string())


@dataclass(frozen=True, slots=True)
class Thorough:
    """A record that was read field by field."""

    identity: Identity
    line: bytes
    """The documented fields in canonical form, as JSON."""
    extra: str | None


def read_thoroughly(raw: bytes | msgspec.Raw, plausible: Plausible) -> Thorough:
    """The canonical form of a record, and its identity. Raises RecordRefused."""
    try:
        record = read_record(decode_object(raw))
    except UNREADABLE as error:
        raise RecordRefused("record", f"is no JSON object: {error}") from error
    identity = identify(record.values, plausible)
    line = encode_object(write_record(CallRecord(record.values, {})))
    return Thorough(identity, line, encode_extra(record.extra))


def prepare(paths: Iterable[Path], plausible: Plausible, batch_bytes: int, unpacked_limit: int) -> Iterator[Batch]:
    """Batches of at most about `batch_bytes` from spool files, in order. A payload may reach over several batches."""
    batch = Batch()
    # The first is small, so that the engine need not wait long for it, and each is twice as large as the one before.
    enough = batch_bytes // 8
    for path in paths:
        try:
            payload = PayloadTally(Spool.open(path))
        except FileNotFoundError:
            continue  # another process loaded it between the listing and now
        block = _begin(batch, payload)
        raws = _records_of(payload, unpacked_limit)
        for first in range(0, len(raws), _ROWS_AT_ONCE):
            some = raws[first : first + _ROWS_AT_ONCE]
            block.take(first, some, plausible)
            payload.records += len(some)
            batch.size += sum(len(memoryview(raw)) for raw in some)
            if batch.size >= enough:
                yield batch.made_ready()
                enough = min(2 * enough, batch_bytes)
                batch = Batch()
                block = _begin(batch, payload)
        batch.finished.append(payload)
        batch.size += 200  # thousands of tiny payloads are a batch too
    if batch.blocks:
        yield batch.made_ready()


def _begin(batch: Batch, payload: PayloadTally) -> Block:
    block = Block(payload)
    batch.blocks.append(block)
    return block


def _records_of(payload: PayloadTally, unpacked_limit: int) -> list[msgspec.Raw]:
    envelope = payload.spooled.envelope
    try:
        body = unpack(payload.spooled.body(), envelope.content_encoding, unpacked_limit)
        return split(body, lines=envelope.lines)
    except (BodyUnreadable, BodyTooLarge) as error:
        payload.unreadable = str(error)
        return []
