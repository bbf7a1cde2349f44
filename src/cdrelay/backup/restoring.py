"""A new home folder out of a backup.

All is written into a folder in the new home and checked; only then it is moved into place, the control database last.
While that folder is there nothing starts on the home (`wiring/foundation`).
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from cdrelay.backup.manifest import BackupBroken, FileEntry, Manifest
from cdrelay.backup.reading import read
from cdrelay.backup.writing import Progress, copied
from cdrelay.errors import CdrelayError
from cdrelay.lake.files import sync_folder

RESTORING = "restoring"
"""The folder in a home that is not restored yet."""
_LAST = "control.db"
_KEY = "secret.key"


class RestoreRefused(CdrelayError):
    """The home was not restored; the message says why."""


def restore(
    source: Path,
    home: Path,
    installation_of: Callable[[Path], str],
    key_file: Path | None = None,
    progress: Progress = lambda size: None,
) -> Manifest:
    """Make `home`, which must be empty or not there, what the backup holds.

    `key_file` is the key of a backup that was made without it; `installation_of` says by what a key is known again.
    Raises RestoreRefused and BackupBroken; the home is empty then. Killed, it leaves a home that must be deleted.
    """
    if home.exists() and not home.is_dir():
        raise RestoreRefused(f"{home} is no folder; restore into a new folder")
    if home.exists() and any(home.iterdir()):
        half_done = " (a restore was interrupted: delete it first)" if (home / RESTORING).exists() else ""
        raise RestoreRefused(f"{home} is not empty{half_done}; restore into a new folder")
    staging = home / RESTORING
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.chmod(0o700)
        staging.mkdir(mode=0o700)
        checked = read(source, lambda path, content, done: _write(staging / path, content, path, done), progress)
        if checked.problems:
            more = f", and {len(checked.problems) - 1} more" if len(checked.problems) > 1 else ""
            raise BackupBroken(f"the backup is not whole: {checked.problems[0]}{more}")
        _put_key(staging, checked.manifest, key_file, installation_of)
        _move(staging, home)
    except OSError as error:
        raise RestoreRefused(f"restoring failed: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return checked.manifest


def _write(target: Path, content: IO[bytes], path: str, progress: Progress) -> FileEntry:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
        entry = copied(content, writing.write, path, progress)
        writing.flush()
        os.fsync(writing.fileno())
    sync_folder(target.parent)
    return entry


def _put_key(staging: Path, manifest: Manifest, key_file: Path | None, installation_of: Callable[[Path], str]) -> None:
    if not manifest.with_key:
        if key_file is None:
            raise RestoreRefused("the backup was made without the key; give the home's secret.key with --key-file")
        with key_file.open("rb") as content:
            _write(staging / _KEY, content, _KEY, lambda size: None)
    if installation_of(staging / _KEY) != manifest.installation:
        raise RestoreRefused("the key is not that of the home that was backed up; its secrets could not be read")


def _move(staging: Path, home: Path) -> None:
    names = sorted(path.name for path in staging.iterdir())
    for name in sorted(names, key=lambda name: name == _LAST):
        (staging / name).rename(home / name)
    sync_folder(home)
