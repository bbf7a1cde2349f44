"""Connections to a receiver that are spoken by hand, so that a body comes as a test wants it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from cdrelay.collector.receiving import Receiver
from cdrelay.collector.routes import webhook_router
from cdrelay.serving import PLAIN, Front
from tests.integration.collector.collector_bench import START
from tests.support.provider import body_of, calls, organization
from tests.support.server import serving as serving_app

BODY = body_of(calls(organization(1), START - timedelta(minutes=8), 3))


class Line:
    """One connection, spoken by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def head(self, length: int = len(BODY), source: str = "webex", **headers: str) -> None:
        """Announce a body."""
        lines = [f"POST /webhooks/{source} HTTP/1.1", "Host: x", f"Content-Length: {length}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers, body; (0, …) when the connection ends without."""
        async with asyncio.timeout(10):
            try:
                head = await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as end:
                return 0, {}, end.partial
            first, *rest = head.decode().lower().strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in rest)
            return int(first.split()[1]), headers, await self._reader.readexactly(int(headers["content-length"]))

    async def post(self, body: bytes = BODY, source: str = "webex", **headers: str) -> int:
        await self.head(len(body), source, **headers)
        await self.send(body)
        return (await self.answer())[0]

    async def ended(self) -> bool:
        """Whether the other side ends it, within ten seconds."""
        async with asyncio.timeout(10):
            return await self._reader.read() == b""

    def close(self) -> None:
        self._writer.close()


class Lines:
    """Makes connections to one server."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.removeprefix("http://").partition(":")
        self._made: list[Line] = []

    async def line(self, sender: str = "127.0.0.1") -> Line:
        """Connected from that address of this machine."""
        made = await asyncio.open_connection(self._host, int(self._port), local_addr=(sender, 0))
        self._made.append(Line(*made))
        return self._made[-1]

    def close(self) -> None:
        for line in self._made:
            line.close()


@asynccontextmanager
async def serving(receiver: Receiver, front: Front = PLAIN) -> AsyncIterator[Lines]:
    """The receiver over real HTTP."""
    app = FastAPI()
    app.include_router(webhook_router(receiver))
    async with serving_app(app, front=front) as address:
        lines = Lines(address)
        yield lines
        lines.close()
