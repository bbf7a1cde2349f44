"""Takes call records from a calling platform: streamed to the spool, every record looked at, durable before it says so.

Taking the same records again is harmless: a record is known by its Report ID, which is derived where it has none. What
is a platform's own CDR goes into the spool as the records that it means.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import structlog

from cdrelay.errors import UNREADABLE
from cdrelay.lake.payload import BodyTooLarge, unpack
from cdrelay.lake.spool import Envelope, Incoming, Spool
from cdrelay.publisher.sources.bodies import split_body
from cdrelay.publisher.sources.conversion import Line, lines_of, one_line
from cdrelay.publisher.sources.limits import IntakeLimits
from cdrelay.publisher.sources.origin import Origin
from cdrelay.records.identity import REPORT_ID, Plausible, RecordRefused
from cdrelay.records.wire import decode_object, read_record

REFUSALS_LISTED = 1_000
"""Refused records that an answer lists one by one; of more it tells the number."""

_log = structlog.get_logger(__name__)
# Pieces of a body arrive in tens of kilobytes; they go to the disk, and to a thread, this many bytes at a time.
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that is not taken: where in the body it stood, from 0, and which rule it breaks."""

    index: int
    report_id: str | None
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Examined:
    """The records of a body: which are taken, and which are not."""

    good: Sequence[Line]
    changed: bool
    """Whether the good ones are other than they came: mapped, or given an id."""
    refused: Sequence[Refusal]
    """The first 1,000."""
    refused_total: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a body. `payload` names it in the spool and the lake; None when nothing of it was kept."""

    accepted: int
    payload: str | None
    refused: Sequence[Refusal] = field(default_factory=tuple)
    refused_total: int = 0

    @property
    def status(self) -> int:
        """The HTTP status: 422 when there were records and none of them is taken."""
        return 422 if self.refused_total and not self.accepted else 200

    def body(self) -> dict[str, Any]:
        """As the answer tells it."""
        listed = [
            {"index": one.index, "reportId": one.report_id, "field": one.field, "reason": one.reason}
            for one in self.refused
        ]
        return {
            "accepted": self.accepted,
            "refused": listed,
            "refusedTotal": self.refused_total,
            "payload": self.payload,
        }


def examine(records: Sequence[msgspec.Raw], origin: Origin, plausible: Plausible) -> Examined:
    """Look at every record or CDR of a body: what it means, and its identity."""
    good: list[Line] = []
    refused: list[Refusal] = []
    total, changed = 0, False
    for index, raw in enumerate(records):
        try:
            lines = lines_of(raw, origin, plausible)
        except RecordRefused as error:
            total += 1
            if len(refused) < REFUSALS_LISTED:
                refused.append(Refusal(index, _report_id(raw), error.field, error.rule))
        else:
            good += lines
            changed = changed or lines[0] is not raw
    return Examined(good, changed, refused, total)


def _report_id(raw: msgspec.Raw) -> str | None:
    """What a record that is refused calls its Report ID, so that it can be found; the first 64 characters."""
    try:
        value = read_record(decode_object(raw)).values.get(REPORT_ID.column)
    except UNREADABLE:
        return None
    return value[:64] if isinstance(value, str) else None


class Intake:
    """Takes bodies into one spool. One body is examined at a time, so that memory holds one unpacked body at most."""

    def __init__(self, spool: Spool, limits: IntakeLimits) -> None:
        self._spool = spool
        self._limits = limits
        self._examining = asyncio.Semaphore(1)

    async def take(self, envelope: Envelope, pieces: AsyncIterator[bytes], size: int, origin: Origin) -> Taken:
        """Take a body of about `size` bytes (0: not known); what it accepts is durable when this returns.

        Raises BodyTooLarge, BodyUnreadable, NoRoom; then nothing of it is kept.
        """
        if size > self._limits.body_bytes:
            raise self._too_large()
        incoming = await asyncio.to_thread(self._spool.incoming, envelope, size)
        with incoming:
            await self._receive(incoming, pieces)
            async with self._examining:
                taken = await asyncio.to_thread(self._finish, envelope, incoming, origin)
        _log.info(
            "records.taken",
            payload=envelope.id,
            bytes=incoming.size,
            accepted=taken.accepted,
            refused=taken.refused_total,
        )
        return taken

    async def _receive(self, incoming: Incoming, pieces: AsyncIterator[bytes]) -> None:
        gathered = bytearray()
        async for piece in pieces:
            gathered += piece
            if incoming.size + len(gathered) > self._limits.body_bytes:
                raise self._too_large()
            if len(gathered) >= _PIECE:
                await asyncio.to_thread(incoming.write, bytes(gathered))
                gathered.clear()
        await asyncio.to_thread(incoming.write, bytes(gathered))

    def _finish(self, envelope: Envelope, incoming: Incoming, origin: Origin) -> Taken:
        body = bytes(unpack(incoming.body(), envelope.content_encoding, self._limits.unpacked_bytes))
        raws = split_body(body, origin.format, lines=envelope.lines)
        found = examine(raws, origin, self._limits.plausible(envelope.received))
        if not found.good:
            return Taken(0, None, found.refused, found.refused_total)
        if not found.refused_total and not found.changed:
            incoming.commit()
            return Taken(len(found.good), envelope.id)
        return Taken(len(found.good), self._keep_good(envelope, found.good), found.refused, found.refused_total)

    def _keep_good(self, envelope: Envelope, good: Sequence[Line]) -> str:
        """In place of the body as it came: a line for each good record, so that no bad one reaches the lake. Its id."""
        # An id of its own, because the file of the body as it came still has the other.
        plain = msgspec.structs.replace(envelope, id=f"{envelope.id}-good", content_encoding="", lines=True)
        with self._spool.incoming(plain) as rewritten:
            for line in good:
                rewritten.write(one_line(line))
            rewritten.commit()
        return plain.id

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body has more than {self._limits.body_bytes} bytes; send it in several")


def content_kind(content_type: str | None) -> Literal["document", "lines"] | None:
    """What a Content-Type says the body is: one JSON document (also when it says nothing), NDJSON, or None: neither."""
    kind = (content_type or "application/json").partition(";")[0].strip().lower()
    if kind == "application/json":
        return "document"
    return "lines" if kind in {"application/x-ndjson", "application/ndjson", "application/jsonl"} else None


def content_encoding(header: str | None) -> Literal["", "gzip"] | None:
    """What a Content-Encoding says: nothing, gzip, or None: one that is not taken."""
    encoding = (header or "").strip().lower()
    if encoding in {"", "identity"}:
        return ""
    return "gzip" if encoding in {"gzip", "x-gzip"} else None
