"""A load that does not end is told of, again and again, until it ends or somebody acts."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from cdrelay.clock import ManualClock
from cdrelay.lake.worker import LoadWorker


class Hanging:
    """A loader whose drain does not end before it is let go."""

    def __init__(self) -> None:
        self.let_go = Event()

    def drain(self) -> None:
        """Hang."""
        self.let_go.wait(30)


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
