"""A partner's callback for tests: a real HTTP server whose answers a test sets and whose requests it reads."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the callback says to one request; `hangs` lets it say nothing until `release` or the end."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    hangs: bool = False


class Callback:
    """Answers what `answers` holds, one a request, then `otherwise`. Use it as a context."""

    def __init__(self, *, otherwise: Answer = Answer(), host: str = "127.0.0.1") -> None:
        self.requests: list[Request] = []
        self.answers: deque[Answer] = deque()
        self.otherwise = otherwise
        self.arrived = asyncio.Event()
        """Set with every request; a test clears it."""
        self._host = host
        self._stopping = asyncio.Event()
        self._port = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def url(self) -> str:
        """Where to POST."""
        return f"http://{self._host}:{self._port}/callback"

    async def __aenter__(self) -> "Callback":
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await self._runner.cleanup()

    def release(self) -> None:
        """Let those that hang have their answer."""
        self._stopping.set()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(Request(request.method, request.path_qs, dict(request.headers), body))
        self.arrived.set()
        answer = self.answers.popleft() if self.answers else self.otherwise
        if answer.hangs:
            await self._stopping.wait()
        return web.Response(status=answer.status, headers=answer.headers, text=answer.text)
