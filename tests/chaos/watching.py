"""Memory and files of the collector, round by round, and whether they have stopped growing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from cdrelay.lake.table import RecordTable

_FOLDERS = ("spool", "aside", "quarantine", "scratch")
_WARM_UP = 0.25
"""The share of a process's life in which its memory may grow: engine and caches fill."""
_MORE_MEMORY, _MORE_FILES = 1.10, 1.25
_FEW_BYTES, _FEW_FILES = 16 * 2**20, 32
"""What makes no difference: the lake has up to 32 small files a day before it merges them."""
ENOUGH_SAMPLES = 40
"""Fewer say nothing about growth."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The collector at one moment."""

    round: int
    pid: int | None
    rss: int
    """Bytes; 0 when it does not run."""
    files: dict[str, int]


@dataclass(slots=True)
class Watch:
    """Samples of one run."""

    home: Path
    samples: list[Sample] = field(default_factory=list)

    def look(self, number: int, pid: int | None) -> None:
        """Take a sample. Blocking."""
        rss = 0
        if pid is not None:
            try:
                rss = psutil.Process(pid).memory_info().rss
            except psutil.NoSuchProcess:
                pid = None
        self.samples.append(Sample(number, pid, rss, count_files(self.home)))


def count_files(home: Path) -> dict[str, int]:
    """Files of the collector by kind; those of the lake apart: in use, kept for readers for an hour, its log."""
    half = home / "collector"
    counts = {name: sum(1 for one in (half / name).rglob("*") if one.is_file()) for name in _FOLDERS}
    lake = half / "lake"
    if not (lake / "_delta_log").is_dir():
        return counts | {"lake": 0, "lake, for an hour": 0, "lake log": 0}
    used = len(RecordTable(lake).snapshot().files)
    on_disk = sum(1 for _ in lake.glob("*/*.parquet")) - sum(1 for _ in lake.glob("_*/*.parquet"))
    return counts | {
        "lake": used,
        "lake, for an hour": max(0, on_disk - used),
        "lake log": sum(1 for _ in (lake / "_delta_log").iterdir()),
    }


def longest_life(samples: Sequence[Sample]) -> list[int]:
    """Memory in bytes, round by round, of the process that lived longest."""
    lives: dict[int, list[int]] = {}
    for one in samples:
        if one.pid is not None and one.rss:
            lives.setdefault(one.pid, []).append(one.rss)
    return max(lives.values(), key=len, default=[])


def memory_halves(samples: Sequence[Sample]) -> tuple[float, float] | None:
    """Median memory, in bytes, in both halves of the longest life, after its warm-up; None when it was too short."""
    longest = longest_life(samples)
    if len(longest) < ENOUGH_SAMPLES:
        return None
    settled = longest[int(len(longest) * _WARM_UP) :]
    middle = len(settled) // 2
    return median(settled[:middle]), median(settled[middle:])


def file_halves(samples: Sequence[Sample], kind: str) -> tuple[int, int]:
    """The most files of one kind in the first and in the second half of the run."""
    middle = len(samples) // 2
    first, second = ([one.files[kind] for one in half] for half in (samples[:middle], samples[middle:]))
    return max(first, default=0), max(second, default=0)


def growth(samples: Sequence[Sample], spoiled: int) -> list[str]:
    """A sentence for whatever has not stopped growing.

    Two things grow by their nature: quarantine, by a file for each payload with a record that cannot be stored
    (`spoiled` payloads were sent), and what the lake keeps for an hour for its readers, with its log.
    """
    found = []
    halves = memory_halves(samples)
    if halves is not None and halves[1] > halves[0] * _MORE_MEMORY + _FEW_BYTES:
        first, second = (f"{size / 2**20:.0f} MiB" for size in halves)
        found.append(f"memory grows: {first} in the first half of a life, {second} in the second")
    for kind in ("aside", "scratch", "lake"):
        before, after = file_halves(samples, kind)
        if len(samples) >= ENOUGH_SAMPLES and after > before * _MORE_FILES + _FEW_FILES:
            found.append(f"files grow: {kind} had {before} at most in the first half, {after} in the second")
    last = samples[-1].files if samples else {}
    if last.get("spool"):
        found.append(f"{last['spool']} files are left in the spool")
    if last.get("quarantine", 0) > spoiled:
        found.append(f"{last['quarantine']} payloads are in quarantine, and {spoiled} had a spoiled record")
    return found
