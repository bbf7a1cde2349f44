"""What became of payloads: one receipt each, and their sum."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from cdrelay.contract.manifest import ManifestState
from cdrelay.errors import UNREADABLE
from cdrelay.lake.drift import Sighting
from cdrelay.lake.prepare import PayloadTally, Refused
from cdrelay.lake.spool import Envelope
from cdrelay.records.wire import decode_object, read_record


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one payload. After a crash in the middle, part of `added` may be told as `repeated`."""

    envelope: Envelope
    size: int
    records: int
    added: int
    corrected: int
    repeated: int
    quarantined: int
    load_seq: int
    loaded: datetime
    manifest_state: ManifestState | None = None
    """Whether its records are those its manifest says; None where it has none."""
    drift: Mapping[Sighting, int] = field(default_factory=dict)
    """How its records differ from the documents, and how many do."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The sum of what one drain did."""

    payloads: int = 0
    records: int = 0
    added: int = 0
    corrected: int = 0
    repeated: int = 0
    quarantined: int = 0

    def __add__(self, other: "Drained") -> "Drained":
        return Drained(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def receipt_of(payload: PayloadTally, load_seq: int, now: datetime) -> Receipt:
    quarantined = len(payload.refused) or int(payload.unreadable is not None)
    records = payload.records or int(payload.unreadable is not None)
    envelope, manifest = payload.spooled.envelope, payload.spooled.envelope.manifest
    state = None
    if manifest is not None:
        state = manifest.compared(payload.report_ids, records, _ids_of(payload.refused))
    return Receipt(
        envelope=envelope,
        size=payload.spooled.size,
        records=records,
        added=payload.added,
        corrected=payload.corrected,
        repeated=records - quarantined - payload.added - payload.corrected,
        quarantined=quarantined,
        load_seq=load_seq,
        loaded=now,
        drift=payload.drift,
        manifest_state=state,
    )


def _ids_of(refused: Sequence[Refused]) -> list[str]:
    """The Report IDs of those that have one that can be read."""
    found = []
    for one in refused:
        with suppress(*UNREADABLE):
            report_id = read_record(decode_object(one.raw)).values.get("report_id")
            if isinstance(report_id, str):
                found.append(report_id)
    return found
