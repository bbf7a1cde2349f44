"""What stands between a publisher and a listener and does to deliveries what networks and proxies do.

It knows which records the listener has acknowledged: they may not be lost any more, whatever happens.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from io import BytesIO
from typing import Any, Self

import aiohttp
from aiohttp import web

from cdrelay.contract.manifest import PARTS, WINDOW_START
from cdrelay.contract.signature import SIGNATURE_HEADER, sign

_NOT_FORWARDED = frozenset({"host", "content-length", "connection", "transfer-encoding", "accept-encoding"})
_TRIES_LATER = 40


class FaultyDeliveries:
    """Takes POSTs, does what the next fault says, hands them on to `target`. Use it as a context.

    A fault is a kind, how many times, and a number from 0 up to 1 that chooses among its forms:

    * lost window: 200 to the publisher, and no part of that window is handed on, however often it is sent
    * lost part: the same for one POST of a window that has several
    * delivered twice, delivered at once twice: handed on twice, one after the other or side by side
    * out of order: 200 to the publisher, handed on a good while later
    * delayed: handed on a moment later
    * cut off: the listener gets half of the body, then the connection breaks; the publisher gets 502
    * cut short: the listener gets half of the body as if it were all of it; the publisher gets 502
    * answer lost: handed on, and the connection breaks before the publisher has the answer
    * turned away: 500, 429 or 503, and nothing is handed on
    * records left out: some of the records are not in the body, which is signed all the same
    * record spoiled: one record lacks its Report ID, in a body that is signed
    """

    def __init__(self, target: str, secret: str, second: float) -> None:
        """`second` is how long a delay of one unit is, in seconds."""
        self.faults: deque[tuple[str, int, float]] = deque()
        """Struck one by one; each only where it makes a difference."""
        self.struck: Counter[str] = Counter()
        self.acknowledged: dict[tuple[str, str], str] = {}
        """Newest Report time of each record, by organization and Report ID, for which the listener said 2xx."""
        self.taken = 0
        """Deliveries for which it said so."""
        self.forwarding = asyncio.Event()
        """Set when a delivery is about to be handed on; whoever waits for it clears it."""
        self.url = ""
        self._target = target
        self._secret = secret
        self._second = second
        self._lost_windows: set[str] = set()
        self._lost_parts: set[str] = set()
        self._came: set[str] = set()
        self._repeating: deque[tuple[str, int, float]] = deque()
        self._later: set[asyncio.Task[None]] = set()
        self._does: dict[str, Callable[[web.Request, bytes, float], Awaitable[web.StreamResponse]]] = {
            "lost window": self._lose_window,
            "lost part": self._lose_part,
            "delivered twice": self._twice,
            "delivered at once twice": self._at_once_twice,
            "out of order": self._out_of_order,
            "delayed": self._delay,
            "cut off": self._cut_off,
            "cut short": self._cut_short,
            "answer lost": self._lose_answer,
            "turned away": self._turn_away,
            "records left out": self._leave_out,
            "record spoiled": self._spoil,
        }

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), auto_decompress=False)
        app = web.Application(client_max_size=2**30)
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._later:
            task.cancel()
        await self._runner.cleanup()
        await self._session.close()

    @property
    def windows_in_part(self) -> int:
        """Windows of which a part was lost, and others came."""
        return len(self._lost_parts & self._came)

    async def settle(self) -> None:
        """No more trouble; return when what was held back has been handed on or given up."""
        self.faults.clear()
        self._repeating.clear()
        await asyncio.gather(*self._later, return_exceptions=True)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.headers.get(WINDOW_START) in self._lost_windows:
            return web.Response()
        fault = self._next(request, body)
        if fault is None:
            return _answer(*await self._forward(request, body))
        kind, times, detail = fault
        self.struck[kind] += 1
        if kind == "turned away" and times > 1:
            self._repeating.append((kind, times - 1, detail))
        return await self._does[kind](request, body, detail)

    def _next(self, request: web.Request, body: bytes) -> tuple[str, int, float] | None:
        if self._repeating:
            return self._repeating.popleft()
        several = request.headers.get(PARTS, "1") != "1"
        for fault in self.faults:
            if fault[0] == "lost part" and not several:
                continue
            if fault[0] in {"records left out", "record spoiled"} and len(_items(body)) < 2:
                continue
            self.faults.remove(fault)
            return fault
        return None

    async def _forward(self, request: web.Request, body: bytes) -> tuple[int, bytes]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED}
        return await self._post(request.path, headers, body)

    async def _post(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        self.forwarding.set()
        try:
            async with self._session.post(self._target + path, data=BytesIO(body), headers=headers) as answer:
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return 502, b"the listener does not answer"
        if answer.status < 300:
            self.taken += 1
            self._came.add(headers.get(WINDOW_START, ""))
            self._remember(body)
        return answer.status, text

    def _remember(self, body: bytes) -> None:
        for record in _items(body):
            if record.get("Report ID"):
                key = record["Org UUID"], record["Report ID"]
                self.acknowledged[key] = max(self.acknowledged.get(key, ""), record["Report time"])

    async def _lose_window(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        self._lost_windows.add(request.headers.get(WINDOW_START, ""))
        return web.Response()

    async def _lose_part(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        self._lost_parts.add(request.headers.get(WINDOW_START, ""))
        return web.Response()

    async def _twice(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        await self._forward(request, body)
        return _answer(*await self._forward(request, body))

    async def _at_once_twice(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        first, _ = await asyncio.gather(self._forward(request, body), self._forward(request, body))
        return _answer(*first)

    async def _out_of_order(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED}

        async def later() -> None:
            await asyncio.sleep(self._second * (1 + 4 * detail))
            for _ in range(_TRIES_LATER):
                status, _ = await self._post(request.path, headers, body)
                if status < 300:
                    return
                await asyncio.sleep(self._second / 3)

        task = asyncio.create_task(later())
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return web.Response()

    async def _delay(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        await asyncio.sleep(self._second * 1.5 * detail)
        return _answer(*await self._forward(request, body))

    async def _cut_off(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        host, port = self._target.removeprefix("http://").split(":")
        lines = [f"POST {request.path} HTTP/1.1", f"Host: {host}:{port}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "host"]
        try:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write("\r\n".join([*lines, "", ""]).encode() + body[: int(len(body) * detail)])
            await writer.drain()
            writer.close()
        except OSError:
            pass  # the listener is down: that is cut off enough
        return web.Response(status=502)

    async def _cut_short(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        status, _ = await self._forward(request, body[: int(len(body) * detail)])
        # A body that is not whole cannot have been signed: 2xx would be the listener's fault, and shows as such.
        return web.Response(status=502) if status >= 300 or not body else web.Response(status=500)

    async def _lose_answer(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        await self._forward(request, body)
        if request.transport is not None:
            request.transport.close()
        return web.Response()

    async def _turn_away(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        status = (500, 429, 503)[int(detail * 3)]
        return web.Response(status=status, headers={"Retry-After": "1"} if status == 429 else {})

    async def _leave_out(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        items = _items(body)
        first = int(detail * len(items))
        return await self._forward_changed(request, items[:first] + items[first + max(1, len(items) // 5) :])

    async def _spoil(self, request: web.Request, body: bytes, detail: float) -> web.StreamResponse:
        items = _items(body)
        items[int(detail * len(items))].pop("Report ID")
        return await self._forward_changed(request, items)

    async def _forward_changed(self, request: web.Request, items: Iterable[dict[str, Any]]) -> web.StreamResponse:
        body = json.dumps({"items": list(items)}, ensure_ascii=False).encode()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED}
        headers[SIGNATURE_HEADER] = sign(self._secret, body)
        return _answer(*await self._post(request.path, headers, body))


def _items(body: bytes) -> list[dict[str, Any]]:
    try:
        return list(json.loads(body)["items"])
    except ValueError:
        return []


def _answer(status: int, text: bytes) -> web.Response:
    return web.Response(status=status, body=text)
