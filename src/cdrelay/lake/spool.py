"""The spool: payloads as they came, durable before anyone is told so, until a load has taken them into the lake.

One file a payload: a line of JSON that says what it is (`Envelope`), then the body, byte for byte. Names start with
the moment of arrival, so that the oldest is loaded first.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

import msgspec
import structlog

from cdrelay.contract.manifest import Manifest
from cdrelay.contract.windows import Period
from cdrelay.errors import CdrelayError
from cdrelay.lake.files import mapped, sync_folder

_log = structlog.get_logger(__name__)

Channel = Literal["intake", "webhook", "repair", "history", "report", "stream"]
"""How a payload came: handed in, delivered, or fetched: from the records endpoint, cdr_feed, a report, cdr_stream."""

ContentEncoding = Literal["", "gzip", "zstd"]
"""How a body is compressed, as in the HTTP header; empty: not at all."""

_ENDING = ".payload"
_DAMAGED = ".damaged"


class NoRoom(CdrelayError):
    """The disk has no room for what was to be written; nothing of it was kept, and it may be tried again later."""


@dataclass(frozen=True, slots=True)
class AskedFor:
    """What the records endpoint was asked for when it gave a payload: one organization's records of a time."""

    org_uuid: str
    period: Period


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a payload is, beside its bytes."""

    id: str
    """Unique; names the payload in the lake and everywhere else."""
    source: str
    """Which calling platform or provider it came from."""
    channel: Channel
    received: datetime
    """Aware, UTC."""
    content_encoding: ContentEncoding = ""
    lines: bool = False
    """Whether the body is NDJSON; otherwise it is one JSON document."""
    signature: str | None = None
    """The signature header it came with, so that its origin stays provable."""
    manifest: Manifest | None = None
    """What the delivery says of itself; nobody signs it."""
    asked_for: AskedFor | None = None
    """Of a payload that the records endpoint gave."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A payload that waits in the spool."""

    path: Path
    envelope: Envelope
    offset: int
    """Where in the file the body starts."""
    size: int
    """Bytes of the body."""

    def body(self) -> bytes:
        """The body, byte for byte as it came."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read()

    def view(self) -> memoryview:
        """The same without reading it into memory; it may be used after the file is removed."""
        with self.path.open("rb") as file:
            return mapped(file, self.offset)


class Incoming:
    """A payload on its way in. Write the pieces, then `commit`; leaving the block without it removes every trace."""

    def __init__(self, folder: Path, envelope: Envelope, require_room: Callable[[int], None]) -> None:
        self._final = folder / f"{_as_in_names(envelope.received)}-{envelope.id}{_ENDING}"
        self._part = self._final.with_suffix(".part")
        self._require_room = require_room
        self._header = msgspec.json.encode(envelope) + b"\n"
        self.size = 0
        try:
            self._file: BinaryIO = self._part.open("wb")
            fcntl.flock(self._file, fcntl.LOCK_SH)  # says that it is being written, until it is closed
            self._file.write(self._header)
        except OSError as error:
            self._part.unlink(missing_ok=True)
            raise NoRoom(f"the spool cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def write(self, piece: bytes | memoryview) -> None:
        """Take the next piece of the body. Raises NoRoom."""
        try:
            self._file.write(piece)
        except OSError as error:
            raise NoRoom(f"the spool cannot be written: {error.strerror}") from error
        self.size += len(piece)

    def body(self) -> memoryview:
        """What was written so far, without reading it into memory. Raises NoRoom."""
        try:
            self._file.flush()
            with self._part.open("rb") as file:
                return mapped(file, len(self._header))
        except OSError as error:
            raise NoRoom(f"the spool cannot be read back: {error.strerror}") from error

    def sync(self) -> None:
        """Make what was written durable, ahead of `commit`; may run while more is written. Raises NoRoom.

        The system tells of a write that failed once: whoever passes over the error of a `sync` loses the bytes.
        """
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise NoRoom(f"the spool cannot be written: {error.strerror}") from error

    def commit(self) -> Path:
        """Make it durable and visible to the loader; returns only then. Raises NoRoom."""
        self._require_room(0)
        self.sync()
        try:
            self._file.close()
            self._part.rename(self._final)
            sync_folder(self._final.parent)
        except OSError as error:
            raise NoRoom(f"the spool cannot be written: {error.strerror}") from error
        return self._final

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def _discard(self) -> None:
        with suppress(OSError):  # a full disk also fails the last flush
            self._file.close()
        self._part.unlink(missing_ok=True)


class Spool:
    """A folder of payloads that wait to be loaded. Writers and a loader may use it at once, in several processes."""

    def __init__(self, folder: Path, reserve_bytes: int = 0) -> None:
        self.folder = folder
        self._reserve = reserve_bytes
        folder.mkdir(parents=True, exist_ok=True)

    def require_room(self, size: int) -> None:
        """Raise NoRoom when a body of `size` bytes would use up the reserve of the disk."""
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise NoRoom(f"the spool folder is not there: {error.strerror}") from error
        if free < size + self._reserve:
            raise NoRoom(
                f"{free} bytes are free on the disk of the spool, of which {self._reserve} are kept in reserve"
            )

    def incoming(self, envelope: Envelope, size: int = 0) -> Incoming:
        """Start a payload of about `size` bytes (0: not known). Raises NoRoom."""
        self.require_room(size)
        return Incoming(self.folder, envelope, self.require_room)

    def put(self, envelope: Envelope, body: bytes | memoryview) -> Path:
        """Keep a whole payload; durable when this returns. Raises NoRoom."""
        with self.incoming(envelope, len(body)) as incoming:
            incoming.write(body)
            return incoming.commit()

    def waiting(self) -> list[Path]:
        """The files of payloads that wait, oldest first."""
        return sorted(self.folder.glob(f"*{_ENDING}"))

    def holds_from_before(self, moment: datetime) -> bool:
        """Whether a payload waits whose body began to come in before `moment`. Raises OSError.

        Told by the names alone: a spool that has grown long is answered for as quickly as an empty one.
        """
        before = _as_in_names(moment)
        with os.scandir(self.folder) as entries:
            return any(entry.name < before and entry.name.endswith(_ENDING) for entry in entries)

    @staticmethod
    def open(path: Path) -> Spooled:
        """The payload in a file of the spool.

        Raises FileNotFoundError when a load has taken it meanwhile, and msgspec.MsgspecError when the file is damaged.
        """
        with path.open("rb") as file:
            header = file.readline()
            envelope = msgspec.json.decode(header, type=Envelope)
            return Spooled(path, envelope, len(header), path.stat().st_size - len(header))

    @staticmethod
    def set_aside(path: Path) -> Path:
        """Keep a damaged file as it is, under a name by which it holds up no other, and which is returned."""
        kept = path.rename(path.with_suffix(_DAMAGED))
        sync_folder(path.parent)
        _log.error("spool.damaged", file=path.name)
        return kept

    def damaged(self) -> list[Path]:
        """The files that were set aside and nobody has removed since, oldest first."""
        return sorted(self.folder.glob(f"*{_DAMAGED}"))

    def remove(self, paths: list[Path]) -> None:
        """Forget payloads that are in the lake; those already gone are passed over."""
        for path in paths:
            path.unlink(missing_ok=True)
        if paths:
            sync_folder(self.folder)

    def sweep(self) -> int:
        """Remove what a crash left half written and nobody was told of; how many files.

        What another thread or process is writing stays.
        """
        return sum(_remove_unless_held(part) for part in self.folder.glob("*.part"))


def _as_in_names(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S%f}"


def _remove_unless_held(part: Path) -> bool:
    try:
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
    except (BlockingIOError, FileNotFoundError):
        return False
    return True
