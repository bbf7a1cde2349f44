"""A listener that does what the contract asks, but for the faults it is given by name."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from cdrelay.contract.signature import SIGNATURE_HEADER, verify

Record = dict[str, object]


def spread(items: list[Record]) -> bool:
    """Whether the calls ended at more than one hour of the day, one full hour being let pass."""
    return len({str(item["Report time"])[:13] for item in items}) > 2


REFUSALS: dict[str, Callable[[list[Record]], bool]] = {
    "refuses empty lists": lambda items: not items,
    "refuses unknown keys": lambda items: any("Carbon footprint" in item for item in items),
    "refuses numbers as text": lambda items: any(isinstance(item["Duration"], str) for item in items),
    "refuses late records": spread,
}
"""What a fault makes of records."""


class WrongListener:
    """Answers as a listener with those faults would."""

    def __init__(self, secret: str, faults: tuple[str, ...]) -> None:
        self._secret, self._faults = secret, faults
        self._seen: set[bytes] = set()
        self._busy = 0

    async def take(self, request: web.Request) -> web.Response:
        """A delivery."""
        if self._busy and "takes one at a time" in self._faults:
            return web.Response(status=503)
        self._busy += 1
        try:
            body = await request.read()
        except ConnectionError:
            if "stays busy with what broke off" in self._faults:
                self._faults += ("takes one at a time",)
                self._busy += 1
            raise
        finally:
            self._busy -= 1
        return self._judge(request, body)

    def _judge(self, request: web.Request, body: bytes) -> web.Response:
        if not self._signature_fits(body, request.headers.get(SIGNATURE_HEADER)):
            return web.Response(status=401)
        try:
            return web.Response(status=self._keep(body, json.loads(body)["items"]))
        except ValueError:
            return web.Response(status=200 if "answers 200 to broken JSON" in self._faults else 400)

    def _signature_fits(self, body: bytes, given: str | None) -> bool:
        if given is None:
            return "accepts a missing signature" in self._faults
        if "takes lower case only" in self._faults and given != given.lower():
            return False
        if "verifies re-serialised JSON" in self._faults:
            body = json.dumps(json.loads(body), separators=(",", ":")).encode()
        return "accepts wrong signatures" in self._faults or verify([self._secret], body, given)

    def _keep(self, body: bytes, items: list[Record]) -> int:
        if any(fault in self._faults and refuses(items) for fault, refuses in REFUSALS.items()):
            return 422
        if "answers 500 to duplicates" in self._faults and body in self._seen:
            return 500
        self._seen.add(body)
        return 204


@asynccontextmanager
async def listening(secret: str, *faults: str) -> AsyncIterator[str]:
    """Such a listener over real HTTP; its callback URL."""
    listener = WrongListener(secret, faults)
    application = web.Application(client_max_size=2**20 if "limits the body to 1 MB" in faults else 2**30)
    application.router.add_post("/callback", listener.take)
    if "takes a GET for a delivery" in faults:
        application.router.add_get("/callback", take_anything)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    finally:
        await runner.cleanup()


async def take_anything(request: web.Request) -> web.Response:
    """Says yes to whatever comes."""
    return web.Response(text=request.method)


@asynccontextmanager
async def answering(*pieces: bytes, endless: bool = False) -> AsyncIterator[str]:
    """Whoever writes these bytes to each connection, whatever comes, the last ones for ever; its URL holds a secret."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            for piece in pieces:
                writer.write(piece)
            while endless and pieces:
                writer.write(pieces[-1])
                await writer.drain()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback?key=hidden"
