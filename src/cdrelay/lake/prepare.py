"""From spooled payloads to batches of lines that DuckDB can read: the part of a load that needs no table.

A record with the documented keys in their usual form is passed on as it came, checked but not touched. Any other is
read thoroughly by `records` and written anew in canonical form, or put aside with the reason.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, repeat
from operator import add
from pathlib import Path

import msgspec
import pyarrow as pa

from cdrelay.errors import UNREADABLE
from cdrelay.lake.drift import Sighting
from cdrelay.lake.files import let_go
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable, Buffer, split, unpack
from cdrelay.lake.reading import Reading, Thorough
from cdrelay.lake.spool import Spool, Spooled
from cdrelay.records.identity import Identity, Plausible, RecordRefused, refuse_large
from cdrelay.records.values import write_timestamp

_ROWS_A_CHUNK = 4096
_BYTES_A_CHUNK = 4 * 2**20
_ROWS_AT_ONCE = 2048
_BYTES_AT_ONCE = 16 * 2**20

# The engine merges chunks of few rows again, so that it holds all large records of a batch at once, several times over.
_LARGE_BYTES = 2**16
_WEIGHT_OF_LARGE = 6


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
    body: Buffer = b""
    """Unpacked; its records lie in it."""
    records: int = 0
    added: int = 0
    corrected: int = 0
    refused: list[Refused] = field(default_factory=list)
    unreadable: str | None = None
    """Why the body as a whole could not be read."""
    report_ids: list[str] = field(default_factory=list)
    """Of the records that can be stored; gathered where there is a manifest to compare them with."""
    drift: Counter[Sighting] = field(default_factory=Counter)
    """How its records differ from the documents, and how many do."""


class Block:
    """The lines of one payload in a batch."""

    def __init__(self, payload: PayloadTally, reading: Reading) -> None:
        self.payload = payload
        self._reading = reading
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
            if len(raws) == 1:  # a large record always comes alone
                refuse_large(raws[0])
            keys, sightings = self._reading.usual_keys(raws)
        except RecordRefused as refusal:
            self._refuse(first, raws[0], refusal)
            return
        except UNREADABLE:
            if len(raws) > 1:
                for number, raw in enumerate(raws, first):
                    self.take(number, (raw,), plausible)
            else:
                self._take_unusual(first, raws[0], plausible)
            return
        self.payload.drift.update(sightings)
        self.lines += raws
        self.indexes.extend(range(first, first + len(raws)))
        self.org_uuids += [org_uuid for org_uuid, _report_id, _report_time in keys]
        self.report_ids += [report_id for _org_uuid, report_id, _report_time in keys]
        self.report_times += [report_time for _org_uuid, _report_id, report_time in keys]

    def _refuse(self, index: int, raw: msgspec.Raw, refusal: RecordRefused) -> None:
        self.payload.refused.append(Refused(index, bytes(raw), refusal.field, refusal.rule))

    def _take_unusual(self, index: int, raw: msgspec.Raw, plausible: Plausible) -> None:
        try:
            thorough = self._reading.thoroughly(raw, plausible)
        except RecordRefused as refusal:
            self._refuse(index, raw, refusal)
            return
        self.payload.drift.update(thorough.sightings)
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
            thorough = self._reading.thoroughly(raw, plausible)
        except RecordRefused as refusal:
            self._refuse(self.indexes[row], raw, refusal)
            return None
        # Its new values were counted when it was taken, and it has no unknown keys.
        self.payload.drift.update(one for one in thorough.sightings if one.kind == "misfit")
        self._keep(row, thorough)
        self.org_uuids[row] = thorough.identity.org_uuid
        self.report_ids[row] = thorough.identity.report_id
        self.report_times[row] = write_timestamp(thorough.identity.report_time)
        return thorough.identity

    def replace(self, row: int, wire: bytes, plausible: Plausible) -> None:
        """Put another content of the same record in a line's place. One that cannot be stored stays as it came."""
        try:
            thorough = self._reading.thoroughly(wire, plausible)
        except RecordRefused:
            return  # the load finds out the same, and puts it aside
        self.extra.pop(row, None)
        self._keep(row, thorough)

    def note_report_ids(self) -> None:
        """Add the Report IDs of this block to those of its payload, once no line of it is read again."""
        if self.payload.spooled.envelope.manifest is not None:
            refused = {one.index for one in self.payload.refused}
            stored = zip(self.indexes, self.report_ids, strict=True)
            self.payload.report_ids += [one for index, one in stored if one and index not in refused]

    def _keep(self, row: int, thorough: Thorough) -> None:
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
        content, end = bytearray(offsets[-1]), 0
        for block in blocks:
            text = b"".join(block.lines)
            content[end : end + len(text)] = text
            end += len(text)
            let_go(block.payload.body)
        extras = [_extras_of(block) for block in blocks]
        columns = {
            "block": pa.array(
                array("i", chain.from_iterable(repeat(n, len(b.lines)) for n, b in enumerate(blocks))), pa.int32()
            ),
            "row": pa.array(array("i", chain.from_iterable(range(len(b.lines)) for b in blocks)), pa.int32()),
            "org_uuid": _texts(b.org_uuids for b in blocks),
            "report_id": _texts(b.report_ids for b in blocks),
            "report_time": _texts(b.report_times for b in blocks),
            "extra": _texts(extras),
            "json": pa.LargeStringArray.from_buffers(len(lines), pa.py_buffer(offsets), pa.py_buffer(content)),
        }
        table = pa.table(columns)
        weights = offsets
        if any(block.extra for block in blocks):
            beside = accumulate((len(text or "") for text in chain.from_iterable(extras)), initial=0)
            weights = array("q", map(add, offsets, beside))
        # Several chunks, so that the engine's threads share the work; of few rows where rows are large, because it
        # takes 2,048 rows at once whatever they weigh.
        chunks = (table.slice(a, b - a).to_batches() for a, b in _cuts(weights, _ROWS_A_CHUNK, _BYTES_A_CHUNK))
        return pa.Table.from_batches(chain.from_iterable(chunks), schema=table.schema)


def _extras_of(block: Block) -> list[str | None]:
    return [block.extra.get(row) for row in range(len(block.lines))] if block.extra else [None] * len(block.lines)


def _cuts(sums: Sequence[int], rows: int, weight: int) -> Iterator[tuple[int, int]]:
    """Pieces [first, last) of at most so many rows and of at most that weight, or of one row; `sums` begins with 0."""
    first = 0
    while first < len(sums) - 1:
        last = max(first + 1, min(first + rows, bisect_right(sums, sums[first] + weight) - 1))
        yield first, last
        first = last


def _texts(columns: Iterable[Iterable[str | None]]) -> pa.Array:
    return pa.array(list(chain.from_iterable(columns)), pa.string())


def prepare(
    paths: Iterable[Path],
    reading: Reading,
    plausible: Plausible,
    batch_bytes: int,
    unpacked_limit: int,
    tell_damaged: Callable[[str], None] = lambda file: None,
) -> Iterator[Batch]:
    """Batches of at most about `batch_bytes` from spool files, in order. A payload may reach over several batches.

    `tell_damaged` is told the name of each file of which nothing can be read, and which was set aside.
    """
    batch = Batch()
    # The first is small, so that the engine need not wait long for it, and each is twice as large as the one before.
    enough = batch_bytes // 8
    for path in paths:
        try:
            payload = PayloadTally(Spool.open(path))
        except FileNotFoundError:
            continue  # another process loaded it between the listing and now
        except msgspec.MsgspecError:
            tell_damaged(Spool.set_aside(path).name)
            continue
        block = _begin(batch, payload, reading)
        raws = _records_of(payload, unpacked_limit)
        let_go(payload.body)  # all of it was looked at, and the batch is of many
        sizes = (len(memoryview(raw)) for raw in raws)
        weights = (size if size < _LARGE_BYTES else size * _WEIGHT_OF_LARGE for size in sizes)
        sums = array("q", accumulate(weights, initial=0))
        for first, last in _cuts(sums, _ROWS_AT_ONCE, _BYTES_AT_ONCE):
            block.take(first, raws[first:last], plausible)
            payload.records += last - first
            batch.size += sums[last] - sums[first]
            if batch.size >= enough:
                yield batch.made_ready()
                enough = min(2 * enough, batch_bytes)
                batch = Batch()
                block = _begin(batch, payload, reading)
        let_go(payload.body)
        batch.finished.append(payload)
        batch.size += 200  # thousands of tiny payloads are a batch too
    if batch.blocks:
        yield batch.made_ready()


def _begin(batch: Batch, payload: PayloadTally, reading: Reading) -> Block:
    block = Block(payload, reading)
    batch.blocks.append(block)
    return block


def _records_of(payload: PayloadTally, unpacked_limit: int) -> list[msgspec.Raw]:
    spooled, envelope = payload.spooled, payload.spooled.envelope
    try:
        payload.body = unpack(spooled.view(), envelope.content_encoding, unpacked_limit, spooled.path.parent)
        return split(payload.body, lines=envelope.lines)
    except (BodyUnreadable, BodyTooLarge) as error:
        payload.unreadable = str(error)
        return []
