"""Records that cannot be stored, put aside with the reason, one file a payload."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from cdrelay.lake.files import write_durably
from cdrelay.lake.prepare import PayloadTally, Refused

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


class Quarantine:
    """A folder of refused records. Putting the same payload aside again replaces its file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, payload: PayloadTally) -> None:
        """Keep a payload's refused records, or its whole body when that could not be read. Durable when it returns."""
        refused = payload.refused
        if payload.unreadable is not None:
            refused = [Refused(0, payload.spooled.body(), "body", payload.unreadable)]
        self.keep(payload.spooled.envelope.id, payload.spooled.envelope.source, refused)

    def keep(self, payload_id: str, source: str, refused: Sequence[Refused]) -> None:
        """Keep records of `source` that are refused before they are in any payload. Durable when it returns."""
        if not refused:
            return
        lines = (
            _line(
                {"payload": payload_id, "source": source, "index": one.index, "field": one.field, "rule": one.rule},
                one.raw,
            )
            for one in refused
        )
        write_durably(self._folder / f"{payload_id}.ndjson", chain.from_iterable(lines))

    def list(self, limit: int = 100) -> list[PutAside]:
        """The refused records of the payloads put aside last, newest payload first."""
        found: list[PutAside] = []
        files = sorted(self._folder.glob("*.ndjson"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files:
            with file.open("rb") as lines:
                for line in islice(lines, limit - len(found)):
                    one = msgspec.json.decode(line)
                    found.append(PutAside(**(one | {"record": base64.b64decode(one["record"])})))
        return found


def _line(about: dict[str, Any], raw: bytes) -> Iterator[bytes]:
    """A line of JSON, in pieces: of a body of 500 MB there is one copy in memory and no more."""
    yield msgspec.json.encode(about)[:-1] + b',"record":"'
    # Broken bytes are no text; base64 keeps every one of them.
    for start in range(0, len(raw), _PIECE):
        yield base64.b64encode(raw[start : start + _PIECE])
    yield b'"}\n'
