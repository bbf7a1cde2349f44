"""Reading the CSV of a Detailed Call History report, as Control Hub gives it, row by row (FACTS section 4).

The first row names the fields, in any spelling. The file may be in a zip, begin with a byte order mark, have semicolons
or tabs for commas, and line breaks within quotes. Memory does not grow with it.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

import msgspec

from cdrelay.collector.errors import ReportRefused
from cdrelay.lake.prepare import Refused
from cdrelay.records.fields import field_for
from cdrelay.records.identity import KEYS, RECORD_BYTES

_SEPARATORS = ",;\t"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One record of a report."""

    line: bytes
    """As JSON, its keys spelled as on the wire."""
    org_uuid: str
    report_time: str
    """As it stands there."""


class ReportFile:
    """A file of reports: one CSV, or a zip of some. Use `rows` once."""

    def __init__(self, path: Path, progress: Callable[[int], None] = lambda read: None) -> None:
        """`progress` is told, now and then, how many bytes were read since the last time. Raises ReportRefused."""
        self.path = path
        self._progress = progress
        try:
            with path.open("rb") as file:
                self._zipped = zipfile.is_zipfile(file)
            size = sum(member.file_size for member in _members(path)) if self._zipped else path.stat().st_size
        except (OSError, zipfile.BadZipFile) as error:
            raise ReportRefused(f"{path} cannot be read: {error}") from error
        self.size = size
        """Bytes of all CSV in it."""

    def rows(self) -> Iterator[ReportRow | Refused]:
        """Each record, or what makes no sense of the file; its index is its row, from 0, without the header.

        Raises ReportRefused when the file as a whole is no report, or cannot be read to its end.
        """
        try:
            with ExitStack() as opened:
                for stream in self._streams(opened):
                    yield from self._read(stream)
        except (OSError, zipfile.BadZipFile, EOFError, UnicodeError, RuntimeError, NotImplementedError) as error:
            raise ReportRefused(f"{self.path} cannot be read to its end: {error}") from error

    def _streams(self, opened: ExitStack) -> Iterator[IO[bytes]]:
        if not self._zipped:
            yield opened.enter_context(self.path.open("rb"))
            return
        archive = opened.enter_context(zipfile.ZipFile(self.path))
        members = _members(self.path)
        if not members:
            raise ReportRefused(f"{self.path} is a zip without a .csv in it")
        for member in members:
            with archive.open(member) as stream:
                yield stream

    def _read(self, stream: IO[bytes]) -> Iterator[ReportRow | Refused]:
        counted = io.BufferedReader(_Raw(stream, self._progress), 2**20)
        mark = counted.peek(2)[:2]
        encoding, errors = ("utf-16", "replace") if mark in _UTF16 else ("utf-8-sig", "surrogateescape")
        # A byte that is no UTF-8 becomes half a surrogate pair, so that it costs its row and not the file.
        text = io.TextIOWrapper(counted, encoding, errors, newline="")
        csv.field_size_limit(RECORD_BYTES)
        first = text.readline(RECORD_BYTES)
        separator = max(_SEPARATORS, key=first.count)
        reader = csv.reader(chain([first], text), delimiter=separator)
        header = _Header(self.path, next(reader, []))
        number = 0
        while (row := _next(reader)) is not None:
            if row != []:
                yield header.record(number, row)
                number += 1


def _members(path: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as archive:
        return [one for one in archive.infolist() if one.filename.lower().endswith(".csv") and not one.is_dir()]


def _next(reader: Iterator[list[str]]) -> list[str] | csv.Error | None:
    """The next row, what is wrong with it, or None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        return error


class _Header:
    """The first row, which says what the others hold."""

    def __init__(self, path: Path, cells: list[str]) -> None:
        self._names: list[str] = []
        for cell in cells:
            field = field_for(cell.strip())
            name = cell.strip() if field is None or field.name in self._names else field.name
            self._names.append(name if name not in self._names else f"{name} ({len(self._names) + 1})")
        missing = [field.name for field in KEYS if field.name not in self._names]
        if missing:
            raise ReportRefused(
                f"{path} is no Detailed Call History report: its first row names no {' and no '.join(missing)}"
            )
        org_uuid, _report_id, report_time = (field.name for field in KEYS)
        self._organization, self._time = self._names.index(org_uuid), self._names.index(report_time)

    def record(self, number: int, row: list[str] | csv.Error) -> ReportRow | Refused:
        """What a row holds."""
        if isinstance(row, csv.Error):
            return Refused(number, b"", "record", f"is no row of a CSV file: {row}")
        if len(row) != len(self._names):
            rule = f"has {len(row)} cells, and the first row of the report {len(self._names)}"
            return Refused(number, _as_bytes(row), "record", rule)
        if any(map(_NOT_UTF8.search, row)):
            return Refused(number, _as_bytes(row), "record", "is no UTF-8")
        line = msgspec.json.encode(dict(zip(self._names, row, strict=True)))
        return ReportRow(line, row[self._organization].strip().lower(), row[self._time].strip())


def _as_bytes(row: list[str]) -> bytes:
    return ",".join(row).encode("utf-8", "surrogateescape")


class _Raw(io.RawIOBase):
    """A stream whose bytes are counted as they are read."""

    def __init__(self, stream: IO[bytes], progress: Callable[[int], None] = lambda read: None) -> None:
        self._stream = stream
        self._told = progress

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """The next bytes."""
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        self._told(len(piece))
        return len(piece)
