"""One file to which lines are added for ever, such as Asterisk's Master.csv; read from where the last look ended.

How far it was read is kept outside, as text, and moves only when what was read is in the spool. When the file is
rotated, by renaming it or by copying and emptying it, what was not read yet is read from the file beside it that begins
in the same way, also a packed one; then those that were rotated after it, and the new one from its start.
"""

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from cdrelay.lake.prepare import Refused
from cdrelay.publisher.errors import RecordSourceUnreadable
from cdrelay.publisher.sources.columns import Columns
from cdrelay.publisher.sources.files import lines, opened_regular
from cdrelay.publisher.sources.origin import Origin
from cdrelay.publisher.sources.taking import Entry, Kept, Taker
from cdrelay.records.identity import RecordRefused

_CHUNK = 8 * 2**20
_HEAD = 1024
# What follows the name of a file that was rotated: a number or a date.
_ROTATED = re.compile(r"[-._]?\d[-._T\d]*(?:\.gz)?", re.ASCII)
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)

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
                rotated = self._rotated_since(cursor)
                for path in rotated:
                    kept += self._read(path, cursor, ended=True)
                    cursor = Cursor()
                self._keep_cursor("")
                cursor = Cursor()
                if not rotated:
                    name = self._path.name
                    raise RecordSourceUnreadable(
                        f"{name} was rotated and the old one is not beside it: its last lines may be missing"
                    )
            if not self._path.exists() and self._path.parent.is_dir():
                return kept
            return kept + self._read(self._path, cursor, ended=False)
        except OSError as error:
            raise RecordSourceUnreadable(f"the file {self._path} cannot be read: {error.strerror}") from error

    def _rotated_since(self, cursor: Cursor) -> list[Path]:
        """The old file that `cursor` is of, and those that were rotated after it, in that order."""
        name = self._path.name
        beside = [
            path
            for path in self._path.parent.iterdir()
            if path.name.startswith(name) and path != self._path and path.is_file()
        ]
        # While a file is being packed, both are there.
        old = [path for path in beside if path.suffix != ".gz" or path.with_suffix("") not in beside]
        old.sort(key=lambda path: path.stat().st_mtime_ns)
        known = next((place for place, path in enumerate(old) if _is_known(path, cursor)), None)
        if known is None:
            return []
        return [old[known], *(path for path in old[known + 1 :] if _ROTATED.fullmatch(path.name.removeprefix(name)))]

    def _read(self, path: Path, cursor: Cursor, *, ended: bool) -> Kept:
        kept = Kept()
        with _opened(path) as file:
            while chunk := self._next_chunk(file, cursor.offset, ended=ended):
                refused: list[Refused] = []
                kept += self._taker.take(self._origin, self._entries(file, chunk, cursor.offset), refused.append)
                if refused:
                    self._keep_refused(f"{self._origin.name}-{hashlib.sha256(chunk).hexdigest()[:16]}", refused)
                end = cursor.offset + len(chunk)
                cursor = Cursor(end, _head_of(file, end))
                self._keep_cursor(cursor.text())
        return kept

    def _next_chunk(self, file: BinaryIO, offset: int, *, ended: bool) -> bytes:
        try:
            return _chunk(file, offset, ended=ended)
        except _DAMAGED as error:
            damage = Refused(0, b"", "file", f"a packed file is damaged after {offset} bytes: {error}")
            self._keep_refused(f"{self._origin.name}-damaged-{offset}", [damage])
            return b""

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
    with suppress(FileNotFoundError, IsADirectoryError, *_DAMAGED), _opened(path) as file:
        if _head_of(file, cursor.offset) != cursor.head:
            return False
        file.seek(cursor.offset - 1)
        return bool(file.read(1))
    return False


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with opened_regular(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast("BinaryIO", unpacked)
        else:
            yield file
