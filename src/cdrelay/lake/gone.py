"""A lake that is not there though it was: its disk is not mounted, or its folder was deleted.

An empty one in its place would take new records as if nothing had been before: the old ones would be missing without a
word, and loads would get numbers that windows were cut by already.
"""

import os
from collections.abc import Callable
from pathlib import Path

from cdrelay.errors import CdrelayError
from cdrelay.lake.log_repair import LakeUnreadable
from cdrelay.lake.table import RecordTable


class LakeThere(CdrelayError):
    """There is a lake, or there never was one: nothing to begin anew."""


def gone(folder: Path, last_load: Callable[[], int]) -> bool:
    """Whether there is nothing of a lake that had loads. `last_load` gives the number of the last known; 0: none.

    Raises LakeUnreadable where nobody can tell.
    """
    if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
        raise LakeUnreadable(f"{folder} cannot be read: it belongs to another user")
    return not any(folder.glob("*/*")) and last_load() > 0


def in_words(folder: Path, half: str) -> str:
    """That the lake is `gone`, for a person."""
    return f"the lake of the {half} is gone: {folder} is missing or empty, and records were stored in it"


def refuse_if_gone(folder: Path, half: str, last_load: Callable[[], int]) -> None:
    """Raises LakeUnreadable, which says what to do, where the lake is `gone`."""
    if gone(folder, last_load):
        raise LakeUnreadable(
            f"{in_words(folder, half)}. Mount its disk, or put it back from a backup (docs/operations/doctor.md, Lake)."
            f" To go on without its records: `cdrelay lake begin-anew --half {half}`"
        )


def refuse_if_there(folder: Path, half: str, last_load: int) -> None:
    """Raises LakeThere unless the lake is gone; 0 as the number of the last known load: there never was one."""
    if not last_load:
        raise LakeThere(f"nothing was ever stored in the lake of the {half}: a start makes it")
    begun = (folder / "_delta_log").is_dir() and RecordTable(folder).snapshot().last_load
    if begun or any(folder.glob("*-*-*/*.parquet")):
        raise LakeThere(f"there is a lake in {folder}; to go on without it, move it away first")


def begin_anew(folder: Path, half: str, last_load: int) -> None:
    """Make an empty lake in the place of one that is gone; its loads are numbered on. Again after a crash is harmless.

    With numbers from 1, the publisher would take late records for some that were sent before. Raises LakeThere.
    """
    refuse_if_there(folder, half, last_load)
    RecordTable(folder).commit_load(last_load, (), ())
