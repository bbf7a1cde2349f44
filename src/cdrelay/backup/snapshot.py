"""One consistent state of a home folder, taken while everything runs, as hard links in a folder of its own.

The order is what makes it consistent. A payload goes from the spool into the lake, and the database follows:

1. outbox, then control database, while no window is written: what the database says is pending has its body;
2. of each half, while its loader waits: quarantine, spool, lake. What was acknowledged before is in one of them, and
   what the database counts as loaded, cut or read from a source is in one of them too. A lake that is newer than the
   database is what a crash leaves as well: loads and cuts go on from there.

What lies on another disk than the home folder is copied instead of linked, and the loader waits for that.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cdrelay.backup.manifest import BackupFailed, LakeState
from cdrelay.control.copying import copy_database
from cdrelay.lake.table import RecordTable

STAGING = "backup"
"""The folder in the home folder; gone when the backup is over."""
_LOCK = "backup.lock"


@dataclass(frozen=True, slots=True)
class HalfToCopy:
    """One half of the home."""

    name: str
    table: RecordTable
    exclusively: Callable[[], AbstractContextManager[None]]
    """Keeps its loader waiting."""
    outbox_alone: Callable[[], AbstractContextManager[None]] | None = None
    """Keeps those waiting who write windows into its outbox, where it has one."""


@dataclass(frozen=True, slots=True)
class HomeState:
    """A state of the home folder that stays as it is."""

    folder: Path
    """Laid out as the home folder."""
    lakes: dict[str, LakeState]

    def paths(self) -> list[str]:
        """All files, relative to it."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if not path.is_dir())


@contextmanager
def home_state(
    home: Path,
    halves: Sequence[HalfToCopy],
    *,
    with_key: bool,
    reserve_bytes: int = 0,
    progress: Callable[[int, int], None] = lambda done, pages: None,
) -> Iterator[HomeState]:
    """Hold a state fast until the block ends. `progress` is of the database, as in `copy_database`.

    What a killed backup left is removed first. Raises BackupFailed, also while another one runs, and
    DatabaseUnavailable.
    """
    staging = home / STAGING
    with (home / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupFailed(f"another backup of {home} is under way") from None
        shutil.rmtree(staging, ignore_errors=True)
        try:
            staging.mkdir(mode=0o700)
            yield _take(home, staging, halves, with_key, reserve_bytes, progress)
        except OSError as error:
            raise BackupFailed(f"the backup failed: {error}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _take(
    home: Path,
    staging: Path,
    halves: Sequence[HalfToCopy],
    with_key: bool,
    reserve_bytes: int,
    progress: Callable[[int, int], None],
) -> HomeState:
    # Renewed tokens lie in files for moments, until the database has them: before and after, so that none slips by.
    _copy_tokens(home, staging)
    _take_database(home, staging, halves, reserve_bytes, progress)
    _copy_tokens(home, staging)
    lakes = {half.name: _take_half(home, staging, half) for half in halves}
    _link_all(home, staging, "collector/aside", "*.payload", "*.damaged")
    for name in ("settings.toml", "collector/alive", *(["secret.key"] if with_key else [])):
        _copy(home, staging, name)
    return HomeState(staging, lakes)


def _take_database(
    home: Path,
    staging: Path,
    halves: Sequence[HalfToCopy],
    reserve_bytes: int,
    progress: Callable[[int, int], None],
) -> None:
    size, free = (home / "control.db").stat().st_size, shutil.disk_usage(home).free
    if free < size + reserve_bytes:
        raise BackupFailed(
            f"the copy of the control database needs {size} bytes; {free} are free on the disk of {home}"
        )
    sending = next((half for half in halves if half.outbox_alone is not None), None)
    if sending is None or sending.outbox_alone is None:
        copy_database(home / "control.db", staging / "control.db", progress)
        return
    with sending.outbox_alone():
        _link_all(home, staging, f"{sending.name}/outbox", "*.json.zst")
        copy_database(home / "control.db", staging / "control.db", progress)


def _take_half(home: Path, staging: Path, half: HalfToCopy) -> LakeState:
    name, folder = half.name, half.table.folder
    with half.exclusively():
        _link_all(home, staging, f"{name}/quarantine", "*.ndjson")
        _link_all(home, staging, f"{name}/spool", "*.payload", "*.damaged")
        state = half.table.snapshot()
        log = folder / "_delta_log"
        for path in [*log.glob("*.json"), *log.glob("*.parquet"), log / "_last_checkpoint"]:
            _link(home, staging, path)
        for file in state.files:
            if not _link(home, staging, folder / file.path):
                raise BackupFailed(f"the lake of the {name} lacks {file.path}; `cdrelay doctor` says what to do")
        _copy(home, staging, f"{name}/lake.keys")
    return LakeState(state.version, state.last_load, len(state.files), sum(file.rows for file in state.files))


def _link_all(home: Path, staging: Path, folder: str, *patterns: str) -> None:
    for pattern in patterns:
        for path in (home / folder).glob(pattern):
            _link(home, staging, path)  # one that is gone was not needed any more


def _link(home: Path, staging: Path, path: Path) -> bool:
    """Hold fast a file whose content never changes under its name; whether it was there."""
    target = staging / path.relative_to(home)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, target)
    except FileNotFoundError:
        return False
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(path, target)
    return True


def _copy(home: Path, staging: Path, name: str) -> None:
    target = staging / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.copyfile(home / name, target)


def _copy_tokens(home: Path, staging: Path) -> None:
    for path in (home / "collector" / "tokens").glob("*.renewed"):
        with suppress(FileNotFoundError):
            content = path.read_bytes()
            if content.strip():  # otherwise it is room that is kept for an answer
                target = staging / path.relative_to(home)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
