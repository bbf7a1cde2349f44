"""A folder into which files with records or CDRs are put. Each is taken once it is whole, and then moved away.

A file is whole when two looks, a second apart, find the same size and time of change. Who writes longer than that
writes under another name, such as `.x.csv` or `x.csv.part`, and renames: names like these are never taken.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog

from cdrelay.lake.files import sync_folder, write_durably
from cdrelay.lake.prepare import Refused
from cdrelay.publisher.errors import RecordSourceUnreadable
from cdrelay.publisher.sources.files import entries_of, kind_of
from cdrelay.publisher.sources.origin import Origin
from cdrelay.publisher.sources.taking import Kept, Taker

DONE, REFUSED = "done", "refused"
"""Where files go: all their records are taken, or some are not."""
REASONS = ".reasons.json"
"""What is added to the name of a file to tell why records of it are refused."""
REASONS_LISTED = 10_000

_log = structlog.get_logger(__name__)

_Shape = tuple[int, int, int]
"""Size, time of change and inode."""


@dataclass(slots=True)
class _Reasons:
    """Why records of one file are refused."""

    listed: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0

    def add(self, refused: Refused) -> None:
        self.total += 1
        if len(self.listed) < REASONS_LISTED:
            self.listed.append({"line": refused.index or None, "field": refused.field, "rule": refused.rule})


class WatchedFolder:
    """Looks at one folder again and again. Blocking; one thread at a time."""

    def __init__(self, folder: Path, origin: Origin, taker: Taker) -> None:
        self._folder = folder
        self._origin = origin
        self._taker = taker
        self._seen: dict[str, _Shape] = {}

    def look(self) -> Kept:
        """Take the files that are as they were at the look before. Raises RecordSourceUnreadable, NoRoom.

        A kill at any point: the file is read again, and its records are known by their Report IDs.
        """
        try:
            now = {path.name: _shape(path) for path in self._folder.iterdir() if kind_of(path) and path.is_file()}
        except OSError as error:
            raise RecordSourceUnreadable(f"the folder {self._folder} cannot be read: {error.strerror}") from error
        whole = sorted((shape[1], name) for name, shape in now.items() if self._seen.get(name) == shape)
        self._seen = now
        kept, problem = Kept(), None
        for _changed, name in whole:
            try:
                kept += self._take(self._folder / name, now[name])
            except RecordSourceUnreadable as error:
                problem = problem or error  # the files behind it are taken all the same
        if problem is not None:
            raise problem
        return kept

    def _take(self, path: Path, shape: _Shape) -> Kept:
        reasons = _Reasons()
        try:
            entries = entries_of(path, self._origin.format, self._taker.unpacked_bytes)
            kept = self._taker.take(self._origin, entries, reasons.add)
            if _shape(path) != shape:
                return kept  # somebody went on writing; it is read again
        except OSError as error:
            raise RecordSourceUnreadable(f"the file {_shown(path)} cannot be read: {error.strerror}") from error
        self._move(path, kept, reasons)
        return kept

    def _move(self, path: Path, kept: Kept, reasons: _Reasons) -> None:
        try:
            target = _free(self._folder / (REFUSED if reasons.total else DONE), path.name)
            if reasons.total:
                report = {"file": _shown(path), "accepted": kept.accepted, "refusedTotal": reasons.total}
                told = msgspec.json.format(msgspec.json.encode(report | {"refused": reasons.listed}))
                write_durably(target.with_name(target.name + REASONS), told)
            path.rename(target)
            sync_folder(target.parent)
            sync_folder(self._folder)
        except OSError as error:
            raise RecordSourceUnreadable(f"the file {_shown(path)} cannot be moved away: {error.strerror}") from error
        _log.info(
            "file.taken", source=self._origin.name, file=_shown(path), accepted=kept.accepted, refused=reasons.total
        )


def _shown(path: Path) -> str:
    """A name as text, also one that is no UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def _shape(path: Path) -> _Shape:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _free(folder: Path, name: str) -> Path:
    """A name in `folder` that no file has: the file's own, or with a number before its suffixes."""
    folder.mkdir(exist_ok=True)
    stem, dot, suffixes = name.partition(".")
    target, number = folder / name, 1
    while target.exists():
        number += 1
        target = folder / f"{stem}-{number}{dot}{suffixes}"
    return target
