"""The collector's disk, so small that it can be filled."""

import os
import resource
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

DISK_BYTES = 4 * 2**30
"""More than a run needs. It is memory, and only as much of it as is used."""
RESERVE_BYTES = 32 * 2**20
"""What the collector leaves free (setting `disk_reserve_bytes`)."""
_NEARLY_NOTHING = 64 * 2**10
_HALF_A_RESERVE = RESERVE_BYTES // 2


class Disk:
    """A file system of its own at `folder` where the machine allows it, and a limit on the size of files elsewhere.

    With the limit a write fails with EFBIG in place of ENOSPC, in the collector's process alone. Use it as a context.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own = False
        """Whether it is a file system of its own."""

    def __enter__(self) -> "Disk":
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(self.folder)]
        with suppress(OSError):
            self.own = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        if self.own:
            # What was on it stays in its place, to be looked at.
            kept = self.folder.with_name(f"{self.folder.name}-kept")
            shutil.copytree(self.folder, kept, symlinks=True)
            subprocess.run(["/bin/umount", "--lazy", str(self.folder)], capture_output=True, check=False)
            shutil.copytree(kept, self.folder, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(kept)

    def fill(self, pid: int | None, *, wholly: bool) -> None:
        """Leave next to nothing free, or (not `wholly`) half of what the collector wants to keep in reserve."""
        if not self.own:
            _limit_files(pid, _NEARLY_NOTHING)
            return
        leave, filled = _NEARLY_NOTHING if wholly else _HALF_A_RESERVE, False
        while not filled:  # what is written in between may need more than was going to be left
            room = os.statvfs(self.folder)
            filled = self._resize((room.f_blocks - room.f_bfree) * room.f_frsize + leave)

    def free(self, pid: int | None) -> None:
        """Give the room back."""
        if self.own:
            self._resize(DISK_BYTES)
        else:
            _limit_files(pid, resource.RLIM_INFINITY)

    def _resize(self, size: int) -> bool:
        command = ["/bin/mount", "-o", f"remount,size={size}", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _limit_files(pid: int | None, size: int) -> None:
    if pid is not None and hasattr(resource, "prlimit"):
        with suppress(ProcessLookupError, psutil.Error):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
