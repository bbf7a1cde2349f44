"""Bodies that were signed as they should be and make no sense: kept to be looked at, so that nothing vanishes unseen.

They are files like those of the spool (a line that says what it is, then the body), in a folder of their own that no
load reads.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from cdrelay.lake.spool import Envelope, Spool, Spooled

NO_JSON = "is no list of records; it lies aside and cannot be loaded again"
"""The rule that such a body breaks, as people are told it."""


class Aside:
    """A bounded folder of refused bodies; the oldest go when there are too many, the newest always stays. Blocking."""

    def __init__(
        self, folder: Path, *, reserve_bytes: int = 0, most_files: int = 1_000, most_bytes: int = 1_073_741_824
    ) -> None:
        self._spool = Spool(folder, reserve_bytes)
        self._most_files = most_files
        self._most_bytes = most_bytes

    def sweep(self) -> int:
        """Remove what a crash left half written; how many files."""
        return self._spool.sweep()

    def keep(self, envelope: Envelope, body: bytes | memoryview) -> None:
        """Put a body here; durable when this returns. Raises NoRoom."""
        self._spool.put(envelope, body)
        self._spool.remove(self._surplus())

    def count(self) -> int:
        """How many bodies lie here."""
        return len(self._spool.waiting())

    def find(self, payload: str) -> Spooled | None:
        """The body that came as that payload; None when it is not here."""
        named = [path for path in self._spool.waiting()[::-1] if path.stem.endswith(f"-{payload}")]
        return next((one for one in _opened(named) if one.envelope.id == payload), None)

    def bodies(self, most: int | None = None) -> list[Spooled]:
        """The bodies, newest first."""
        return list(_opened(self._spool.waiting()[::-1][:most]))

    def drop(self, payload: str) -> bool:
        """Remove the body that came as that payload; whether it was here."""
        found = self.find(payload)
        if found is not None:
            self._spool.remove([found.path])
        return found is not None

    def _surplus(self) -> list[Path]:
        kept, kept_bytes = 0, 0
        newest_first = self._spool.waiting()[::-1]
        for path in newest_first:
            try:
                size = path.stat().st_size
            except FileNotFoundError:  # another request made room at the same moment
                continue
            if kept and (kept == self._most_files or kept_bytes + size > self._most_bytes):
                break
            kept, kept_bytes = kept + 1, kept_bytes + size
        return newest_first[kept:]


def _opened(paths: Iterable[Path]) -> Iterator[Spooled]:
    for path in paths:
        # Another request made room at the same moment, or the file is damaged.
        with suppress(FileNotFoundError, msgspec.MsgspecError):
            yield Spool.open(path)
