"""Records that cannot be stored, put aside with the reason, one file a payload."""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from cdrelay.contract.manifest import Manifest
from cdrelay.errors import CdrelayError
from cdrelay.lake.files import sync_folder, write_durably
from cdrelay.lake.prepare import PayloadTally, Refused
from cdrelay.lake.quarantine_heads import BODY
from cdrelay.lake.quarantine_listing import Listing
from cdrelay.lake.spool import AskedFor, Channel, ContentEncoding

_PIECE = 3 * 2**20
"""Bytes, a multiple of 3, so that base64 of the pieces is that of the whole."""


@dataclass(frozen=True, slots=True)
class PutAside:
    """One record in quarantine."""

    payload: str
    source: str
    index: int
    field: str
    rule: str
    record: bytes
    """As it came; of a payload that could not be read (`field` is `body`) all of it."""
    channel: Channel = "webhook"
    received: datetime | None = None
    """When its payload came; None where that was not noted."""
    content_encoding: ContentEncoding = ""
    """Of a whole body."""
    lines: bool = False
    """Whether a whole body is one of lines."""
    asked_for: AskedFor | None = None
    """What its payload was the answer to, where the records endpoint gave it."""
    manifest: Manifest | None = None
    """Of a whole body: what it is compared with once it can be read."""

    @property
    def whole_body(self) -> bool:
        """Whether it is a payload and not one record of it."""
        return self.field == BODY


class NotInQuarantine(CdrelayError):
    """No payload of that name has anything in quarantine."""

    def __init__(self, payload: str) -> None:
        super().__init__(f"there is nothing of payload {payload[:80]!r} in quarantine")


class Quarantine:
    """A folder of refused records. Putting the same payload aside again replaces its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.listing = Listing(folder)
        """Which files are here, for whoever looks again and again."""

    def put(self, payload: PayloadTally, erase: Callable[[bytes], bytes] = bytes) -> None:
        """Keep a payload's refused records, or its whole body when that could not be read. Durable when it returns.

        `erase` takes out of each what must not be kept.
        """
        refused = payload.refused
        if payload.unreadable is not None:
            refused = [Refused(0, payload.spooled.body(), BODY, payload.unreadable)]
        refused = [Refused(one.index, erase(one.raw), one.field, one.rule) for one in refused]
        envelope = payload.spooled.envelope
        origin: dict[str, Any] = {"channel": envelope.channel, "received": envelope.received}
        if envelope.asked_for is not None:
            origin["asked_for"] = envelope.asked_for
        if payload.unreadable is not None:
            origin |= {"content_encoding": envelope.content_encoding, "lines": envelope.lines}
            origin |= {"manifest": envelope.manifest}
        self._write(envelope.id, envelope.source, refused, origin)

    def erase(self, erase: Callable[[bytes], bytes], *, change: bool = True) -> int:
        """Take out of every record what must not be kept, or count those; how many. One payload is in memory."""
        touched = 0
        for file in sorted(self._folder.glob("*.ndjson")):
            lines: list[bytes] = []
            changed = 0
            for line in file.read_bytes().splitlines():
                about = msgspec.json.decode(line)
                raw = base64.b64decode(about.pop("record"))
                left = erase(raw)
                changed += left != raw
                lines.extend(_line(about, left))
            touched += changed
            if change and changed:
                write_durably(file, lines)
        return touched

    def keep(self, payload_id: str, source: str, refused: Sequence[Refused]) -> None:
        """Keep records of `source` that are refused before they are in any payload. Durable when it returns."""
        self._write(payload_id, source, refused, {})

    def _write(self, payload_id: str, source: str, refused: Sequence[Refused], origin: dict[str, Any]) -> None:
        if not refused:
            return
        payload = {"payload": payload_id, "source": source, **origin}
        lines = (
            _line({**payload, "index": one.index, "field": one.field, "rule": one.rule}, one.raw) for one in refused
        )
        write_durably(self._file(payload_id), chain.from_iterable(lines))

    def _file(self, payload_id: str) -> Path:
        return self._folder / f"{payload_id}.ndjson"

    def payloads(self) -> list[str]:
        """The payloads of which something is here, the one put aside last first."""
        return [one.payload for one in self.listing.newest_first()]

    def number(self) -> int:
        """How many records are here now; a whole body counts as one. A file is read once, as long as it is the same."""
        return sum(map(self.listing.lines, self.listing.newest_first()))

    def of_payload(self, payload_id: str, limit: int | None = None) -> Iterator[PutAside]:
        """The refused records of a payload, one in memory at a time. Raises NotInQuarantine."""
        # What a person types is looked for and never made into a path.
        file = next((file for file in self._folder.glob("*.ndjson") if file.stem == payload_id), None)
        try:
            if file is None:
                raise FileNotFoundError
            with file.open("rb") as lines:
                yield from map(_read, islice(lines, limit))
        except FileNotFoundError:
            raise NotInQuarantine(payload_id) from None

    def drop(self, payload_id: str) -> None:
        """Remove what is here of a payload, for good. Raises NotInQuarantine."""
        next(self.of_payload(payload_id))
        self._file(payload_id).unlink(missing_ok=True)
        sync_folder(self._folder)

    def list(self, limit: int = 100) -> list[PutAside]:
        """The refused records of the payloads put aside last, newest payload first."""
        found: list[PutAside] = []
        for payload in self.payloads():
            with suppress(NotInQuarantine):  # loaded again or dropped meanwhile
                found.extend(self.of_payload(payload, limit - len(found)))
        return found


_LINE = msgspec.json.Decoder(PutAside)


def _read(line: bytes) -> PutAside:
    return _LINE.decode(line)


def _line(about: dict[str, Any], raw: bytes) -> Iterator[bytes]:
    """A line of JSON, in pieces: of a body of 500 MB there is one copy in memory and no more."""
    yield msgspec.json.encode(about)[:-1] + b',"record":"'
    # Broken bytes are no text; base64 keeps every one of them.
    for start in range(0, len(raw), _PIECE):
        yield base64.b64encode(raw[start : start + _PIECE])
    yield b'"}\n'
