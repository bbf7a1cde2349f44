"""What a power cut can leave of the log of a table, and how it is mended before the table is read.

A failing disk leaves the same. The difference is what else is there: the payloads of a load wait until its log is on
the disk and it is receipted. Where they are gone, the log was whole once, and nothing is mended.
"""

import json
import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from cdrelay.errors import CdrelayError
from cdrelay.lake.files import sync_folder

_log = structlog.get_logger(__name__)

LOADER = "loader"
"""The application transaction whose version is the number of the last load."""


class LakeUnreadable(CdrelayError):
    """The log of a lake cannot be read, so nothing in the lake can."""


@dataclass(frozen=True, slots=True)
class Payloads:
    """What is known of the payloads of one half."""

    spool: Path
    """The folder where they wait."""
    receipted: Callable[[int], Collection[str]]
    """The ids of those that brought something in loads after the one with this number."""

    def gone(self, folder: Path, last_load: int) -> bool:
        """Whether a load after this one took payloads that no longer wait. Then it was committed."""
        waiting = {path.stem.partition("-")[2] for path in self.spool.glob("*.payload")}
        if not waiting.issuperset(self.receipted(last_load)):
            return True
        # Receipts may be of an older backup than the lake; who wrote its files had payloads.
        names = (path.name[:10] for path in folder.glob("*/*-*.parquet"))
        return not waiting and any(int(name) > last_load for name in names if name.isdigit())


def repair_log(folder: Path, payloads: Payloads) -> list[str]:
    """Take away the end of the log where a power cut left it empty or torn; the names of what went.

    That nobody was told of: receipts are written, and spool files go, only once the log is on the disk. What the entry
    said is done again: a load from its spool files, upkeep when it is due. Without this no state could be read at all.
    Raises LakeUnreadable, and takes nothing away, where something would be lost by it.
    """
    torn = torn_ends(folder)
    lost = lost_with(torn, folder, payloads) if torn else ""
    if lost:
        raise LakeUnreadable(
            f"the log of the lake in {folder} ends with an empty or torn file, {torn[0].name}, and without it {lost};"
            " nothing was changed. `cdrelay doctor` says what to do (docs/operations/doctor.md, Lake)"
        )
    for path in torn:
        _log.error("lake.log_repaired", file=path.name)
        path.unlink(missing_ok=True)
    if torn:
        sync_folder(folder / "_delta_log")
    return [path.name for path in torn]


def torn_ends(folder: Path) -> list[Path]:
    """The files at the end of the log that are empty or torn; nothing is changed."""
    log, torn = folder / "_delta_log", []
    if not log.is_dir():
        return []
    newest = max(log.glob("*.json"), default=None)
    if newest is not None and _torn(newest):
        torn.append(newest)
    checkpoint = max(log.glob("*.checkpoint.parquet"), default=None)
    if checkpoint is not None and not _ends_as_parquet(checkpoint):
        torn.append(checkpoint)
    pointer = log / "_last_checkpoint"
    if pointer.exists() and (checkpoint in torn or _torn(pointer)):
        torn.append(pointer)  # whoever reads the log then looks for the newest checkpoint itself
    return torn


def lost_with(torn: Collection[Path], folder: Path, payloads: Payloads) -> str:
    """What would be lost with the torn ends of the log, as a sentence's end; empty: nothing."""
    try:
        last_load, files = _state_without(torn, folder / "_delta_log")
    except (DeltaError, OSError, ValueError):
        return "no state of it could be read"
    if all(path.suffix != ".json" for path in torn):
        return ""
    missing = sum(not (folder / path).exists() for path in files)
    if missing:
        return f"it would be a state of which {missing} files are no longer there"
    if payloads.gone(folder, last_load):
        return "records would be lost, for the payloads of a load that it told of no longer wait"
    return ""


def _state_without(torn: Collection[Path], log: Path) -> tuple[int, list[str]]:
    """The last load and the files of the state that would be left. Raises DeltaError, OSError and ValueError."""
    left = [path for path in log.iterdir() if path not in torn]
    if not any(path.suffix in (".json", ".parquet") for path in left):
        return 0, []  # it was being made
    with TemporaryDirectory() as copy:
        (Path(copy) / log.name).mkdir()
        for path in left:
            shutil.copyfile(path, Path(copy) / log.name / path.name)
        table = DeltaTable(copy)
        return table.transaction_version(LOADER) or 0, table.get_add_actions().column("path").to_pylist()


def _ends_as_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 4))
        return file.read() == b"PAR1"


def _torn(path: Path) -> bool:
    try:
        lines = path.read_bytes().splitlines()
        return not lines or any(not isinstance(json.loads(line), dict) for line in lines)
    except FileNotFoundError:
        return False
    except ValueError:
        return True
