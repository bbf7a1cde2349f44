"""What a backup says of itself: every file with its size and SHA-256, and at which state each lake was copied."""

from datetime import datetime
from pathlib import PurePosixPath

import msgspec

from cdrelay.errors import CdrelayError

NAME = "manifest.json"
FORMAT = 1


class BackupFailed(CdrelayError):
    """A backup was not made; what was in its place before is as it was."""


class BackupBroken(CdrelayError):
    """What was given is no backup, or is not whole; the message says what is wrong."""


class FileEntry(msgspec.Struct, frozen=True):
    """One file of the home folder."""

    path: str
    """Relative to the home folder."""
    size: int
    sha256: str


class LakeState(msgspec.Struct, frozen=True):
    """The state of one lake that was copied."""

    version: int
    """Of the Delta table."""
    last_load: int
    files: int
    records: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All of one backup."""

    format: int = FORMAT
    made_by: str
    """The version of cdrelay."""
    installation: str
    """A keyed hash by which the key of the home is known again."""
    began_at: datetime
    """What was acknowledged before is in it."""
    with_key: bool
    folder: str = ""
    """Where, in a backup that is a folder, its files lie but for those that never change."""
    lakes: dict[str, LakeState]
    files: tuple[FileEntry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def encode(manifest: Manifest) -> bytes:
    """As it is stored."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def decode(content: bytes) -> Manifest:
    """Out of its file. Raises BackupBroken, also for paths that lead out of the home folder."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BackupBroken(f"{NAME} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise BackupBroken(f"{NAME} has format {manifest.format}; this version of cdrelay reads format {FORMAT}")
    for path in (manifest.folder, *(file.path for file in manifest.files)):
        require_inside(path)
    return manifest


def require_inside(path: str) -> None:
    """Raises BackupBroken for a path that is absolute or leads upwards."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\0" in path:
        raise BackupBroken(f"the backup holds the path {path!r}, which leads out of its folder")


def never_changes(path: str) -> bool:
    """Whether the file of that path has the same content for ever: data files of a lake, whose names are random."""
    parts = PurePosixPath(path).parts
    return len(parts) == 4 and parts[1] == "lake" and parts[2] != "_delta_log" and path.endswith(".parquet")
