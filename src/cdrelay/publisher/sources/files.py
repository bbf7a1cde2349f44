"""The records or CDRs in a file, one by one: NDJSON, JSON and CSV, each also packed with gzip."""

import csv
import errno
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, starmap
from pathlib import Path
from typing import BinaryIO

from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable, split
from cdrelay.publisher.sources.bodies import split_body
from cdrelay.publisher.sources.columns import Columns
from cdrelay.publisher.sources.origin import Format
from cdrelay.publisher.sources.taking import Entry
from cdrelay.records.identity import RECORD_BYTES, RecordRefused

SUFFIXES = (".ndjson", ".jsonl", ".json", ".csv")
"""What is read; each also with .gz behind it."""


def kind_of(path: Path) -> str | None:
    """The suffix that tells what is in a file; None for a file that is not read, such as one being written."""
    if path.name.startswith("."):
        return None
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return suffix if suffix in SUFFIXES else None


def opened_regular(path: Path) -> BinaryIO:
    """A file, opened to be read. Raises OSError also for a device, a pipe or a socket: those need not ever end.

    The check is made on what was opened, and opening does not wait for whoever would write into a pipe.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115  # handed on
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, and no file", str(path))
    return file


def entries_of(path: Path, form: Format, limit: int) -> Iterator[Entry]:
    """The entries of a whole file with their lines, from 1; of a JSON document with their place in it, from 1.

    Where the file as a whole makes no sense any more, the last entry says why, at place 0. What is unpacked, and a
    document, which is read at once, may have no more than `limit` bytes. Raises OSError.
    """
    try:
        with _opened(path, limit) as file:
            match kind_of(path):
                case ".csv":
                    with io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="") as texts:
                        yield from rows(texts, form)
                case ".json":
                    yield from starmap(Entry, enumerate(split_body(_whole(file, limit), form, lines=False), 1))
                case _:
                    yield from lines(file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        yield Entry(0, b"", RecordRefused("file", f"is said to be gzip and is not, or is cut off: {error}"))
    except (BodyUnreadable, BodyTooLarge) as error:
        yield Entry(0, b"", RecordRefused("file", str(error)))


def lines(file: BinaryIO, first: int = 1) -> Iterator[Entry]:
    """The entries of NDJSON from where the file stands; `first` is the number of the line there."""
    number = first
    while line := file.readline(RECORD_BYTES + 2):
        if len(line) > RECORD_BYTES and not line.endswith(b"\n"):
            yield Entry(number, b"", RecordRefused("record", f"is larger than {RECORD_BYTES} bytes"))
            while line and not line.endswith(b"\n"):
                line = file.readline(RECORD_BYTES)
        else:
            for raw in split(line, lines=True):
                yield Entry(number, raw)
        number += 1


def rows(texts: Iterable[str], form: Format) -> Iterator[Entry]:
    """The entries of CSV, whose first line names the columns or is one of Asterisk's. Raises BodyUnreadable."""
    reader = csv.reader(texts)
    try:
        found: Iterator[list[str]] = filter(None, reader)
        first = next(found, None)
        if first is None:
            return
        columns = Columns.read(first, form)
        for row in chain([] if columns.header else [first], found):
            yield columns.entry(reader.line_num, row)
    except csv.Error as error:
        raise BodyUnreadable(f"is no CSV from line {reader.line_num} on: {error}") from error


def _whole(file: BinaryIO, limit: int) -> bytes:
    body = file.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(f"it has more than {limit} bytes")
    return body


class _Bounded(io.RawIOBase):
    """A packed file of which no more than so many bytes are read."""

    def __init__(self, file: gzip.GzipFile, limit: int) -> None:
        self._file = file
        self._left = self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # the base says Buffer, which it is
        piece = self._file.read1(len(buffer))  # no more than is there, so that what comes before damage is had
        self._left -= len(piece)
        if self._left < 0:
            raise BodyTooLarge(f"it unpacks to more than {self._limit} bytes")
        buffer[: len(piece)] = piece
        return len(piece)


@contextmanager
def _opened(path: Path, limit: int) -> Iterator[BinaryIO]:
    with opened_regular(path) as file:
        if path.name.lower().endswith(".gz"):
            yield io.BufferedReader(_Bounded(gzip.GzipFile(fileobj=file), limit), 2**20)
        else:
            yield file
