"""What ends while a lot is being written goes together into the next one."""

import asyncio
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from cdrelay.callbacks.retry import Delivered
from cdrelay.contract.windows import Period
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.publisher.delivery.deliveries import Attempt, Delivery
from cdrelay.publisher.delivery.recording import Judged, Together

TICK = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
WINDOW = Period(TICK - timedelta(minutes=10), TICK - timedelta(minutes=5))


def judged(name: str) -> Judged:
    """An attempt at the delivery of that id."""
    delivery = Delivery(name, "partner", TICK, WINDOW, 1, 1, 0, 12)
    return Judged(delivery, Attempt(1, TICK, 3, 200, "delivered", ""), Delivered(), "https://callback.example/")


class Disk:
    """Keeps the lots; the first one takes until `release`."""

    def __init__(self) -> None:
        self.lots: list[list[str]] = []
        self.release = Event()

    def write(self, lot: list[Judged]) -> None:
        """One lot. That with `bad` in it fails."""
        names = [one.delivery.id for one in lot]
        self.lots.append(names)
        if len(self.lots) == 1:
            assert self.release.wait(10)
        if "bad" in names:
            raise DatabaseUnavailable("full")


async def begin(together: Together, disk: Disk, *names: str) -> list[asyncio.Task[None]]:
    """The first is being written, and the others have come meanwhile."""
    tasks = [asyncio.create_task(together.put(judged(names[0])))]
    async with asyncio.timeout(10):
        while not disk.lots:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    tasks += [asyncio.create_task(together.put(judged(name))) for name in names[1:]]
    await asyncio.sleep(0)
    return tasks


async def test_what_comes_meanwhile_is_one_lot() -> None:
    disk = Disk()
    together = Together(disk.write)
    tasks = await begin(together, disk, "a", "b", "c", "d")
    disk.release.set()
    await asyncio.gather(*tasks)
    assert disk.lots == [["a"], ["b", "c", "d"]]
    await together.put(judged("e"))
    assert disk.lots[2:] == [["e"]]


async def test_nobody_is_told_before_it_is_written() -> None:
    disk = Disk()
    tasks = await begin(Together(disk.write), disk, "a", "b")
    await asyncio.sleep(0.05)
    assert [task.done() for task in tasks] == [False, False]
    disk.release.set()
    await asyncio.gather(*tasks)


async def test_each_of_a_lot_that_fails_hears_of_it_and_the_next_lot_is_written() -> None:
    disk = Disk()
    together = Together(disk.write)
    tasks = await begin(together, disk, "a", "b", "bad")
    disk.release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in results] == [type(None), DatabaseUnavailable, DatabaseUnavailable]
    await together.put(judged("c"))
    with pytest.raises(DatabaseUnavailable):
        await together.put(judged("bad"))


async def test_what_was_handed_in_is_written_though_who_waited_was_cancelled() -> None:
    disk = Disk()
    together = Together(disk.write)
    tasks = await begin(together, disk, "a", "b")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    disk.release.set()
    await together.finish()
    assert disk.lots == [["a"], ["b"]]
