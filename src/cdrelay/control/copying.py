"""A copy of the control database while others read and write it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cdrelay.control.database import DatabaseUnavailable

_PAGES = 2048
_BUSY_SECONDS = 10.0


def copy_database(source: Path, target: Path, progress: Callable[[int, int], None] = lambda done, pages: None) -> None:
    """Copy one committed state of the database, that of the beginning; nobody waits for it. Raises DatabaseUnavailable.

    `progress` is told how many pages are done, and of how many. The target must not exist, and is not synced.
    """
    address = f"{source.absolute().as_uri()}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            # The state is held fast: otherwise each write of another process would begin the copy anew.
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reading.backup(
                writing, pages=_PAGES, progress=lambda status, left, pages: progress(pages - left, pages), sleep=0.01
            )
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise DatabaseUnavailable(f"the control database cannot be copied: {error}") from error
