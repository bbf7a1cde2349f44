"""Bodies of deliveries: built piece by piece in little memory.

They are packed frame by frame: a body that is still being built holds no more than one frame of it unpacked, however
many partners' bodies are built at the same time.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from threading import Semaphore

from cdrelay.callbacks.bodies import PackedBody, pack
from cdrelay.contract.manifest import digest_of

_BEGIN, _BETWEEN, _END = b'{"items":[', b",", b"]}"
FRAME_BYTES = 1024 * 1024
"""Of which a frame is made at least, unless many bodies are built at once."""
_FRAMES_WAITING = 16


class Packers:
    """Threads that pack. Whoever brings more than a few frames waits, so that what waits stays little."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._room = Semaphore(_FRAMES_WAITING)

    def pack(self, content: bytes | memoryview) -> Future[bytes]:
        """A frame of it, once there is one."""
        self._room.acquire()
        packing = self._threads.submit(pack, content)
        packing.add_done_callback(lambda _: self._room.release())
        return packing


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
    """Builds `{"items":[…]}` (FACTS 1.3) of records that are JSON text already."""

    def __init__(self, packers: Packers, frame_bytes: int = FRAME_BYTES) -> None:
        self._packers = packers
        self._frame_bytes = frame_bytes
        self._frames: list[Future[bytes]] = []
        self._waiting = [_BEGIN]
        self._waiting_bytes = len(_BEGIN)
        self._size = 0
        self._report_ids: list[str] = []

    @property
    def records(self) -> int:
        """How many it has."""
        return len(self._report_ids)

    def add(self, report_ids: Sequence[str], records: memoryview) -> None:
        """The next records, at least one, with a comma between two."""
        if self._report_ids:
            self._wait_with(_BETWEEN)
        self._report_ids += report_ids
        if len(records) >= self._frame_bytes:
            self._close_frame()
            self._pack(records)
        else:
            # A copy: the records around them would be held as long.
            self._wait_with(records.tobytes())
            if self._waiting_bytes >= self._frame_bytes:
                self._close_frame()

    def finish(self) -> Body:
        """The body; nothing can be added any more."""
        self._wait_with(_END)
        self._close_frame()
        return Body(self._frames, self._size, self.records, digest_of(self._report_ids))

    def _wait_with(self, piece: bytes) -> None:
        self._waiting.append(piece)
        self._waiting_bytes += len(piece)

    def _close_frame(self) -> None:
        if self._waiting:
            self._pack(b"".join(self._waiting))
            self._waiting, self._waiting_bytes = [], 0

    def _pack(self, frame: bytes | memoryview) -> None:
        self._frames.append(self._packers.pack(frame))
        self._size += len(frame)
