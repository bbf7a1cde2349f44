"""A callback of the kit's own: it notes every request, and answers the first deliveries in ways a sender must bear."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from aiohttp import web
from yarl import URL

from cdrelay.clock import Clock
from cdrelay.conformance.checks import CannotRun
from cdrelay.contract.manifest import Manifest
from cdrelay.contract.signature import sign
from cdrelay.errors import UNREADABLE

Trouble = Literal["500", "slow", "redirect"]
TROUBLES: tuple[Trouble, ...] = ("500", "slow", "redirect")
"""In this order, each on the first attempt of a delivery of its own."""
ELSEWHERE = "elsewhere"
"""The end of the address that a redirect leads to; no delivery belongs there."""
_LARGEST_BODY = 1024 * 1024 * 1024

Key = tuple[object, ...]
Record = dict[str, Any]
_KEPT = ("Report ID", "Report time", "Org UUID")


@dataclass(slots=True)
class Arrival:
    """One request as it came, and what was said to it. Of its body only what is judged is kept: bodies are large."""

    at: datetime
    """When it began."""
    method: str
    path: str
    headers: Mapping[str, str]
    size: int
    """Bytes of its body."""
    digest: bytes
    """The same for the same bytes."""
    signature_due: str | None
    """What fits the body; None without a secret."""
    records: list[Record]
    """What tells the records in its list `items` apart; none where it has no such list."""
    problem: str | None
    """What is wrong with the shape of the body."""
    trouble: Trouble | None = None
    """None: answered 200 at once."""
    answered_at: datetime | None = None
    """None: the other side had hung up, or waits still."""
    key: Key = field(init=False)
    """What all attempts at one delivery have in common, also when their bytes differ.

    By the manifest where there is one, else by what it holds; an empty one is like no other.
    """

    def __post_init__(self) -> None:
        held = tuple(sorted(str(one["Report ID"]) for one in self.records))
        manifest = self.manifest
        self.key = (manifest.window, manifest.part) if manifest is not None else held or (self.at,)

    @property
    def manifest(self) -> Manifest | None:
        """What its headers say of it, as ours do."""
        return Manifest.read(self.headers)


def read_records(body: bytes) -> tuple[list[Record], str | None]:
    """The records of a body, as far as they are judged, and what is wrong with its shape."""
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE:
        return [], "the body is no JSON"
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list):
        return [], 'the body is no object with a list "items"'
    records = [{name: one.get(name) for name in _KEPT} for one in items if isinstance(one, dict)]
    if len(records) != len(items):
        return records, "an item is no object"
    lacking = any(not one["Report ID"] or not one["Org UUID"] for one in records)
    return records, "a record has no Report ID or no Org UUID" if lacking else None


class Listener:
    """Listens from the moment it is entered. Every path is taken, so that a proxy may add one."""

    def __init__(
        self, host: str, port: int, url: URL | None, clock: Clock, *, secret: str | None, slow_seconds: float
    ) -> None:
        self.arrivals: list[Arrival] = []
        """In the order in which they began."""
        self.arrived = asyncio.Event()
        """Set by the first."""
        self._host, self._port, self._url = host, port, url
        self._clock = clock
        self._secret = secret
        self._slow_seconds = slow_seconds
        self._troubles = list(TROUBLES)
        self._stopping = asyncio.Event()

    @property
    def url(self) -> URL:
        """Where deliveries are to go."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return self._url or URL(f"http://{host}:{self._port}/callback")

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(application, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise CannotRun(f"cannot listen on {self._host} port {self._port}: {error.strerror}") from error
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        at = self._clock.now()
        arrival = self._arrival(at, request, await request.read())
        arrival.trouble = self._next_trouble(arrival)
        self.arrivals.append(arrival)
        self.arrived.set()
        if arrival.trouble == "slow":
            await self._wait()
        if request.transport is not None and not request.transport.is_closing():
            arrival.answered_at = self._clock.now()
        return self._answer(arrival.trouble)

    def _arrival(self, at: datetime, request: web.Request, body: bytes) -> Arrival:
        records, problem = read_records(body)
        return Arrival(
            at=at,
            method=request.method,
            path=request.path,
            headers=request.headers.copy(),
            size=len(body),
            digest=hashlib.sha256(body).digest(),
            signature_due=None if self._secret is None else sign(self._secret, body),
            records=records,
            problem=problem,
        )

    def _next_trouble(self, arrival: Arrival) -> Trouble | None:
        # One trouble a delivery: what comes again, or cannot be told from others, is taken.
        known = any(one.key == arrival.key for one in self.arrivals)
        if known or not (arrival.records or arrival.manifest) or not self._troubles:
            return None
        return self._troubles.pop(0)

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), self._slow_seconds)
        except TimeoutError:
            return

    def _answer(self, trouble: Trouble | None) -> web.Response:
        match trouble:
            case "500":
                return web.Response(status=500, text="not now: the conformance kit asks for it again")
            case "redirect":
                return web.Response(status=307, headers={"Location": str(self.url / ELSEWHERE)})
            case _:
                return web.Response(text="taken")
