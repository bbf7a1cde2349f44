"""The moment of the answer: durable in the spool, or committed to the lake with what the load did."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from cdrelay.clock import SystemClock
from cdrelay.collector.commitments import Commitments
from cdrelay.collector.routes import AfterCommit
from cdrelay.collector.sources import SourceChange
from cdrelay.lake.spool import Spool
from cdrelay.lake.worker import LoadWorker
from tests.integration.collector.collector_bench import START, Bench, serving
from tests.support.process import Cdrelay
from tests.support.provider import body_of, calls, organization

RECORDS = calls(organization(1), START - timedelta(minutes=8), 3)
BODY = body_of(RECORDS)


@asynccontextmanager
async def committed(bench: Bench, seconds: float = 20.0) -> AsyncIterator[str]:
    """The receiver whose answers wait for the commit; its address."""
    if "webex" not in {source.name for source in bench.sources.list()}:
        bench.sources.add("webex", SourceChange())
    async with serving(bench.receiver(), AfterCommit(Commitments(bench.database), seconds)) as address:
        yield address


@asynccontextmanager
async def loading(bench: Bench) -> AsyncIterator[None]:
    """The loop that loads, as the process runs it."""
    worker = asyncio.create_task(LoadWorker(bench.store.loader, SystemClock(), bench.incidents.record).run())
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.wait({worker})


async def post(address: str, body: bytes = BODY) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.post(f"{address}/webhooks/webex", data=body) as response:
        return response.status, await response.json()


async def test_a_committed_answer_says_what_the_load_did_and_the_records_are_there(bench: Bench) -> None:
    async with committed(bench) as address, loading(bench):
        status, answer = await post(address)
        assert bench.store.lake.total() == 3
        named = answer.pop("payload")
        assert (status, answer) == (
            200,
            {"records": 3, "added": 3, "corrected": 0, "repeated": 0, "quarantined": 0},
        )
        again, repeated = await post(address, body_of([*RECORDS, *calls("no organization", START, 1)]))
        assert repeated.pop("payload") != named
        assert (again, repeated) == (
            200,
            {"records": 4, "added": 0, "corrected": 0, "repeated": 3, "quarantined": 1},
        )


async def test_several_at_once_get_each_its_own(bench: Bench) -> None:
    bodies = [body_of(calls(organization(number), START - timedelta(minutes=8), number)) for number in range(1, 6)]
    async with committed(bench) as address, loading(bench):
        answers = await asyncio.gather(*(post(address, body) for body in bodies))
    assert [(status, answer["added"]) for status, answer in answers] == [(200, number) for number in range(1, 6)]
    assert len({answer["payload"] for _, answer in answers}) == 5


async def test_a_commit_that_takes_too_long_is_told_as_kept_and_not_as_an_error(bench: Bench) -> None:
    async with committed(bench, seconds=0.3) as address:
        status, answer = await post(address)
        (path,) = bench.store.spool.waiting()
        assert (status, answer) == (202, {"payload": Spool.open(path).envelope.id, "records": 3})
    assert bench.store.loader.drain().added == 3


async def test_a_database_that_is_locked_delays_the_answer_and_loses_nothing(bench: Bench) -> None:
    async with committed(bench, seconds=0.5) as address, loading(bench):
        await post(address)  # from now on the source is known
        lock = sqlite3.connect(bench.database.path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            status, answer = await post(address, body_of(calls(organization(2), START - timedelta(minutes=8), 2)))
        finally:
            lock.close()
        assert (status, answer["records"]) == (202, 2)
        for _ in range(200):
            if not bench.store.spool.waiting():
                break
            await asyncio.sleep(0.1)
    assert bench.store.lake.total() == 5


async def test_a_body_that_is_refused_is_refused_at_once(bench: Bench) -> None:
    async with committed(bench) as address:
        status, _ = await post(address, b"<html>")
    assert status == 400


def test_a_process_that_is_set_so_answers_after_the_commit(tmp_path: Path) -> None:
    cdrelay = Cdrelay(tmp_path / "home")
    with (cdrelay.home / "settings.toml").open("a") as settings:
        settings.write('answer_when = "committed"\nanswer_seconds = 30\n')
    cdrelay.run("collector", "source", "add", "webex")
    cdrelay.start("serve", "--roles", "collector")
    try:
        ended = SystemClock().now() - timedelta(minutes=8)
        status, answer = asyncio.run(post(cdrelay.address, body_of(calls(organization(1), ended, 3))))
    finally:
        cdrelay.stop()
    assert (status, answer["added"]) == (200, 3)
