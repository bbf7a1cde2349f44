"""The loop of the loader: how soon it drains again, and what it tells of a load that does not end."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from cdrelay.clock import ManualClock
from cdrelay.lake.receipts import Drained
from cdrelay.lake.worker import LoadWorker


class Hanging:
    """A loader whose drain does not end before it is let go."""

    def __init__(self) -> None:
        self.let_go = Event()

    def drain(self) -> Drained:
        """Hang."""
        self.let_go.wait(30)
        return Drained()


class Busy:
    """A loader whose spool is full for some drains, of which each finds so many records."""

    def __init__(self, *records: int) -> None:
        self._records = iter(records)
        self.drains = 0

    def drain(self) -> Drained:
        """Load what there is."""
        self.drains += 1
        return Drained(records=next(self._records, 0))


@pytest.fixture
def clock() -> ManualClock:
    """A clock that is moved by hand."""
    return ManualClock(datetime(2026, 11, 24, 12, tzinfo=UTC))


async def test_a_load_that_hangs_is_told_of_every_ten_minutes(clock: ManualClock) -> None:
    loader, told = Hanging(), list[str]()
    worker = asyncio.create_task(LoadWorker(loader, clock, lambda _part, what: told.append(what)).run())

    for number in (1, 2):
        for _ in range(1000):
            if len(told) == number:
                break
            clock.advance(timedelta(minutes=1))
            await asyncio.sleep(0.001)

    loader.let_go.set()
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    assert [what.partition(";")[0] for what in told] == [
        "a load has been under way for 10 minutes",
        "a load has been under way for 20 minutes",
    ]


@pytest.mark.parametrize(("records", "drains"), [((10_000, 10_000, 9_999), 3), ((9_999, 10_000), 1), ((), 1)])
async def test_only_after_much_it_drains_again_at_once(
    clock: ManualClock, records: tuple[int, ...], drains: int
) -> None:
    loader = Busy(*records)
    worker = asyncio.create_task(LoadWorker(loader, clock, lambda *_: None).run())
    for _ in range(100):
        await asyncio.sleep(0.002)  # the clock stands still, so a pause does not end
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    assert loader.drains == drains
