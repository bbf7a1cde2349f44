"""Bodies of deliveries: built record by record in little memory.

They are packed frame by frame: a body that is still being built holds no more than one frame of it unpacked, however
many partners' bodies are built at the same time.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from cdrelay.callbacks.bodies import PackedBody, pack
from cdrelay.contract.manifest import digest_of

_BEGIN, _BETWEEN, _END = b'{"items":[', b",", b"]}"
FRAME_BYTES = 1024 * 1024
"""Of which a frame is made, unless many bodies are built at once."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is complete."""

    frames: Sequence[Future[bytes]]
    """Packed, or about to be."""
    size: int
    """Bytes unpacked: as it is sent."""
    records: int
    digest: str
    """Of its Report IDs, as in the manifest."""

    def packed(self) -> PackedBody:
        """As it is kept; waits until all of it is packed."""
        return PackedBody(b"".join(frame.result() for frame in self.frames))


class BodyWriter:
    """Builds `{"items":[…]}` (FACTS 1.3) of records that are JSON text already. `packers` pack, meanwhile."""

    def __init__(self, packers: Executor, frame_bytes: int = FRAME_BYTES) -> None:
        self._packers = packers
        self._frame_bytes = frame_bytes
        self._frames: list[Future[bytes]] = []
        self._begun = _BEGIN
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._size = 0
        self._report_ids: list[str] = []

    @property
    def records(self) -> int:
        """How many it has."""
        return len(self._report_ids)

    def add(self, report_id: str, record: bytes) -> None:
        """The next record."""
        self._report_ids.append(report_id)
        self._waiting.append(record)
        self._waiting_bytes += len(record)
        if self._waiting_bytes >= self._frame_bytes:
            self._close_frame()

    def finish(self) -> Body:
        """The body; nothing can be added any more."""
        self._close_frame(_END)
        return Body(self._frames, self._size, self.records, digest_of(self._report_ids))

    def _close_frame(self, end: bytes = b"") -> None:
        # The comma before a frame's first record is part of it; a frame of the end alone has none.
        begun = self._begun if self._waiting or self._begun == _BEGIN else b""
        frame = begun + _BETWEEN.join(self._waiting) + end
        self._frames.append(self._packers.submit(pack, frame))
        self._size += len(frame)
        self._begun, self._waiting, self._waiting_bytes = _BETWEEN, [], 0
