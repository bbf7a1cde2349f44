"""Which files lie in a quarantine, kept in mind: a look at a folder that is as it was costs nothing.

A file is never changed, only replaced, put there or removed; the folder's own time tells of all three.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import perf_counter

_ENDING = ".ndjson"
_PIECE = 3 * 2**20
_SETTLED_SECONDS = 2.0
"""The folder's time is at least as fine as this on any disk: of two changes within it the second may not show."""


@dataclass(slots=True)
class Filed:
    """One file, which holds what is there of one payload."""

    payload: str
    written_ns: int
    """When, in nanoseconds since 1970."""
    lines: int | None = None
    """How many records; None: not counted yet."""


class Listing:
    """The files of one folder. May be used from any thread, while other processes put files there and remove them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._files: dict[str, Filed] = {}
        self._newest_first: Sequence[Filed] = ()
        self._numbers: dict[str, int] = {}
        """What the disk calls each file, by its name."""
        self._seen = (-1, 0.0)
        """The folder's time, and since when it is seen to be that."""
        self._listed_ns: int | None = None
        """The folder's time of which nothing can have been missed; None: it has to be listed again."""

    def newest_first(self) -> Sequence[Filed]:
        """All files, the one written last first. The first look costs the most; one after a change, a listing."""
        with self._lock:
            self._bring_up_to_date()
            return self._newest_first

    def find(self, payload: str) -> Filed | None:
        """The file of a payload; None when there is none. A name is looked for and never made into a path."""
        with self._lock:
            self._bring_up_to_date()
            return self._files.get(payload + _ENDING)

    def path(self, filed: Filed) -> Path:
        """Where it is, unless it was removed since."""
        return self._folder / f"{filed.payload}{_ENDING}"

    def lines(self, filed: Filed) -> int:
        """How many records are in it; read once. 0 when it was removed since."""
        if filed.lines is None:
            with suppress(FileNotFoundError):
                filed.lines = _count(self.path(filed))
        return filed.lines or 0

    def _bring_up_to_date(self) -> None:
        moment, folder_ns = perf_counter(), self._changed()
        if self._seen[0] != folder_ns:
            self._seen = folder_ns, moment
        if self._listed_ns != folder_ns:
            settled = moment - self._seen[1] >= _SETTLED_SECONDS
            self._list()
            self._listed_ns = folder_ns if settled else None

    def _changed(self) -> int:
        """When the folder did; 0 when it is gone, and with it all that was there."""
        try:
            return self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _list(self) -> None:
        # A file that took another's place has another number; asking for more costs five times as much.
        numbers: dict[str, int] = {}
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            numbers = {entry.name: entry.inode() for entry in entries}
        before, self._numbers = self._numbers, numbers
        if numbers == before:
            return
        new = [one for name, _ in numbers.items() - before.items() if (one := self._filed(name)) is not None]
        changed = {name for name, _ in before.items() - numbers.items()}
        stayed = [one for one in self._newest_first if one.payload + _ENDING not in changed]
        new.sort(key=_age, reverse=True)
        ordered = [*new, *stayed]
        if new and stayed and _age(new[-1]) < _age(stayed[0]):
            ordered.sort(key=_age, reverse=True)
        self._newest_first = ordered
        for name in changed:
            self._files.pop(name, None)
        self._files.update((one.payload + _ENDING, one) for one in new)

    def _filed(self, name: str) -> Filed | None:
        """None for what is no file of a quarantine, or was loaded again or dropped meanwhile."""
        if not name.endswith(_ENDING):
            return None
        try:
            written = os.stat(f"{self._folder}/{name}").st_mtime_ns  # noqa: PTH116  # of very many, a path takes longer than this
        except FileNotFoundError:
            return None
        return Filed(name.removesuffix(_ENDING), written)


def _age(filed: Filed) -> tuple[int, str]:
    """By name where several were written at once, so that the order is always the same."""
    return filed.written_ns, filed.payload


def _count(file: Path) -> int:
    with file.open("rb") as pieces:
        return sum(piece.count(b"\n") for piece in iter(lambda: pieces.read(_PIECE), b""))
