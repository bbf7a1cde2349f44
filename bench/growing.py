"""Growing: a load, a count of an hour and a repair with 1, 10 and 50 million records in the lake.

Their cost must follow what they are about, not the age of the lake: with 50 million records at most 1.5 times what it
is with 1 million.

Loading 50 million records would take a quarter of an hour for itself. So the loader loads one day, yesterday, and each
day before it is that day once more: its files, written by the engine with other Report IDs and all times so many days
earlier, and committed as loads are. Files, their number a day, statistics and log are those of a lake that was loaded.

What a measurement loads leaves the lake when it is over, so that each size is met with the same present day. Of several
tries the best counts: other work on the machine is not the lake's.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from bench.measure import Measure, Store, document, envelope, open_store, stopwatch, synthetic
from cdrelay.clock import SystemClock
from cdrelay.collector.fetching import Fetching
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.contract.answers import Patience
from cdrelay.contract.windows import Period
from cdrelay.lake.parquet import LOADED, write_rows
from cdrelay.lake.schema import literals
from cdrelay.lake.snapshot import DataFile
from cdrelay.provider_exchange import ClientLimits
from tests.support.provider import Provider

SIZES = (1_000_000, 10_000_000, 50_000_000)
A_DAY = 250_000  # 1 million then reaches further back than two versions of a record may lie apart
RECORDS_A_PAYLOAD = 10_000
LOADS = {5_000: 7, 20_000: 5}
"""Records in a load, and how many of these loads are timed."""
QUESTIONS = 30
REPAIRS = 7
REPAIRED = 200
"""Records of one organization that an hour lacks."""

_LIMITS = ClientLimits(answer_seconds=60, body_bytes=2**30, patience=Patience(1, 1.0))


def run(scratch: Path) -> list[Measure]:
    """Grow the lake from size to size, and measure at each."""
    store = open_store(scratch / "lake")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = Period(today - timedelta(days=1), today)
    _fill(store, yesterday)
    template = store.table.snapshot().files
    found: dict[str, list[float]] = {}
    for size in SIZES:
        while (days := store.lake.total() // A_DAY) < size // A_DAY:
            _repeat_day(store, template, days)
        for name, seconds in _measure_all(store, yesterday).items():
            found.setdefault(name, []).append(seconds)
    files = store.table.snapshot().files
    size_on_disk = sum(file.size for file in files)
    print(
        f"{store.lake.total():,} records, {len(files):,} files, {size_on_disk / store.lake.total():.0f} bytes a record"
    )
    store.engine.close()
    return [
        Measure(
            f"{name} as the lake grows",
            ", ".join(f"{cost * 1000:,.1f} ms with {size:,}" for size, cost in zip(SIZES, costs, strict=True)),
            costs[-1] / costs[0],
            1.5,
            "at most",
        )
        for name, costs in found.items()
    ]


def _fill(store: Store, day: Period) -> None:
    records: list[bytes] = []
    for record in synthetic(A_DAY, day.start, day.end):
        records.append(record)
        if len(records) == RECORDS_A_PAYLOAD:
            store.spool.put(envelope(), document(records))
            records = []
    store.loader.drain()
    assert store.lake.total() == A_DAY


def _repeat_day(store: Store, template: tuple[DataFile, ...], days: int) -> None:
    """Add the day that lies so many days before the template."""
    load_seq = store.lake.last_load() + 1
    cursor = store.engine.cursor()
    written = []
    for file, path in zip(template, store.table.absolute(template), strict=True):
        day = f"{datetime.fromisoformat(file.day) - timedelta(days=days):%Y-%m-%d}"
        with store.table.new_file(day, load_seq) as target:
            rows = write_rows(cursor, _shifted(store, path, days, load_seq), target, LOADED, None)
            written.append(store.table.written(target, rows))
    cursor.close()
    store.table.commit_load(load_seq, written, [])


def _shifted(store: Store, path: str, days: int, load_seq: int) -> str:
    changed = {
        name: f'"{name}" - INTERVAL {days} DAYS'
        for name, kind in store.table.columns.types.items()
        if kind == "TIMESTAMP WITH TIME ZONE"
    } | {"report_id": "CAST(uuid() AS VARCHAR)", "load_seq": f"CAST({load_seq} AS BIGINT)"}
    replaced = ", ".join(f'{value} AS "{name}"' for name, value in changed.items())
    return f"SELECT * REPLACE ({replaced}) FROM read_parquet({literals([path])})"


def _measure_all(store: Store, yesterday: Period) -> dict[str, float]:
    """Seconds of each kind."""
    hour = Period(yesterday.start + timedelta(hours=10), yesterday.start + timedelta(hours=11))
    before = store.lake.last_load()
    _load(store, 100)  # warm; upkeep, which is due every ten minutes, is done here
    found = {
        f"a load of {records:,} records": _timed(times, lambda records=records: _load(store, records))  # type: ignore[misc]
        for records, times in LOADS.items()
    }
    found["a count of an hour"] = _timed(QUESTIONS, lambda: _count(store, hour))
    found[f"a repair of {REPAIRED} records"] = asyncio.run(_repairs(store, hour))
    added = [file for file in store.table.snapshot().files if file.first_load > before]
    store.table.commit_expiry(added)
    return found


def _timed(times: int, work: Callable[[], float]) -> float:
    return min(work() for _ in range(times))


def _load(store: Store, records: int) -> float:
    """Seconds from a payload of the last minutes in the spool to its commit."""
    end = datetime.now(UTC)
    store.spool.put(envelope(), document(synthetic(records, end - timedelta(minutes=10), end)))
    with stopwatch() as elapsed:
        added = store.loader.drain().added
        seconds = elapsed()
    assert added == records
    return seconds


def _count(store: Store, hour: Period) -> float:
    with stopwatch() as elapsed:
        counts = store.lake.count_by_organization(hour)
        seconds = elapsed()
    assert sum(counts.values()) > A_DAY / 24 / 2, "the hour must hold its share of the day"
    return seconds


async def _repairs(store: Store, hour: Period) -> float:
    """Seconds: ask a provider for an organization's hour, load what it gives, count again."""
    clock = SystemClock()
    org = next(iter(store.lake.count_by_organization(hour)))
    seconds = []
    async with Provider(clock) as provider, PartnerClient(provider.base, provider.token, clock, _LIMITS) as client:
        for number in range(REPAIRS):
            stored = store.lake.count_by_organization(hour)[org]
            provider.record_pages[org] = _lacking(org, hour, seed=number + 2)
            with stopwatch() as elapsed:
                fetching = Fetching("bench", client, store.spool, clock, lambda: uuid4().hex)
                await fetching.fetch(org, hour)
                await asyncio.to_thread(store.loader.drain)
                assert store.lake.count_by_organization(hour)[org] == stored + REPAIRED
                seconds.append(elapsed())
            assert not fetching.problems, fetching.problems
    return min(seconds)


def _lacking(org: str, hour: Period, seed: int) -> bytes:
    mark = b'"Org UUID":"'
    records = []
    for record in synthetic(REPAIRED, hour.start, hour.end, seed):
        before, _, after = record.partition(mark)
        records.append(before + mark + org.encode() + after[36:])
    return document(records)
