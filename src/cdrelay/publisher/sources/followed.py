"""One file to which lines are added for ever, such as Asterisk's Master.csv; read from where the last look ended.

How far it was read is kept outside, as text, and moves only when what was read is in the spool. When the file is
rotated, by renaming it or by copying and emptying it, what was not read yet is read from the file beside it that begins
in the same way; then the new one from its start.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from cdrelay.lake.prepare import Refused
from cdrelay.publisher.errors import RecordSourceUnreadable
from cdrelay.publisher.sources.columns import Columns
from cdrelay.publisher.sources.files import lines
from cdrelay.publisher.sources.origin import Origin
from cdrelay.publisher.sources.taking import Entry, Kept, Taker
from cdrelay.records.identity import RecordRefused

_CHUNK = 8 * 2**20
_HEAD = 1024

KeepRefused = Callable[[str, list[Refused]], None]
"""Puts refused lines aside, under a name that is the same at each reading."""


class Cursor(msgspec.Struct, frozen=True):
    """How far a file was read."""

    offset: int = 0
    head: str = ""
    """SHA-256 of its first bytes, of at most 1,024 and of none after `offset`: what the file is known by."""

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """From its text form; empty is the start."""
        return msgspec.json.decode(text, type=cls) if text else cls()

    def text(self) -> str:
        """As it is kept."""
        return msgspec.json.encode(self).decode()


class FollowedFile:
    """Reads one file as it grows. Blocking; one thread at a time."""

    def __init__(
        self, path: Path, origin: Origin, taker: Taker, keep_cursor: Callable[[str], None], keep_refused: KeepRefused
    ) -> None:
        self._path = path
        self._origin = origin
        self._taker = taker
        self._keep_cursor = keep_cursor
        self._keep_refused = keep_refused

    def look(self, cursor_text: str) -> Kept:
        """Read whole lines to the end; what was read before something is raised is kept.

        Raises RecordSourceUnreadable, NoRoom, and BodyUnreadable for a CSV file whose first line names no columns.

        A file that is not there has no lines yet, as after a rotation. Raises RecordSourceUnreadable also, once, when
        the file was rotated and the old one is not there; the new one is read from the next look on.
        """
        cursor, kept = Cursor.read(cursor_text), Kept()
        try:
            if cursor.offset and not _is_known(self._path, cursor):
                rest = self._rest_of(cursor)
                if rest is not None:
                    kept += self._read(rest, cursor, ended=True)
                self._keep_cursor("")
                cursor = Cursor()
                if rest is None:
                    name = self._path.name
                    raise RecordSourceUnreadable(
                        f"{name} was rotated and the old one is not beside it: its last lines may be missing"
                    )
            if not self._path.exists() and self._path.parent.is_dir():
                return kept
            return kept + self._read(self._path, cursor, ended=False)
        except OSError as error:
            raise RecordSourceUnreadable(f"the file {self._path} cannot be read: {error.strerror}") from error

    def _rest_of(self, cursor: Cursor) -> Path | None:
        beside = (path for path in self._path.parent.iterdir() if path.name.startswith(self._path.name))
        return next((path for path in beside if path != self._path and _is_known(path, cursor)), None)

    def _read(self, path: Path, cursor: Cursor, *, ended: bool) -> Kept:
        kept = Kept()
        with path.open("rb") as file:
            while chunk := _chunk(file, cursor.offset, ended=ended):
                refused: list[Refused] = []
                kept += self._taker.take(self._origin, self._entries(file, chunk, cursor.offset), refused.append)
                if refused:
                    self._keep_refused(f"{self._origin.name}-{hashlib.sha256(chunk).hexdigest()[:16]}", refused)
                end = cursor.offset + len(chunk)
                cursor = Cursor(end, _head_of(file, end))
                self._keep_cursor(cursor.text())
        return kept

    def _entries(self, file: BinaryIO, chunk: bytes, offset: int) -> Iterator[Entry]:
        """Those of whole lines. Each line of CSV stands for itself: a broken one swallows no other."""
        if self._path.suffix.lower() != ".csv":
            yield from lines(io.BytesIO(chunk))
            return
        file.seek(0)
        first = file.readline()
        columns = Columns.read(_cells(first), self._origin.format)
        if offset == 0 and columns.header is not None:
            chunk = chunk[len(first) :]
        for number, line in enumerate(chunk.splitlines(), 1):
            try:
                if cells := _cells(line):
                    yield columns.entry(number, cells, line)
            except csv.Error as error:
                yield Entry(number, line, RecordRefused("record", f"is no line of CSV: {error}"))


def _chunk(file: BinaryIO, offset: int, *, ended: bool) -> bytes:
    """The next whole lines; a line that is not ended yet waits, unless nobody will end it, or it is far too long."""
    file.seek(offset)
    chunk = file.read(_CHUNK)
    whole = chunk.rfind(b"\n") + 1
    if whole or len(chunk) == _CHUNK:
        return chunk[:whole] or chunk
    return chunk if ended else b""


def _cells(line: bytes) -> list[str]:
    return next(csv.reader([line.decode("utf-8-sig", errors="replace")]), [])


def _head_of(file: BinaryIO, end: int) -> str:
    file.seek(0)
    return hashlib.sha256(file.read(min(_HEAD, end))).hexdigest()


def _is_known(path: Path, cursor: Cursor) -> bool:
    """Whether a file begins as the one did that the cursor is of, and is no shorter than what was read of that."""
    with suppress(FileNotFoundError, IsADirectoryError), path.open("rb") as file:
        return path.stat().st_size >= cursor.offset and _head_of(file, cursor.offset) == cursor.head
    return False
