"""Reading a backup, a folder or a tar, file by file, and checking each against the manifest."""

import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cdrelay.backup.manifest import NAME, BackupBroken, FileEntry, Manifest, decode, require_inside
from cdrelay.backup.writing import BackupFolder, Progress, copied

Take = Callable[[str, IO[bytes], Progress], FileEntry]
"""Given a path in the home folder and the content, which it must read to its end; says what it was."""

_MOST_MANIFEST_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Checked:
    """A backup that was read."""

    manifest: Manifest
    problems: tuple[str, ...]
    """What is missing or differs from the manifest; none: it is whole."""


def verify(source: Path, progress: Progress = lambda size: None) -> Checked:
    """Read all of it and compare. Raises BackupBroken when there is no manifest."""
    return read(source, _hashed, progress)


def read(source: Path, take: Take, progress: Progress = lambda size: None) -> Checked:
    """Hand every file to `take`, and compare. `source` is a folder, a tar, or `-` for a tar on stdin.

    Raises BackupBroken when there is no manifest, and what `take` raises.
    """
    try:
        if source.is_dir():
            return _read_folder(source, take, progress)
        with _opened(source) as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
            return _read_tar(tar, take, progress)
    except tarfile.TarError as error:
        raise BackupBroken(f"{source} is no whole tar: {error}") from error
    except FileNotFoundError as error:
        raise BackupBroken(f"{error.filename} is not there: {source} is no whole backup") from error


def _read_folder(source: Path, take: Take, progress: Progress) -> Checked:
    manifest = decode((source / NAME).read_bytes())
    found = {}
    for file in manifest.files:
        place = source / BackupFolder.place(manifest, file.path)
        if place.is_file():
            with place.open("rb") as reading:
                found[file.path] = take(file.path, reading, progress)
    return Checked(manifest, _problems(manifest, found))


def _read_tar(tar: tarfile.TarFile, take: Take, progress: Progress) -> Checked:
    found, manifest = {}, None
    for member in tar:
        content = tar.extractfile(member) if member.isreg() else None
        if content is None:
            raise BackupBroken(f"the tar holds {member.name!r}, which is no file of a backup")
        with content:
            if member.name == NAME:
                manifest = decode(content.read(_MOST_MANIFEST_BYTES))
                continue
            path = member.name.removeprefix("home/")
            require_inside(path)
            if path == member.name or path in found:
                raise BackupBroken(f"the tar holds {member.name!r}, which is no file of a backup")
            found[path] = take(path, content, progress)
    if manifest is None:
        raise BackupBroken(f"the tar holds no {NAME}: it is no backup, or it was cut off")
    return Checked(manifest, _problems(manifest, found))


def _problems(manifest: Manifest, found: dict[str, FileEntry]) -> tuple[str, ...]:
    listed = {file.path: file for file in manifest.files}
    missing = [f"{path} is missing" for path in listed if path not in found]
    other = [f"{path} differs from the manifest" for path in listed if path in found and found[path] != listed[path]]
    return (*missing, *other, *(f"{path} is not in the manifest" for path in found if path not in listed))


def _hashed(path: str, content: IO[bytes], progress: Progress) -> FileEntry:
    return copied(content, lambda piece: None, path, progress)


@contextmanager
def _opened(source: Path) -> Iterator[IO[bytes]]:
    if str(source) == "-":
        yield sys.stdin.buffer
    else:
        with source.open("rb") as file:
            yield file
