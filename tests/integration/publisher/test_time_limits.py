"""How long a callback may take for each stage of an exchange, shown with real sockets."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.callbacks.client import CallbackClient, CallbackLimits
from cdrelay.callbacks.retry import Answered, NotReached, Outcome

SMALL = PackedBody.pack(b'{"items":[]}')
# More than the buffers between two sockets take, so that who sends it notices whether it is read.
LARGE = PackedBody.pack(bytes(24 * 1024 * 1024))
LIMITS = CallbackLimits(
    connect_seconds=0.4,
    send_seconds=0.6,
    answer_seconds=0.5,
    total_seconds=8,
    allow_http=True,
    allow_private=True,
)

Listener = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[str]:
    """A server that does with each connection what `listener` says; its address. Its receive buffers are small."""
    at_work: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await listener(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    door.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=door, limit=4096)
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}/"
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)


async def post(url: str, body: PackedBody = SMALL, limits: CallbackLimits = LIMITS) -> tuple[Outcome, float]:
    """The outcome, and the seconds it took."""
    async with CallbackClient(limits) as client:
        started = time.perf_counter()
        outcome = await client.post(url, {"Content-Length": str(len(body.content()))}, body)
        return outcome, time.perf_counter() - started


async def read_request(reader: asyncio.StreamReader) -> None:
    """All of a request with a Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    remaining = int(length.partition(b":")[2])
    while remaining:
        remaining -= len(await reader.read(min(remaining, 65_536)))


async def one_byte_at_a_time(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Reads, but so slowly that it would take days."""
    while await reader.readexactly(1):  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def reads_all_and_says_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Takes everything."""
    await read_request(reader)
    await asyncio.sleep(60)


async def answers_byte_by_byte(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never lets more than a moment pass without a byte of its headers."""
    await read_request(reader)
    for sign in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000:
        writer.write(bytes([sign]))
        await asyncio.sleep(0.02)


async def drips_its_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says its status at once and then never comes to an end."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1_000):
        writer.write(b".")
        await asyncio.sleep(0.05)


async def refuses_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers when it has seen the headers, and reads no further."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    await asyncio.sleep(60)


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As it should."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("listener", "body", "reason", "limit"),
    [
        (one_byte_at_a_time, LARGE, "the callback did not take the delivery within 0.6 seconds", 0.6),
        (reads_all_and_says_nothing, SMALL, "no answer within 0.5 seconds", 0.5),
        (one_byte_at_a_time, SMALL, "no answer within 0.5 seconds", 0.5),  # it all fits between the two sockets
        (answers_byte_by_byte, SMALL, "no answer within 0.5 seconds", 0.5),
    ],
)
async def test_each_stage_has_its_limit(listener: Listener, body: PackedBody, reason: str, limit: float) -> None:
    async with listening(listener) as url:
        outcome, seconds = await post(url, body)
    assert outcome == NotReached(reason)
    assert limit * 0.95 < seconds < limit + 1.5


async def test_the_limit_for_an_answer_begins_when_the_body_was_taken() -> None:
    async def takes_its_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.2)
        await read_request(reader)
        await asyncio.sleep(0.3)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with listening(takes_its_time) as url:
        outcome, seconds = await post(url, LARGE, CallbackLimits(1, 20, True, True, send_seconds=15, answer_seconds=1))
    assert outcome == Answered(204)
    assert seconds > 1.4


async def test_a_host_that_does_not_accept_has_the_limit_for_connecting() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        outcome, seconds = await post(f"http://127.0.0.1:{address[1]}/")
        for one in waiting:
            one.close()
    assert outcome == NotReached("no connection to the callback within 0.4 seconds")
    assert seconds < 2


async def test_all_stages_together_have_a_limit_too() -> None:
    limits = CallbackLimits(5, 0.5, allow_http=True, allow_private=True, send_seconds=60, answer_seconds=60)
    async with listening(one_byte_at_a_time) as url:
        outcome, seconds = await post(url, LARGE, limits)
    assert outcome == NotReached("the exchange did not end within 0.5 seconds")
    assert seconds < 2


async def test_what_drips_after_the_status_ends_with_the_limit_and_changes_nothing() -> None:
    async with listening(drips_its_answer) as url:
        outcome, seconds = await post(url)
    assert isinstance(outcome, Answered)
    assert (outcome.status, set(outcome.text)) == (201, {"."})
    assert seconds < 2


async def test_an_answer_before_the_body_was_taken_counts() -> None:
    async with listening(refuses_early) as url:
        outcome, seconds = await post(url, LARGE)
    assert outcome == Answered(413)
    assert seconds < 0.6


async def test_a_callback_that_keeps_the_limits_is_answered_and_leaves_nothing_behind() -> None:
    async with listening(answers) as url:
        outcome, _ = await post(url, LARGE, CallbackLimits(1, 20, True, True, send_seconds=15, answer_seconds=3))
    assert outcome == Answered(204)
    assert len(asyncio.all_tasks()) == 1
