"""Handing in records over HTTP: what is answered, and what is in the spool then."""

import gzip
import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cdrelay.clock import ManualClock
from cdrelay.lake.payload import split
from cdrelay.lake.spool import Spool
from tests.integration.publisher.publisher_bench import ORG, START, Bench, record, report_id, served

PATH = "/v1/intake/records"
JUST_NOW = START - timedelta(minutes=1)
ONE, TWO, THREE = (record(number, JUST_NOW) for number in range(3))


@dataclass
class Door:
    """A client of the intake with a key."""

    bench: Bench
    client: aiohttp.ClientSession
    key: str

    async def hand_in(self, body: Any, **headers: str) -> tuple[int, Any]:
        """POST a body; status and decoded answer."""
        if not hasattr(body, "__aiter__"):
            body = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"} | headers
        async with self.client.post(PATH, data=body, headers=sent) as response:
            assert response.headers["Trackingid"]
            return response.status, await response.json()

    def spooled(self) -> list[list[Any]]:
        """The records of each payload that waits."""
        opened = [Spool.open(path) for path in self.bench.store.spool.waiting()]
        return [
            [
                json.loads(bytes(raw))
                for raw in split(
                    gzip.decompress(one.body()) if one.envelope.content_encoding else one.body(),
                    lines=one.envelope.lines,
                )
            ]
            for one in opened
        ]

    def left_over(self) -> list[Path]:
        """Half-written files in the spool."""
        return list(self.bench.store.spool.folder.glob("*.part"))


@pytest.fixture
async def door(bench: Bench) -> AsyncIterator[Door]:
    """The intake of a publisher."""
    async with served(bench.app()) as client:
        yield Door(bench, client, bench.directory.credentials.create_intake_key())


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Bench]:
    """A publisher that takes little."""
    opened = Bench(tmp_path / "tight", ManualClock(START), body_limit_bytes=1_000, unpacked_limit_bytes=2_000)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "body", [[ONE, TWO], {"items": [ONE, TWO]}, {"data": {"items": [ONE, TWO]}}, {"data": [ONE, TWO]}]
)
async def test_every_shape_of_list_is_taken_and_kept_as_it_came(door: Door, body: Any) -> None:
    status, answer = await door.hand_in(body)
    assert status == 200
    assert (answer["accepted"], answer["refused"], answer["refusedTotal"]) == (2, [], 0)
    (spooled,) = [Spool.open(path) for path in door.bench.store.spool.waiting()]
    assert spooled.body() == json.dumps(body).encode()
    assert spooled.envelope.id == answer["payload"]


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl", "application/x-ndjson; charset=utf-8"])
async def test_lines_are_taken(door: Door, kind: str) -> None:
    body = b"\n".join(json.dumps(one).encode() for one in (ONE, TWO, THREE)) + b"\n\n"
    status, answer = await door.hand_in(body, **{"Content-Type": kind})
    assert (status, answer["accepted"]) == (200, 3)
    assert door.spooled() == [[ONE, TWO, THREE]]


async def test_gzip_is_taken(door: Door) -> None:
    body = gzip.compress(json.dumps([ONE]).encode())
    assert (await door.hand_in(body, **{"Content-Encoding": "gzip"}))[0] == 200
    assert door.spooled() == [[ONE]]


async def test_a_body_in_pieces_without_a_length_is_taken(door: Door) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for sign in json.dumps([ONE, TWO]):
            yield sign.encode()

    assert (await door.hand_in(pieces()))[1]["accepted"] == 2
    assert door.spooled() == [[ONE, TWO]]


async def test_good_records_are_kept_though_others_are_refused(door: Door) -> None:
    nameless = {key: value for key, value in TWO.items() if key != "Report ID"}
    years_off = record("years off", JUST_NOW + timedelta(days=5_000))
    body = json.dumps([ONE, nameless, THREE, years_off, "no object"], indent=2).encode()
    status, answer = await door.hand_in(body)
    assert (status, answer["accepted"], answer["refusedTotal"]) == (200, 2, 3)
    refused = [(one["index"], one["field"], one["reportId"]) for one in answer["refused"]]
    assert refused == [
        (1, "Report ID", None),
        (3, "Report time", report_id("years off")),
        (4, "record", None),
    ]
    assert all(one["reason"] for one in answer["refused"])
    assert door.spooled() == [[ONE, THREE]]
    assert answer["payload"] in door.bench.store.spool.waiting()[0].name
    assert door.left_over() == []
    assert door.bench.store.loader.drain().records == 2


@pytest.mark.parametrize("broken", [b'{"User": "\xff"}', b'{"User": ' + b"[" * 3_000 + b"]" * 3_000 + b"}"])
async def test_a_line_that_cannot_even_be_read_costs_itself_alone(door: Door, broken: bytes) -> None:
    lines = b"\n".join([json.dumps(ONE).encode(), broken, json.dumps(TWO).encode()])
    status, answer = await door.hand_in(lines, **{"Content-Type": "application/x-ndjson"})
    assert (status, answer["accepted"], answer["refusedTotal"]) == (200, 2, 1)
    assert [(one["index"], one["field"], one["reportId"]) for one in answer["refused"]] == [(1, "record", None)]
    assert door.left_over() == []


async def test_of_10000_records_of_which_one_is_broken_9999_are_kept(door: Door) -> None:
    lines = [json.dumps(record(number, JUST_NOW)).encode() for number in range(10_000)]
    lines[5_000] = lines[5_000][:-1]
    status, answer = await door.hand_in(b"\n".join(lines), **{"Content-Type": "application/x-ndjson"})
    assert (status, answer["accepted"]) == (200, 9_999)
    assert [one["index"] for one in answer["refused"]] == [5_000]
    assert door.bench.store.loader.drain().added == 9_999


async def test_records_of_which_none_is_good_are_422_and_nothing_is_kept(door: Door) -> None:
    status, answer = await door.hand_in([{"Org UUID": ORG}] * 1_500)
    assert (status, answer["accepted"], answer["payload"]) == (422, 0, None)
    assert (len(answer["refused"]), answer["refusedTotal"]) == (1_000, 1_500)
    assert door.spooled() == []


async def test_an_empty_list_is_welcome_and_nothing_is_kept(door: Door) -> None:
    status, answer = await door.hand_in([])
    assert (status, answer["accepted"], answer["payload"]) == (200, 0, None)
    assert door.spooled() == []


@pytest.mark.parametrize("body", [b"", b"not json", b'{"items":[', b'{"neither":1}', b'"text"', b"\xff\xfe"])
async def test_a_body_that_is_no_list_of_records_is_400(door: Door, body: bytes) -> None:
    status, answer = await door.hand_in(body)
    assert status == answer["errorCode"] == 400
    assert door.spooled() == []
    assert door.left_over() == []


async def test_a_body_that_says_it_is_gzip_and_is_not_is_400(door: Door) -> None:
    assert (await door.hand_in([ONE], **{"Content-Encoding": "gzip"}))[0] == 400


@pytest.mark.parametrize("authorization", ["", "Bearer nonsense", "Basic eDp5"])
async def test_without_a_valid_key_it_is_401(door: Door, authorization: str) -> None:
    status, answer = await door.hand_in([ONE], Authorization=authorization)
    assert status == answer["errorCode"] == 401
    assert door.spooled() == []


async def test_the_key_may_come_in_x_api_key_until_it_is_revoked(door: Door) -> None:
    headers = {"Authorization": "", "X-Api-Key": door.key}
    assert (await door.hand_in([ONE], **headers))[0] == 200
    door.bench.directory.credentials.revoke_intake_key(door.key)
    assert (await door.hand_in([ONE], **headers))[0] == 401


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/csv"}, {"Content-Encoding": "br"}, {"Content-Encoding": "gzip, gzip"}]
)
async def test_other_types_and_encodings_are_415(door: Door, headers: dict[str, str]) -> None:
    status, answer = await door.hand_in([ONE], **headers)
    assert status == 415
    assert "must be" in answer["message"]


async def test_too_large_a_body_is_413_announced_or_not(tight: Bench) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"[" + b" " * 400

    async with served(tight.app()) as client:
        door = Door(tight, client, tight.directory.credentials.create_intake_key())
        for body in (b" " * 1_001, pieces()):
            status, answer = await door.hand_in(body)
            assert status == 413
            assert "1000 bytes" in answer["message"]
        assert door.left_over() == []


async def test_a_gzip_bomb_is_413(tight: Bench) -> None:
    async with served(tight.app()) as client:
        door = Door(tight, client, tight.directory.credentials.create_intake_key())
        bomb = gzip.compress(b"[" + b" " * 200_000 + b"]")
        assert len(bomb) < 1_000
        status, answer = await door.hand_in(bomb, **{"Content-Encoding": "gzip"})
        assert status == 413
        assert "unpacks to more than 2000 bytes" in answer["message"]
        assert door.left_over() == []


async def test_a_full_disk_is_503_and_says_when_to_come_again(tmp_path: Path) -> None:
    full = Bench(tmp_path / "full", ManualClock(START), disk_reserve_bytes=10**15)
    async with served(full.app()) as client:
        key = full.directory.credentials.create_intake_key()
        headers = {"X-Api-Key": key, "Content-Type": "application/json"}
        async with client.post(PATH, data=json.dumps([ONE]), headers=headers) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["errorCode"] == 503
    full.close()


async def test_handing_in_again_is_harmless(door: Door) -> None:
    for _ in range(2):
        assert (await door.hand_in([ONE, TWO]))[0] == 200
    drained = door.bench.store.loader.drain()
    assert (drained.added, drained.repeated) == (2, 2)
