"""What was acknowledged and is not loaded, over HTTP in the app as it is put together: no answer passes for complete.

Nothing loads here but what a test loads, as where the loader is stuck.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cdrelay.clock import ManualClock
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from cdrelay.wiring import Foundation, assemble, open_foundation
from cdrelay.wiring.publisher import PublisherParts
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, record, report_id
from tests.support.homes import prepared
from tests.support.server import serving

COUNTS, RECORDS, FEED, STREAM = "/v1/partners/cdrcountbyorg", "/v1/partners/cdrsbyorg", "/v1/cdr_feed", "/v1/cdr_stream"
EVERY = pytest.mark.parametrize("path", [COUNTS, RECORDS, FEED, STREAM])
LONGEST = timedelta(minutes=2)
"""A payload may wait so long."""
MS = timedelta(milliseconds=1)


@dataclass
class Stuck:
    """A publisher that loads nothing by itself, one that hands records in, and a partner."""

    clock: ManualClock
    parts: PublisherParts
    client: aiohttp.ClientSession
    intake_key: str
    token: str
    foundation: Foundation

    async def hand_in(self, *records: dict[str, str]) -> None:
        """Records that are acknowledged when this returns."""
        headers = {"Authorization": f"Bearer {self.intake_key}", "Content-Type": "application/json"}
        body = json.dumps({"items": records})
        async with self.client.post("/v1/intake/records", data=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["accepted"]) == (200, len(records))

    async def ask(self, path: str, **other: str) -> tuple[int, Any, aiohttp.ClientResponse]:
        """About the hour before the test, or what came since then; status, body and the response."""
        start, end = START - timedelta(hours=1, minutes=10), START - timedelta(minutes=10)
        if path == STREAM:
            start, end = START, self.clock.now() - timedelta(minutes=1)
        asked = {"startTime": write_time(start), "endTime": write_time(end)}
        asked |= {} if path == COUNTS else {"orgId": ORG}
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.client.get(path, params=asked | other, headers=headers) as response:
            return response.status, json.loads(await response.read()), response


@asynccontextmanager
async def stuck_in(home: Path, **settings: Any) -> AsyncIterator[Stuck]:
    """A partner with one customer; the clock stands still."""
    clock = ManualClock(START)
    with opened(home, clock, **settings) as foundation:
        running = assemble(foundation, frozenset({"publisher"}))
        assert running.publisher is not None
        directory = running.publisher.directory
        partner = directory.add_partner("Reseller")
        directory.add_organization(ORG, partner_id=partner.id, starts_at=EPOCH)
        key, token = directory.credentials.create_intake_key(), directory.credentials.create_token(partner.id)
        async with serving(running.app) as address, aiohttp.ClientSession(address) as client:
            yield Stuck(clock, running.publisher, client, key, token, foundation)


@contextmanager
def opened(home: Path, clock: ManualClock, **settings: Any) -> Iterator[Foundation]:
    """What a publisher stands on."""
    foundation = open_foundation(read_settings({}, home=prepared(home), disk_reserve_bytes=0, **settings), clock)
    yield foundation
    foundation.close()


@pytest.fixture
async def stuck(tmp_path: Path) -> AsyncIterator[Stuck]:
    """With the settings that there are by default."""
    async with stuck_in(tmp_path / "home") as one:
        yield one


def ended(minutes: float) -> datetime:
    """A call's end, so long before the test."""
    return START - timedelta(minutes=minutes)


@EVERY
async def test_what_has_waited_too_long_is_told_in_place_of_an_answer_without_it(stuck: Stuck, path: str) -> None:
    await stuck.hand_in(record("waits", ended(30)))
    stuck.clock.advance(LONGEST + MS)

    status, body, response = await stuck.ask(path)

    assert (status, body["errorCode"]) == (503, 503)
    before = write_time(START + MS)
    why = f"records that were received before {before} are not stored yet, and the answer would lack them"
    assert (body["message"], body["errors"]) == (why, [{"description": why}])
    assert response.headers["Retry-After"] == "30"
    assert response.headers["Trackingid"] == body["trackingId"]


@EVERY
async def test_once_it_is_loaded_the_answer_has_it_and_the_question_was_not_counted(stuck: Stuck, path: str) -> None:
    await stuck.hand_in(record("waits", ended(30)))
    stuck.clock.advance(LONGEST + MS)
    assert [(await stuck.ask(path))[0] for _ in range(3)] == [503] * 3

    stuck.parts.store.loader.drain()
    status, body, _ = await stuck.ask(path)

    # Of feed and stream a token has one question a minute.
    assert status == 200, body
    if path == COUNTS:
        assert body["cdr_counts"] == [{"orgId": ORG, "count": 1}]
    else:
        assert [one["Report ID"] for one in body["items"]] == [report_id("waits")]


@pytest.mark.parametrize("path", [COUNTS, RECORDS, FEED])
async def test_what_came_lately_may_wait_for_its_load(stuck: Stuck, path: str) -> None:
    await stuck.hand_in(record("waits", ended(30)))
    stuck.clock.advance(LONGEST)
    assert (await stuck.ask(path))[0] == 200


@EVERY
async def test_who_waits_longest_counts_whatever_comes_after(stuck: Stuck, path: str) -> None:
    await stuck.hand_in(record("of another", ended(30), OTHER_ORG))
    stuck.clock.advance(LONGEST + MS)
    await stuck.hand_in(record("new", ended(30)))
    assert (await stuck.ask(path))[0] == 503


async def test_a_load_that_never_ends_keeps_nobody_waiting(stuck: Stuck) -> None:
    await stuck.hand_in(record("waits", ended(30)))
    stuck.clock.advance(LONGEST + MS)
    with stuck.parts.store.loader.exclusively():  # as a load that hangs has it
        assert [(await stuck.ask(path))[0] for path in (COUNTS, RECORDS, FEED, STREAM)] == [503] * 4


@EVERY
async def test_what_is_wrong_with_a_question_is_said_all_the_same(stuck: Stuck, path: str) -> None:
    await stuck.hand_in(record("waits", ended(30)))
    stuck.clock.advance(LONGEST + MS)
    assert (await stuck.ask(path, endTime="yesterday"))[0] == 400
    stuck.token = "nonsense"
    assert (await stuck.ask(path))[0] == 401


@EVERY
async def test_a_spool_that_cannot_be_read_is_taken_for_one_that_waits(stuck: Stuck, path: str) -> None:
    stuck.clock.advance(timedelta(minutes=2))
    stuck.parts.store.spool.folder.rmdir()
    status, body, _ = await stuck.ask(path)
    assert status == 503
    assert body["message"].startswith("it cannot be seen whether records wait to be stored")


async def test_in_compressed_time_a_load_has_ten_seconds(tmp_path: Path) -> None:
    async with stuck_in(tmp_path / "home", compress=60.0) as one:
        await one.hand_in(record("waits", ended(0.5)))
        start, end = write_time(START - timedelta(minutes=1)), write_time(START - timedelta(seconds=10))
        one.clock.advance(timedelta(seconds=10))
        assert (await one.ask(COUNTS, startTime=start, endTime=end))[0] == 200
        one.clock.advance(MS)
        assert (await one.ask(COUNTS, startTime=start, endTime=end))[0] == 503


async def test_the_description_of_the_interface_tells_of_it(stuck: Stuck) -> None:
    async with stuck.client.get("/openapi.json") as response:
        paths = (await response.json())["paths"]
    for path in (COUNTS, RECORDS, FEED, STREAM):
        assert "not stored yet" in paths[path]["get"]["responses"]["503"]["description"]


@EVERY
async def test_what_can_never_be_stored_holds_up_no_answer_and_is_told_to_the_operator(stuck: Stuck, path: str) -> None:
    """A file that the disk has damaged, and a record that turns out at its load to be too old to be one."""
    await stuck.hand_in(record(1, ended(30)))
    store, foundation = stuck.parts.store, stuck.foundation
    (waiting,) = store.spool.waiting()
    waiting.write_bytes(b"no envelope\n")
    await stuck.hand_in(record(2, ended(30)))
    old = record(3, START - timedelta(days=4_000))
    envelope = Envelope(id="old", source="intake", channel="intake", received=stuck.clock.now())
    store.spool.put(envelope, json.dumps({"items": [old]}).encode())
    stuck.clock.advance(LONGEST + MS)
    assert (await stuck.ask(path))[0] == 503
    store.loader.drain()

    status, body, _ = await stuck.ask(path)

    assert status == 200
    assert report_id(2) in json.dumps(body) or path == COUNTS
    assert [file.name for file in store.spool.damaged()] == [waiting.with_suffix(".damaged").name]
    told = [one.what for one in foundation.incidents.latest() if one.part == "load"]
    assert sum("cannot be read; the records in it are in no window" in what for what in told) == 1
    assert sum("1 records that were taken in cannot be stored" in what for what in told) == 1
