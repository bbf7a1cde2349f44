"""What goes wrong with the calls of a run is counted as it is handed in."""

from datetime import UTC, datetime, timedelta

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.chaos.calls import Calls
from tests.chaos.plan import CALL_FAULTS

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
TICK = timedelta(seconds=2)


async def test_calls_that_are_late_twice_corrected_broken_or_out_of_order_are_counted() -> None:
    taken: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        taken.extend((await request.read()).splitlines())
        return web.json_response({})

    app = web.Application(client_max_size=2**30)
    app.router.add_post("/v1/intake/records", take)
    calls = Calls(7, 6, 50, 150)
    async with TestServer(app) as server:
        for number in range(20):
            start, address = START + number * TICK, f"http://{server.host}:{server.port}"
            await calls.hand_in(address, "key", number, start, start + TICK, burst=number == 8)

    assert all(calls.struck[kind] for kind in CALL_FAULTS)
    again = calls.struck["call twice"] + calls.struck["call corrected"]
    assert len(calls.acknowledged) + again + calls.struck["call broken"] == len(taken)
    newest = max(msgspec.json.decode(line)["Report time"] for line in taken if b"Report time" in line)
    assert newest in calls.acknowledged.values()
