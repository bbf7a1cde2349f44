"""Files that survive a power cut: written, flushed, renamed, and the folder flushed too."""

import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO


def sync_folder(folder: Path) -> None:
    """Make names created in, moved into or removed from `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Put `content`, whole or in pieces, at `path`, all or nothing; a second time replaces it.

    Raises OSError when there is no room.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            file.writelines((content,) if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def mapped(file: IO[bytes], offset: int = 0) -> memoryview:
    """What is in `file` from `offset` on, without reading it into memory; it stays when the file is closed or removed.

    The file must not be empty, and nobody may cut it off meanwhile.
    """
    return memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))[offset:]


def let_go(content: object) -> None:
    """Of what is mapped from a file, give back the memory; what is looked at again is read again. Else nothing."""
    if isinstance(content, memoryview) and isinstance(content.obj, mmap.mmap):
        content.obj.madvise(mmap.MADV_DONTNEED)
