"""Folders for what an engine puts on the disk while it works; it holds records, so that none may be left lying."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_scratch(parent: Path) -> Iterator[Path]:
    """A folder in `parent` for one engine, gone at the end. Those of processes that were killed are removed first.

    A lock says that it is in use, and ends with its process; ids of processes are used again, in containers at once.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent):  # nobody takes a folder for left behind that is not locked yet
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(dir=parent))
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


@contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _sweep(parent: Path) -> None:
    for path in parent.iterdir():
        if not path.is_dir():  # an older version had no folders
            path.unlink(missing_ok=True)
            continue
        try:
            with _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(path, ignore_errors=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # in use, or gone by now
