"""What a power cut can leave of the log of a table, and how it is mended before the table is read."""

import json
import os
from pathlib import Path

import structlog

from cdrelay.lake.files import sync_folder

_log = structlog.get_logger(__name__)


def repair_log(folder: Path) -> list[str]:
    """Take away the end of the log where a power cut left it empty or torn; the names of what went.

    That nobody was told of: receipts are written, and spool files go, only once the log is on the disk. What the entry
    said is done again: a load from its spool files, upkeep when it is due. Without this no state could be read at all.
    Nothing is taken away that another file was built upon.
    """
    gone = torn_ends(folder)
    for path in gone:
        _log.error("lake.log_repaired", file=path.name)
        path.unlink(missing_ok=True)
    if gone:
        sync_folder(folder / "_delta_log")
    return [path.name for path in gone]


def torn_ends(folder: Path) -> list[Path]:
    """What `repair_log` would take away; nothing is changed."""
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
