"""Counting: one hour's counts by organization with 1 million and with 20 million records in the lake.

The cost must follow the period, not the age of the lake: within a factor of 1.5 of each other.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from bench.measure import Measure, Store, document, envelope, open_store, stopwatch, synthetic
from cdrelay.contract.windows import Period

SMALL, LARGE = 1_000_000, int(os.environ.get("BENCH_LARGE", "20000000"))
A_DAY = 500_000
RECORDS_A_PAYLOAD = 20_000
QUESTIONS = 30


def run(scratch: Path) -> list[Measure]:
    """Fill day by day, the newest day first, and ask the same hour at both sizes."""
    store = open_store(scratch / "lake")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=number + 1) for number in range(LARGE // A_DAY)]
    hour = Period(days[0] + timedelta(hours=10), days[0] + timedelta(hours=11))
    seconds = {}
    for number, day in enumerate(days, 1):
        _fill(store, day, seed=number)
        if number * A_DAY in (SMALL, LARGE):
            seconds[number * A_DAY] = _ask(store, hour)
    small, large = seconds[SMALL], seconds[LARGE]
    figures = (
        f"{small * 1000:.1f} ms with {SMALL:,} records, {large * 1000:.1f} ms with {store.lake.total():,};"
        f" {_bytes(scratch / 'lake' / 'lake') / store.lake.total():.0f} bytes a record on disk"
    )
    store.engine.close()
    return [Measure("counts of one hour as the lake grows", figures, large / small, 1.5, "at most")]


def _fill(store: Store, day: datetime, seed: int) -> None:
    records: list[bytes] = []
    for record in synthetic(A_DAY, day, day + timedelta(days=1), seed):
        records.append(record)
        if len(records) == RECORDS_A_PAYLOAD:
            store.spool.put(envelope(), document(records))
            records = []
    store.loader.drain()


def _ask(store: Store, hour: Period) -> float:
    counts = store.lake.count_by_organization(hour)
    assert sum(counts.values()) > A_DAY / 24 / 2, "the hour must hold its share of the day"
    seconds = []
    for _ in range(QUESTIONS):
        with stopwatch() as elapsed:
            assert store.lake.count_by_organization(hour) == counts
            seconds.append(elapsed())
    return median(seconds)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))
