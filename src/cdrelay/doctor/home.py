"""The home folder: rights, key, settings, who runs on it, what was left lying."""

import fcntl
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cdrelay.backup.restoring import RESTORING
from cdrelay.backup.snapshot import STAGING
from cdrelay.doctor.findings import Examined, Finding, some

_FILES = ("control.db", "secret.key", "settings.toml")
ROLES = ("publisher", "collector", "hub")
_BACKUP = "docs/backup.md"
_OLD = timedelta(hours=1)


def home_folder(examined: Examined) -> Iterator[Finding]:
    """Whether it is there, whole, and its owner's alone."""
    home = examined.home
    if (home / RESTORING).exists():
        what = "a restore into the home folder is under way, or was interrupted"
        yield Finding("home folder", "failed", what, f"if none runs, delete {home} and restore again", _BACKUP)
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & 0o077:
        what = f"other users of this machine can reach {home} (mode {mode:04o})"
        yield Finding("home folder", "warning", what, f"chmod 700 {home}")
    else:
        yield Finding("home folder", "ok", str(home))


def rights(examined: Examined) -> Iterator[Finding]:
    """Whether whoever asks may use what is there; a folder that cannot be read looks like an empty one."""
    home = examined.home
    closed = [home] if not _open(home) else [path for path in _used(examined) if not _open(path)]
    if closed:
        names = some([path.relative_to(home.parent).as_posix() for path in closed])
        what = f"no right to use {names} as the user {os.geteuid()}; what follows may be wrong"
        yield Finding("rights", "failed", what, "run it, and cdrelay, as the user that these belong to")
    else:
        yield Finding("rights", "ok", "all that is there can be used")


def _used(examined: Examined) -> Iterator[Path]:
    yield from (path for name in _FILES if (path := examined.home / name).exists())
    for half in examined.halves():
        folder = examined.home / half
        yield folder
        if _open(folder):
            yield from (path for path in folder.iterdir() if path.is_dir())


def _open(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK | os.X_OK if path.is_dir() else os.R_OK)


def key(examined: Examined) -> Iterator[Finding]:
    """The key of the secrets at rest."""
    file = examined.home / "secret.key"
    if not file.exists():
        if (examined.home / "control.db").exists():
            what = "secret.key is gone: secrets and tokens cannot be read"
            advice = f"put {file} back from a backup; nothing starts until then"
            yield Finding("key", "failed", what, advice, "docs/operations/doctor.md#key")
        return
    if examined.secrets() is None:
        advice = f"put {file} back from a backup, before anything is started"
        yield Finding("key", "failed", "secret.key holds no key: secrets and tokens cannot be read", advice, _BACKUP)
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        yield Finding("key", "failed", f"others can read secret.key (mode {mode:04o})", f"chmod 600 {file}")
    else:
        yield Finding("key", "ok", "secret.key is its owner's alone")


def settings(examined: Examined) -> Iterator[Finding]:
    """Names that do not exist and values that do not fit."""
    for problem in examined.setting_problems:
        advice = "change it; `cdrelay settings` explains them. Nothing starts until then"
        yield Finding("settings", "failed", problem, advice, "docs/reference/settings.md")
    if not examined.setting_problems:
        yield Finding("settings", "ok", "all are known and fit")


def roles(examined: Examined) -> Iterator[Finding]:
    """Which roles run on this home now."""
    running = [role for role in ROLES if runs(examined.home, role)]
    yield Finding("roles", "ok", f"running: {', '.join(running)}" if running else "nothing runs on this home")


def runs(home: Path, role: str) -> bool:
    """Whether a process holds the role; asking takes it from nobody."""
    return _held(home / f"{role}.lock")


def _held(file: Path) -> bool:
    try:
        with file.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def half_written_files(examined: Examined) -> Iterator[Finding]:
    """What a crash left, and nobody was told of."""
    home, now = examined.home, examined.clock.now().timestamp()
    old = now - _OLD.total_seconds()
    parts = [path for half in examined.halves() for path in (home / half).rglob("*.part") if _written(path) < old]
    if parts:
        names = some([path.relative_to(home).as_posix() for path in parts])
        what = f"half-written files that nobody writes any more: {names}"
        yield Finding("half-written files", "warning", what, "restart cdrelay; delete those that are still there then")
    if (home / STAGING).exists() and not _held(home / "backup.lock"):
        advice = "make a backup again: it removes this first, and what it holds of old files"
        yield Finding("half-written files", "warning", "a backup was interrupted", advice, _BACKUP)
    elif not parts:
        yield Finding("half-written files", "ok", "there are none")


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
