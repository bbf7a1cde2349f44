"""From records and CDRs of whatever source into the spool: the good ones durably, the others named with the reason."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

import msgspec
import structlog

from cdrelay.clock import Clock
from cdrelay.lake.prepare import Refused
from cdrelay.lake.spool import Envelope, Spool
from cdrelay.publisher.sources.conversion import lines_of, one_line
from cdrelay.publisher.sources.limits import IntakeLimits
from cdrelay.publisher.sources.origin import Origin
from cdrelay.records.identity import RecordRefused


class Entry(NamedTuple):
    """A record or CDR of a source, or something at a place where there should be one."""

    place: int
    """Where in its file or answer."""
    raw: bytes | msgspec.Raw
    """Its JSON; where it is refused, whatever is there."""
    refusal: RecordRefused | None = None
    """Why it is none."""


_PAYLOAD_BYTES = 8 * 2**20

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the records of a source: how many are in the spool, and how many could not be taken."""

    accepted: int = 0
    refused: int = 0

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(self.accepted + other.accepted, self.refused + other.refused)


class Taker:
    """Puts what the sources give into one spool. Blocking; may be used from any thread."""

    def __init__(self, spool: Spool, clock: Clock, limits: IntakeLimits) -> None:
        self._spool = spool
        self._clock = clock
        self._limits = limits

    @property
    def unpacked_bytes(self) -> int:
        """How large a file may be once it is unpacked."""
        return self._limits.unpacked_bytes

    def take(self, origin: Origin, entries: Iterable[Entry], refuse: Callable[[Refused], None]) -> Kept:
        """Take all entries; when this returns, the good ones are durable, and `refuse` was told of every other.

        Taking the same again is harmless: each record has its Report ID, if only a derived one. Raises NoRoom, and
        what `entries` raises; what was taken before stays.
        """
        kept, lines, size = Kept(), list[bytes](), 0
        plausible = self._limits.plausible(self._clock.now())
        for place, raw, refusal in entries:
            try:
                if refusal is not None:
                    raise refusal
                fresh = [one_line(line) for line in lines_of(msgspec.Raw(raw), origin, plausible)]
            except RecordRefused as error:
                refuse(Refused(place, bytes(raw), error.field, error.rule))
                kept += Kept(refused=1)
                continue
            lines += fresh
            size += sum(map(len, fresh))
            kept += Kept(accepted=len(fresh))
            if size >= _PAYLOAD_BYTES:
                self._put(origin, lines)
                lines, size = [], 0
        self._put(origin, lines)
        return kept

    def _put(self, origin: Origin, lines: list[bytes]) -> None:
        if not lines:
            return
        envelope = Envelope(
            id=str(uuid4()), source=origin.name, channel="intake", received=self._clock.now(), lines=True
        )
        self._spool.put(envelope, b"".join(lines))
        _log.info("records.read", source=origin.name, payload=envelope.id, accepted=len(lines))
