"""What callbacks answer that is no answer: each ends in words that say what is wrong, and holds nobody else up."""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from cdrelay.callbacks.retry import Answered, NotReached
from tests.integration.publisher.test_time_limits import LIMITS, Listener, listening, post

INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def answers(*pieces: bytes, last: Callable[[asyncio.StreamWriter], None] = lambda _: None) -> Listener:
    """A listener that takes the request's head and writes these."""

    async def listener(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        last(writer)

    return listener


def reset(writer: asyncio.StreamWriter) -> None:
    """The connection is reset instead of being closed."""
    door: socket.socket = writer.get_extra_info("socket")
    door.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_an_answer_may_come_after_some_that_are_none() -> None:
    async with listening(answers(INTERIM * 100, OK)) as url:
        outcome, _ = await post(url)
    assert outcome == Answered(200)


async def test_a_stream_of_answers_that_are_none_is_broken_off_and_holds_nobody_up() -> None:
    broken_off = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            while True:
                writer.write(INTERIM)
                await writer.drain()
        except ConnectionError:
            broken_off.set()

    async with listening(endless) as url:
        outcome, _ = await post(url, limits=replace(LIMITS, answer_seconds=8))
        await asyncio.wait_for(broken_off.wait(), 10)
    assert outcome == NotReached("the callback sent more than 100 answers of 1xx, and none that counts")


@pytest.mark.parametrize(
    "answer",
    [
        b"hello",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
    ids=["words", "large head", "two lengths"],
)
async def test_what_is_no_http_is_said_to_be_none(answer: bytes) -> None:
    async with listening(answers(answer)) as url:
        outcome, _ = await post(url)
    assert outcome == NotReached("the callback's answer is no HTTP, or its headers are too large")


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0"])
async def test_a_number_that_is_no_address_is_said_to_be_none(host: str) -> None:
    outcome, _ = await post(f"http://{host}/")
    assert outcome == NotReached("the callback URL names no host that can be")


async def test_a_connection_that_is_reset_and_one_that_is_refused_are_told_apart() -> None:
    async with listening(answers(last=reset)) as url:
        outcome, _ = await post(url)
    assert outcome == NotReached("the callback broke off the connection")
    outcome, _ = await post(url)
    assert outcome == NotReached("no connection to the callback: Connection refused")
