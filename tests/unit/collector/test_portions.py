"""Work on a body that is still coming."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from cdrelay.collector.portions import Portions


class Worker:
    """Keeps what it was given; each portion is worked on only once `go` lets it."""

    def __init__(self) -> None:
        self.portions: list[bytes] = []
        self.go = threading.Semaphore(0)
        self.at_once = 0

    def work(self, pieces: list[bytes]) -> None:
        self.at_once += 1
        assert self.at_once == 1
        assert self.go.acquire(timeout=20)
        self.portions.append(b"".join(pieces))
        self.at_once -= 1


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    yield worker
    for _ in range(100):
        worker.go.release()


def _free(worker: Worker) -> None:
    for _ in range(100):
        worker.go.release()


async def test_all_that_came_is_worked_on_in_order(worker: Worker) -> None:
    _free(worker)
    portions = Portions(worker.work, 4, 100)
    pieces = [bytes([number]) * (number % 4) for number in range(50)]
    for piece in pieces:
        await portions.add(piece)
    await portions.end()
    assert b"".join(worker.portions) == b"".join(pieces)


async def test_what_comes_during_work_is_one_portion(worker: Worker) -> None:
    portions = Portions(worker.work, 2, 100)
    for piece in (b"ab", b"cd", b"ef", b"g"):
        await portions.add(piece)
    _free(worker)
    await portions.end()
    assert worker.portions == [b"ab", b"cdefg"]


async def test_whoever_brings_more_than_may_wait_waits_too(worker: Worker) -> None:
    portions = Portions(worker.work, 2, 4)
    for piece in (b"ab", b"cd"):
        await portions.add(piece)
    adding = asyncio.ensure_future(portions.add(b"ef"))
    await asyncio.sleep(0.05)
    assert not adding.done()
    worker.go.release()
    await asyncio.wait_for(adding, 20)
    assert worker.portions == [b"ab"]
    _free(worker)
    await portions.end()
    assert worker.portions == [b"ab", b"cdef"]


async def test_nothing_is_worked_on_where_nothing_came(worker: Worker) -> None:
    portions = Portions(worker.work, 2, 4)
    await portions.end()
    await portions.settle()
    assert worker.portions == []


@pytest.mark.parametrize("then", [b"more than waits", b""])
async def test_what_the_work_raises_reaches_whoever_brings_more_or_ends(then: bytes) -> None:
    def fail(_: list[bytes]) -> None:
        raise OSError("no room")

    portions = Portions(fail, 2, 4)
    await portions.add(b"ab")
    with pytest.raises(OSError, match="no room"):
        await (portions.add(then) if then else portions.end())
    await portions.settle()


async def test_settling_waits_for_the_thread_and_begins_nothing(worker: Worker) -> None:
    portions = Portions(worker.work, 2, 100)
    await portions.add(b"ab")
    await portions.add(b"cd")
    settling = asyncio.ensure_future(portions.settle())
    await asyncio.sleep(0.05)
    assert not settling.done()
    _free(worker)
    await settling
    assert worker.portions == [b"ab"]
