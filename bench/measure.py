"""What a measurement is, and the store that the benchmarks share."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

import duckdb

from cdrelay.clock import SystemClock
from cdrelay.lake.engine import EngineLimits, open_engine
from cdrelay.lake.load import Loader, LoadLimits
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.spool import Channel, Envelope, Spool
from cdrelay.lake.store import Lake
from cdrelay.lake.table import RecordTable
from cdrelay.traffic import Plan, Traffic


@dataclass(frozen=True, slots=True)
class Measure:
    """One result: what was measured, the ratio that counts, and its limit."""

    name: str
    figures: str
    ratio: float
    limit: float
    direction: Literal["at least", "at most"]

    @property
    def holds(self) -> bool:
        """Whether the ratio is on the right side of its limit."""
        return self.ratio >= self.limit if self.direction == "at least" else self.ratio <= self.limit


@dataclass(frozen=True, slots=True)
class Store:
    """A lake with its spool, in a folder of its own."""

    spool: Spool
    lake: Lake
    loader: Loader
    engine: duckdb.DuckDBPyConnection
    table: RecordTable


def open_store(folder: Path) -> Store:
    """A store as a process would open it, with the default limits."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = open_engine(EngineLimits(), folder / "scratch")
    spool, table = Spool(folder / "spool"), RecordTable(folder / "lake")
    quarantine = Quarantine(folder / "quarantine")
    limits = LoadLimits()
    loader = Loader(spool, table, engine, quarantine, SystemClock(), limits, lambda _receipts: None)
    return Store(spool, Lake(table, engine), loader, engine, table)


def envelope(channel: Channel = "webhook", *, lines: bool = False) -> Envelope:
    """An envelope for a payload that comes now."""
    return Envelope(id=uuid4().hex, source="bench", channel=channel, received=datetime.now(UTC), lines=lines)


def synthetic(count: int, start: datetime, end: datetime, seed: int = 1) -> Iterator[bytes]:
    """Records as the traffic generator makes them."""
    return Traffic(Plan(seed=seed, organizations=50, shaped=False)).records(count, start, end)


def document(records: Iterable[bytes]) -> bytes:
    """A delivery's body."""
    return b'{"items":[' + b",".join(records) + b"]}"


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Seconds since the block began."""
    began = time.perf_counter()
    yield lambda: time.perf_counter() - began
