"""A thousand partners, of whom fifty are dead: the others have their windows as if there were no dead ones."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import insert

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.contract.windows import Period
from cdrelay.control.tables import partners, webhooks
from cdrelay.publisher.delivery.deliveries import Delivery, delivery_id
from tests.integration.publisher.publisher_bench import START, Bench
from tests.support.callback import Callback

PARTNERS, HANGING, NOT_ACCEPTING = 1_000, 40, 10
BODY = PackedBody.pack(b'{"items":[]}')
WINDOW = Period(START - timedelta(minutes=10), START - timedelta(minutes=5))


def name(number: int) -> str:
    """The id of a partner; those with low numbers come first where nothing else tells them apart."""
    return f"partner {number:04}"


def set_up(bench: Bench, urls: list[str], ticks: int = 1) -> None:
    """A partner for each URL, with a signed webhook and a small delivery for each of `ticks` windows that are due."""
    sealed = bench.foundation.secrets.seal("example-secret")
    hook = {"secret": sealed, "resource_type": "analytics", "active": True, "created_at": START}
    names = [name(number) for number in range(len(urls))]
    with bench.foundation.database.write() as connection:
        connection.execute(insert(partners), [{"id": one, "name": one, "created_at": START} for one in names])
        connection.execute(
            insert(webhooks),
            [hook | {"partner_id": one, "url": url} for one, url in zip(names, urls, strict=True)],
        )
    for number in range(ticks):
        step = timedelta(minutes=5 * number)
        window = Period(WINDOW.start + step, WINDOW.end + step)
        made = [
            Delivery(delivery_id(one, START + step, 1), one, START + step, window, 1, 1, 0, 12, next_attempt_at=START)
            for one in names
        ]
        for delivery in made:
            (bench.outbox.folder / f"{delivery.id}.json.zst").write_bytes(BODY.packed)
        bench.outbox.add_windows([[delivery] for delivery in made])


async def until_delivered(bench: Bench, number: int) -> None:
    """Return when that many deliveries are."""
    while await asyncio.to_thread(lambda: bench.outbox.statistics().delivered) < number:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def seconds_to_deliver(bench: Bench, number: int) -> float:
    """How long a sender with the slots of production takes for that many deliveries, whatever else is due."""
    async with bench.sender(slots=bench.settings.deliveries_at_once) as sender:
        started = time.perf_counter()
        sending = asyncio.create_task(sender.run())
        try:
            async with asyncio.timeout(60):
                await until_delivered(bench, number)
            return time.perf_counter() - started
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


@contextmanager
def never_accepts() -> Iterator[str]:
    """A host whose queue of connections is full."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(door.getsockname())
        yield f"http://127.0.0.1:{door.getsockname()[1]}/"
        for one in waiting:
            one.close()


@asynccontextmanager
async def hangs() -> AsyncIterator[str]:
    """Accepts every connection and never says anything."""

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await over.wait()
        finally:
            writer.close()

    over = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    over.set()
    server.close()


@pytest.fixture
def second_bench(bench: Bench) -> Iterator[Bench]:
    """Another publisher."""
    opened = Bench(
        bench.home.with_name("other"), bench.clock, allow_http_callbacks=True, allow_callbacks_to_private_addresses=True
    )
    yield opened
    opened.close()


@pytest.mark.slow
async def test_fifty_dead_partners_do_not_delay_the_other_950(bench: Bench, second_bench: Bench) -> None:
    dead = HANGING + NOT_ACCEPTING
    async with Callback() as callback, hangs() as silent:
        set_up(bench, [callback.url] * PARTNERS)
        alone = await seconds_to_deliver(bench, PARTNERS - dead)
        with never_accepts() as closed:
            urls = [silent] * HANGING + [closed] * NOT_ACCEPTING + [callback.url] * (PARTNERS - dead)
            set_up(second_bench, urls)
            among_dead = await seconds_to_deliver(second_bench, PARTNERS - dead)
    print(f"\n950 deliveries: {alone:.2f} s alone, {among_dead:.2f} s among 50 dead partners")  # noqa: T201
    # Far less than the 15 seconds that each of the dead is waited for; the rest is for a busy machine.
    assert among_dead < 2 * alone + 2


@pytest.mark.slow
async def test_more_partners_than_slots_that_hang_for_the_first_time_hold_up_the_others_for_a_moment(
    bench: Bench,
) -> None:
    """Nobody knows yet that they hang, and being named first they take all slots."""
    slots = bench.settings.deliveries_at_once
    async with Callback() as callback, hangs() as silent:
        set_up(bench, [silent] * (slots + 36) + [callback.url] * 200)
        seconds = await seconds_to_deliver(bench, 200)
    assert seconds < 10  # they are waited for 15


@pytest.mark.slow
async def test_a_backlog_is_sent_while_dead_partners_have_theirs(bench: Bench) -> None:
    """A partner that comes back sends one window after the other, at the speed of its callback."""
    async with Callback() as callback, hangs() as silent:
        set_up(bench, [silent] * 100 + [callback.url], ticks=72)
        seconds = await seconds_to_deliver(bench, 72)
        arrived = [request.headers["X-Cdrelay-Window-Start"] for request in callback.requests]
    assert arrived == sorted(arrived)
    assert len(set(arrived)) == 72
    assert seconds < 10  # they are waited for 15
