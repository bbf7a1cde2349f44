"""Records that cannot be stored, put aside with the reason, one file a payload."""

import base64
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cdrelay.lake.files import write_durably
from cdrelay.lake.prepare import PayloadTally


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
        envelope = payload.spooled.envelope
        refused = [(one.index, one.field, one.rule, one.raw) for one in payload.refused]
        if payload.unreadable is not None:
            refused = [(0, "body", payload.unreadable, payload.spooled.body())]
        if not refused:
            return
        lines = [
            msgspec.json.encode(
                {
                    "payload": envelope.id,
                    "source": envelope.source,
                    "index": index,
                    "field": field,
                    "rule": rule,
                    # Broken bytes are no text; base64 keeps every one of them.
                    "record": base64.b64encode(raw).decode(),
                }
            )
            for index, field, rule, raw in refused
        ]
        write_durably(self._folder / f"{envelope.id}.ndjson", b"\n".join(lines) + b"\n")

    def list(self, limit: int = 100) -> list[PutAside]:
        """The refused records of the payloads put aside last, newest payload first."""
        found: list[PutAside] = []
        files = sorted(self._folder.glob("*.ndjson"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files:
            for line in file.read_bytes().splitlines():
                if len(found) >= limit:
                    return found
                one = msgspec.json.decode(line)
                found.append(PutAside(**(one | {"record": base64.b64decode(one["record"])})))
        return found
