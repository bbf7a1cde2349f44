"""Memory and files of both sides, round by round, and whether they have stopped growing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import psutil

from cdrelay.lake.table import RecordTable

_FOLDERS = ("spool", "aside", "quarantine", "scratch")
MEMORY, PUBLISHER_MEMORY = "memory of the collector, bytes", "memory of the publisher, bytes"
DATABASE, DATABASE_PER_DELIVERY = "control database, bytes", "control database, bytes a delivery"
DATABASE_LOG = "control database's log, bytes"
_GROW_BY_NATURE = frozenset({"quarantine", DATABASE})
"""A file for each payload with a record that cannot be stored; a row for each delivery and hour of an organization."""
_MORE = 1.10
_FEW = {"spool": 16, "scratch": 4, "lake": 32, "lake, replaced": 100, "lake log": 50, DATABASE_LOG: 8 * 2**20}
"""What makes no difference, for nothing is killed in the last part, and more is loaded then.

An engine keeps a file in scratch once it had to write one. A lake merges 32 small files of a day and sums its log up
after 50 entries; SQLite begins its log anew after 4 MB. What was replaced stays for 48 seconds with `--compress 150`,
in which 25 loads may each take the place of several files.
"""
_AT_REST = frozenset({MEMORY, PUBLISHER_MEMORY})
"""A load or a window takes a sixth more for a moment: of these the lower quartile counts, which is what stays."""
FILLED_ROUNDS = 1_000
"""Until 864 rounds, 72 hours of the contract, are over, the publisher lets go of no record, and its lake grows."""
ENOUGH_SAMPLES = 40
"""Fewer say nothing about growth."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Both sides at one moment."""

    round: int
    pid: int | None
    """Of the collector; None when it does not run."""
    figures: Mapping[str, float]
    """By what was looked at: bytes, numbers of files."""


@dataclass(frozen=True, slots=True)
class Course:
    """How one figure went."""

    middle: float
    """Median of the middle fifth; of memory the lower quartile."""
    last: float
    """The same of the last fifth."""
    end: float

    def grows(self, few: float = 0) -> bool:
        """Whether it has not stopped growing; a difference of `few` makes none."""
        return self.last > self.middle * _MORE + few


@dataclass(slots=True)
class Watch:
    """Samples of one run."""

    home: Path
    """Of the collector."""
    samples: list[Sample] = field(default_factory=list)

    def look(self, number: int, pid: int | None, publisher: int | None, deliveries: int) -> None:
        """Take a sample after so many deliveries that the collector took; pids are of both sides. Blocking."""
        figures: dict[str, float] = dict(count_files(self.home))
        for name, process in ((MEMORY, pid), (PUBLISHER_MEMORY, publisher)):
            if process is not None and (size := _memory(process)):
                figures[name] = size
        database, log = (_size(self.home / name) for name in ("control.db", "control.db-wal"))
        if database:  # it may have been taken away
            figures |= {DATABASE: database, DATABASE_LOG: log, DATABASE_PER_DELIVERY: database / max(1, deliveries)}
        self.samples.append(Sample(number, pid, figures))


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def count_files(home: Path) -> dict[str, int]:
    """Files of the collector by kind; those of the lake apart: in use, kept for readers, its log."""
    half = home / "collector"
    counts = {name: sum(1 for one in (half / name).rglob("*") if one.is_file()) for name in _FOLDERS}
    lake = half / "lake"
    if not (lake / "_delta_log").is_dir():
        return counts | {"lake": 0, "lake, replaced": 0, "lake log": 0}
    used = len(RecordTable(lake).snapshot().files)
    on_disk = sum(1 for _ in lake.glob("*/*.parquet")) - sum(1 for _ in lake.glob("_*/*.parquet"))
    return counts | {
        "lake": used,
        "lake, replaced": max(0, on_disk - used),
        "lake log": sum(1 for _ in (lake / "_delta_log").iterdir()),
    }


def longest_life(samples: Sequence[Sample]) -> list[float]:
    """Memory of the collector in bytes, round by round, of the process that lived longest."""
    lives: dict[int, list[float]] = {}
    for one in samples:
        if one.pid is not None and MEMORY in one.figures:
            lives.setdefault(one.pid, []).append(one.figures[MEMORY])
    return max(lives.values(), key=len, default=[])


def course(series: Sequence[float], typical: Callable[[Sequence[float]], float] = median) -> Course | None:
    """How these figures went; None when they are too few to say. `typical` is what stands for many of them."""
    if len(series) < ENOUGH_SAMPLES:
        return None
    fifth = len(series) // 5
    return Course(typical(series[2 * fifth : 3 * fifth]), typical(series[-fifth:]), series[-1])


def at_rest(series: Sequence[float]) -> float:
    """The lower quartile."""
    return quantiles(series, n=4)[0]


def courses(samples: Sequence[Sample]) -> dict[str, Course]:
    """How everything went that was seen often enough. Memory of the collector is that of its longest life."""
    names = dict.fromkeys(name for one in samples for name in one.figures)
    every = {name: [one.figures[name] for one in samples if name in one.figures] for name in names}
    every |= {MEMORY: longest_life(samples)} if MEMORY in names else {}
    courses = {name: course(series, at_rest if name in _AT_REST else median) for name, series in every.items()}
    return {name: found for name, found in courses.items() if found is not None}


def growth(samples: Sequence[Sample], spoiled: int) -> list[str]:
    """A sentence for whatever has not stopped growing; `spoiled` payloads had a record that cannot be stored."""
    still_growing = _GROW_BY_NATURE | ({PUBLISHER_MEMORY} if len(samples) < FILLED_ROUNDS else set())
    found = [
        f"grows: {name}, {one.middle:,.0f} in the middle fifth, {one.last:,.0f} in the last"
        for name, one in courses(samples).items()
        if name not in still_growing and one.grows(_FEW.get(name, 0))
    ]
    last = samples[-1].figures if samples else {}
    if last.get("spool"):
        found.append(f"{last['spool']} files are left in the spool")
    if last.get("quarantine", 0) > spoiled:
        found.append(f"{last['quarantine']} payloads are in quarantine, and {spoiled} had a spoiled record")
    return found
