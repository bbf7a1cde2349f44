"""A state of a home folder, written into a folder or as a tar.

A folder keeps data files of the lakes under `files/`, where the next backup finds them: they never change, so it copies
only new ones. All else lies in a folder of its own each time. `manifest.json` is written last, and says which that is:
a backup that is interrupted leaves the one before it whole.
"""

import fcntl
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec

from cdrelay.backup.manifest import NAME, BackupFailed, FileEntry, Manifest, decode, encode, never_changes
from cdrelay.backup.snapshot import HomeState
from cdrelay.lake.files import sync_folder, write_durably

POOL = "files"
SETS = "sets"
_LOCK = ".lock"
PIECE = 2**20

Progress = Callable[[int], None]
"""Told of bytes as they are done."""


@dataclass(frozen=True, slots=True)
class Written:
    """A backup that is complete."""

    manifest: Manifest
    copied_files: int
    copied_bytes: int
    pruned_files: int
    """Data files of former backups that this one does not need."""


class BackupFolder:
    """A folder for backups of one home. The newest one counts; it shares its data files with the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else writes here. Raises BackupFailed, also where other things than backups lie in the folder."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        strange = sorted({path.name for path in self.folder.iterdir()} - {NAME, NAME + ".part", POOL, SETS, _LOCK})
        if strange:
            raise BackupFailed(f"{self.folder} holds no backup but other things, such as {strange[0]!r}")
        with (self.folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupFailed(f"another backup into {self.folder} is under way") from None
            yield

    def before(self, installation: str) -> dict[str, FileEntry]:
        """The data files that are here already, by path. Raises BackupFailed where another home's backup is here."""
        try:
            manifest = decode((self.folder / NAME).read_bytes())
        except FileNotFoundError:
            return {}
        if manifest.installation != installation:
            raise BackupFailed(f"{self.folder} holds the backup of another home; give each home a folder of its own")
        return {
            file.path: file
            for file in manifest.files
            if never_changes(file.path) and _size(self.folder / POOL / file.path) == file.size
        }

    def write(self, state: HomeState, about: Manifest, progress: Progress) -> Written:
        """Copy what is not here yet, then let it count, then prune. To be called within `alone`."""
        before = self.before(about.installation)
        manifest = _named(about)
        new = [path for path in state.paths() if path not in before]
        self._require_room(sum((state.folder / path).stat().st_size for path in new))
        entries = {path: before[path] for path in state.paths() if path in before}
        for path in new:
            entries[path] = self._copy(state.folder / path, self.folder / self.place(manifest, path), path, progress)
        manifest = _with(manifest, entries)
        write_durably(self.folder / NAME, encode(manifest))
        pruned = self._prune(manifest)
        return Written(manifest, len(new), sum(entries[path].size for path in new), pruned)

    @staticmethod
    def place(manifest: Manifest, path: str) -> str:
        """Where a file of the home lies in the folder."""
        return f"{POOL}/{path}" if never_changes(path) else f"{manifest.folder}/{path}"

    def _require_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise BackupFailed(f"the backup needs {needed} bytes; {free} are free on the disk of {self.folder}")

    @staticmethod
    def _copy(source: Path, target: Path, path: str, progress: Progress) -> FileEntry:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = target.with_name(target.name + ".part")
        with source.open("rb") as reading, _private(part) as writing:
            entry = copied(reading, writing.write, path, progress)
            writing.flush()
            os.fsync(writing.fileno())
        part.rename(target)
        sync_folder(target.parent)
        return entry

    def _prune(self, manifest: Manifest) -> int:
        for folder in (self.folder / SETS).iterdir():
            if folder != self.folder / manifest.folder:
                shutil.rmtree(folder, ignore_errors=True)
        needed = {file.path for file in manifest.files}
        pool, pruned = self.folder / POOL, 0
        for path in sorted(pool.rglob("*"), reverse=True):
            if path.is_dir():
                _remove_if_empty(path)
            elif path.relative_to(pool).as_posix() not in needed:
                path.unlink()
                pruned += 1
        return pruned


def write_tar(state: HomeState, about: Manifest, stream: IO[bytes], progress: Progress) -> Written:
    """Write a tar that may be read as it comes: all files, then the manifest."""
    entries = {}
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in state.paths():
            with (state.folder / path).open("rb") as reading:
                hashing = _Hashing(reading, progress)
                size = os.fstat(reading.fileno()).st_size
                tar.addfile(_member(f"home/{path}", size, about.began_at), hashing)
            entries[path] = FileEntry(path, size, hashing.digest.hexdigest())
        manifest = _with(about, entries)
        content = encode(manifest)
        tar.addfile(_member(NAME, len(content), about.began_at), io.BytesIO(content))
    return Written(manifest, len(entries), manifest.size, 0)


@contextmanager
def tar_file(path: Path) -> Iterator[IO[bytes]]:
    """A tar that is at `path` when it is complete, and not before; readable by its owner alone."""
    part = path.with_name(path.name + ".part")
    try:
        with _private(part) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def copied(reading: IO[bytes], write: Callable[[bytes], object], path: str, progress: Progress) -> FileEntry:
    """Copy piece by piece, and say what it was."""
    digest, size = hashlib.sha256(), 0
    while piece := reading.read(PIECE):
        write(piece)
        digest.update(piece)
        size += len(piece)
        progress(len(piece))
    return FileEntry(path, size, digest.hexdigest())


class _Hashing(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.digest.update(piece)
        self._progress(len(piece))
        return piece


def _named(about: Manifest) -> Manifest:
    return msgspec.structs.replace(about, folder=f"{SETS}/{about.began_at:%Y%m%dT%H%M%S%f}")


def _with(manifest: Manifest, entries: dict[str, FileEntry]) -> Manifest:
    return msgspec.structs.replace(manifest, files=tuple(entries[path] for path in sorted(entries)))


def _member(name: str, size: int, at: datetime) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(at.timestamp())
    return member


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
