"""What the faulty way between publisher and listener does to a delivery."""

import asyncio
import json

import aiohttp
import pytest

from cdrelay.contract.manifest import PARTS, WINDOW_START
from cdrelay.contract.signature import SIGNATURE_HEADER, sign, verify
from tests.support.callback import Callback
from tests.support.faulty_deliveries import FaultyDeliveries

SECRET = "a-secret"
RECORDS = [
    {"Report ID": str(number), "Org UUID": "o", "Report time": "2026-11-24T12:00:00.000Z"} for number in range(10)
]
BODY = json.dumps({"items": RECORDS}).encode()
HEADERS = {SIGNATURE_HEADER: sign(SECRET, BODY), WINDOW_START: "2026-11-24T12:00:00.000Z", PARTS: "2"}


async def delivered(*faults: tuple[str, int, float], posts: int = 1) -> tuple[list[int | None], Callback, int]:
    """Statuses that the publisher sees (None: no answer), what reached the listener, and how many are acknowledged."""
    async with (
        Callback() as listener,
        FaultyDeliveries(f"http://127.0.0.1:{listener.port}", SECRET, 0.1) as faulty,
        aiohttp.ClientSession() as session,
    ):
        faulty.faults.extend(faults)
        statuses: list[int | None] = []
        for _ in range(posts):
            try:
                async with session.post(faulty.url + "/webhooks/w", data=BODY, headers=HEADERS) as answer:
                    statuses.append(answer.status)
            except aiohttp.ClientError:
                statuses.append(None)
        await faulty.settle()
        assert sum(faulty.struck.values()) >= len(faults)
        return statuses, listener, len(faulty.acknowledged)


def bodies(listener: Callback) -> list[bytes]:
    """What came."""
    return [request.body for request in listener.requests]


async def test_without_a_fault_a_delivery_is_handed_on_as_it_is() -> None:
    statuses, listener, acknowledged = await delivered()

    assert (statuses, bodies(listener), acknowledged) == ([200], [BODY], 10)
    assert listener.requests[0].headers[SIGNATURE_HEADER] == HEADERS[SIGNATURE_HEADER]


async def test_a_lost_part_is_lost_once_and_a_lost_window_for_ever() -> None:
    assert (await delivered(("lost part", 1, 0.5), posts=2))[0] == [200, 200]
    statuses, listener, acknowledged = await delivered(("lost window", 1, 0.5), posts=2)

    assert len(bodies((await delivered(("lost part", 1, 0.5), posts=2))[1])) == 1
    assert (statuses, bodies(listener), acknowledged) == ([200, 200], [], 0)


async def test_a_window_in_part_is_one_of_which_a_part_was_lost_and_others_came() -> None:
    async with (
        Callback() as listener,
        FaultyDeliveries(f"http://127.0.0.1:{listener.port}", SECRET, 0.1) as faulty,
        aiohttp.ClientSession() as session,
    ):
        seen = []
        for fault in ("lost part", None, "lost window", None):
            faulty.faults.extend([(fault, 1, 0.5)] if fault else [])
            headers = HEADERS | {WINDOW_START: f"of the {len(seen) // 2}th"}
            async with session.post(faulty.url + "/webhooks/w", data=BODY, headers=headers):
                seen.append((faulty.taken, faulty.windows_in_part))

    assert seen == [(0, 0), (1, 1), (1, 1), (1, 1)]


@pytest.mark.parametrize("kind", ["delivered twice", "delivered at once twice"])
async def test_a_delivery_comes_twice(kind: str) -> None:
    statuses, listener, _ = await delivered((kind, 1, 0.5))

    assert (statuses, bodies(listener)) == ([200], [BODY, BODY])


@pytest.mark.parametrize("kind", ["out of order", "delayed"])
async def test_a_delivery_comes_later(kind: str) -> None:
    began = asyncio.get_running_loop().time()
    statuses, listener, acknowledged = await delivered((kind, 1, 0.9))

    assert (statuses, bodies(listener), acknowledged) == ([200], [BODY], 10)
    assert asyncio.get_running_loop().time() - began > 0.1


async def test_half_a_body_comes_and_the_publisher_has_to_send_again() -> None:
    statuses, listener, acknowledged = await delivered(("cut off", 1, 0.5), ("cut short", 1, 0.5), posts=3)

    assert statuses[0] == 502
    assert statuses[1] in (500, 502)
    assert bodies(listener) == [BODY[: len(BODY) // 2], BODY]
    assert acknowledged == 10


async def test_the_answer_is_lost() -> None:
    statuses, listener, acknowledged = await delivered(("answer lost", 1, 0.5))

    assert (statuses, bodies(listener), acknowledged) == ([None], [BODY], 10)


async def test_a_delivery_is_turned_away_so_many_times() -> None:
    statuses, listener, _ = await delivered(("turned away", 2, 0.5), posts=3)

    assert (statuses, bodies(listener)) == ([429, 429, 200], [BODY])


@pytest.mark.parametrize(("kind", "records", "whole"), [("records left out", 8, 8), ("record spoiled", 10, 9)])
async def test_a_body_that_was_changed_is_signed_and_only_its_whole_records_are_acknowledged(
    kind: str, records: int, whole: int
) -> None:
    _, listener, acknowledged = await delivered((kind, 1, 0.5))
    (request,) = listener.requests

    assert verify((SECRET,), request.body, request.headers[SIGNATURE_HEADER])
    assert len(json.loads(request.body)["items"]) == records
    assert acknowledged == whole
