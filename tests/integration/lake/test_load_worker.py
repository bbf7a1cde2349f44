"""The loop that drains: it goes on after every failure, and tells of none with values of records."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest

from cdrelay.clock import ManualClock
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.lake.receipts import Receipt
from cdrelay.lake.worker import LoadWorker
from tests.support.lake_builder import LakeBuilder, record

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Opener = Callable[..., LakeBuilder]


class Failing:
    """A place for receipts that fails in each of these ways first, and then keeps them."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = iter(failures)
        self.kept: list[Receipt] = []

    def keep(self, receipts: Sequence[Receipt]) -> None:
        for failure in self._failures:
            raise failure
        self.kept += receipts


@asynccontextmanager
async def working(lake: LakeBuilder, report: Callable[[str, str], None]) -> AsyncIterator[None]:
    """The worker runs in the block."""
    task = asyncio.create_task(LoadWorker(lake.loader, lake.clock, report).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(happened: Callable[[], bool], clock: ManualClock, step: timedelta = timedelta(0)) -> None:
    """Wait for it, with a bound, and move the clock meanwhile."""
    for _ in range(1000):
        if happened():
            return
        clock.advance(step)
        await asyncio.sleep(0.005)
    pytest.fail("it did not happen")


async def test_what_comes_is_loaded_while_it_runs(lake: LakeBuilder, clock: ManualClock) -> None:
    lake.put(record("first", NOON))
    async with working(lake, lambda part, what: pytest.fail(f"{part}: {what}")):
        await until(lambda: lake.lake.total() == 1, clock)
        lake.put(record("second", NOON))
        await until(lambda: lake.lake.total() == 2, clock, timedelta(seconds=1))
        await until(lambda: len(lake.receipts) == 2, clock)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (DatabaseUnavailable("the database is gone"), "DatabaseUnavailable: the database is gone"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (duckdb.ConversionException("Could not convert string '+15551234567'"), "ConversionException"),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_after_a_failure_it_reports_and_goes_on(
    open_lake: Opener, clock: ManualClock, failure: Exception, told: str
) -> None:
    receipts = Failing(failure)
    lake = open_lake(keep_receipts=receipts.keep)
    lake.put(record("a", NOON))
    reports: list[tuple[str, str]] = []
    async with working(lake, lambda part, what: reports.append((part, what))):
        await until(lambda: len(receipts.kept) == 1, clock, timedelta(seconds=1))
        await until(lambda: lake.spool.waiting() == [], clock)
    assert reports == [("load", told)]


async def test_what_nobody_expected_stops_nothing_either(open_lake: Opener, clock: ManualClock) -> None:
    receipts = Failing(KeyError("+15551234567"))
    lake = open_lake(keep_receipts=receipts.keep)
    lake.put(record("a", NOON))
    reports: list[str] = []
    async with working(lake, lambda _, what: reports.append(what)):
        await until(lambda: len(receipts.kept) == 1, clock, timedelta(seconds=1))
    assert len(reports) == 1
    assert "5551234567" not in reports[0]


async def test_it_waits_longer_after_each_failure(open_lake: Opener, clock: ManualClock) -> None:
    receipts = Failing(*[DatabaseUnavailable("gone")] * 7)
    lake = open_lake(keep_receipts=receipts.keep)
    lake.put(record("a", NOON))
    begun, times = clock.now(), []
    async with working(lake, lambda *_: times.append(clock.now() - begun)):
        await until(lambda: len(times) == 1, clock)
        await until(lambda: len(times) == 7, clock, timedelta(seconds=1))
    waits = [after - before for before, after in pairwise(times)]
    assert all(wait >= timedelta(seconds=least) for wait, least in zip(waits, (2, 4, 8, 16, 30, 30), strict=True))
