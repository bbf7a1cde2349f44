"""What stands before a publisher's endpoints and answers as a provider does on its bad days; it gives out tokens."""

import asyncio
import json
import secrets
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Self

import aiohttp
from aiohttp import web

from cdrelay.contract.error_bodies import error_body

COUNTS_PATH = "/v1/partners/cdrcountbyorg"
RECORDS_PATH = "/v1/partners/cdrsbyorg"
TOKEN_PATH = "/v1/access_token"
_HTML = "<html><head><title>Bad gateway</title></head><body>The proxy has no answer.</body></html>"
_AGAIN = "again"
_NOT_FORWARDED = frozenset({"content-length", "content-encoding", "connection", "transfer-encoding", "date", "server"})

Forwarded = tuple[int, dict[str, str], bytes]


class FaultyProvider:
    """Asks `upstream` what it is asked, unless the next fault says otherwise. Use it as a context.

    A fault is a kind, how many times, and a number from 0 up to 1 that chooses among its forms:

    * 429 with Retry-After, 429 without, 500, HTML with 200, HTML with 502: the answer to that many requests
    * 451 elsewhere: names the other port of this provider, where it can be asked as well
    * slow: answered after a while, perhaps longer than the client waits
    * cut answer: the connection breaks in the middle of the body
    * token expired: 401, and so it stays until the client has refreshed its token
    * wrong counts: in one page of counts one organization that has records has some too many or too few
    * page repeated: a page of records names itself as the next one
    * records withheld: a page of records lacks some
    * 404 though there is something: for records
    """

    def __init__(
        self, upstream: str, upstream_token: str, honest_until: Callable[[], str] = str, token_seconds: float = 0.0
    ) -> None:
        """What ended by `honest_until`, as on the wire, is counted as it is; a token lasts `token_seconds` at least."""
        self.faults: deque[tuple[str, int, float]] = deque()
        self.struck: Counter[str] = Counter()
        self.token = secrets.token_urlsafe()
        """The access token that is valid."""
        self.refresh_token = secrets.token_urlsafe()
        """Replaced at every refresh; the one before stays valid until the new one is used, as a client may be killed
        before it has the answer."""
        self.refreshes = 0
        self.base = ""
        self._former_refresh_token = self.refresh_token
        self._upstream = upstream
        self._honest_until = honest_until
        self._token_seconds = token_seconds
        self._token_given = -token_seconds
        self._upstream_token = upstream_token
        self._repeating: deque[tuple[str, int, float]] = deque()
        self._bases: list[str] = []
        self._answers: dict[str, Callable[[float], web.StreamResponse]] = {
            "429 with Retry-After": lambda detail: _problem(429, "Too many requests", {"Retry-After": "1"}),
            "429 without": lambda detail: _problem(429, "Too many requests"),
            "500": lambda detail: _problem(500, "Something unexpected happened"),
            "HTML with 200": lambda detail: web.Response(text=_HTML, content_type="text/html"),
            "HTML with 502": lambda detail: web.Response(status=502, text=_HTML, content_type="text/html"),
            "404 though there is something": lambda detail: _problem(404, "There are no CDRs for this time range"),
        }
        self._changes: dict[str, Callable[[web.Request, Forwarded, float], Awaitable[web.StreamResponse]]] = {
            "slow": self._slowly,
            "cut answer": self._cut,
            "wrong counts": self._miscounted,
            "page repeated": self._repeated,
            "records withheld": self._withheld,
        }

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        app = web.Application()
        app.router.add_post(TOKEN_PATH, self._refresh)
        app.router.add_get("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        for _ in range(2):
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._bases = [f"http://127.0.0.1:{address[1]}" for address in self._runner.addresses]
        self.base = self._bases[0]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def settle(self) -> None:
        """No more trouble."""
        self.faults.clear()
        self._repeating.clear()

    async def _refresh(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        given = str(form.get("refresh_token"))
        if form.get("grant_type") != "refresh_token" or given not in (self.refresh_token, self._former_refresh_token):
            return web.json_response({"error": "invalid_grant"}, status=400)
        self._former_refresh_token = given
        self.token, self.refresh_token = secrets.token_urlsafe(), secrets.token_urlsafe()
        self._token_given = time.monotonic()
        self.refreshes += 1
        lives = {"expires_in": 1_209_600, "refresh_token_expires_in": 7_776_000}
        tokens = {"access_token": self.token, "refresh_token": self.refresh_token, "token_type": "Bearer"}
        return web.json_response(tokens | lives)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _problem(401, "The request requires a valid access token.")
        fault = None if _AGAIN in request.query else self._next(request)
        if fault is None:
            return _response(*await self._forward(request))
        kind, times, detail = fault
        self.struck[kind] += 1
        if times > 1 and kind in self._answers:
            self._repeating.append((kind, times - 1, detail))
        if kind == "token expired":
            self.token = secrets.token_urlsafe()
            return _problem(401, "The request requires a valid access token.")
        if kind == "451 elsewhere":
            here = f"http://{request.host}"
            other = next(base for base in self._bases if base != here)
            return _problem(451, f"Records are held elsewhere. Please use {other.removeprefix('http://')}")
        if kind in self._answers:
            return self._answers[kind](detail)
        return await self._changes[kind](request, await self._forward(request), detail)

    def _next(self, request: web.Request) -> tuple[str, int, float] | None:
        if self._repeating:
            return self._repeating.popleft()
        only_on = {
            "wrong counts": COUNTS_PATH,
            "page repeated": RECORDS_PATH,
            "records withheld": RECORDS_PATH,
            "404 though there is something": RECORDS_PATH,
        }
        path, off = request.path, set()
        if request.query.get("endTime", "") <= self._honest_until():
            off.add("wrong counts")
        if time.monotonic() - self._token_given < self._token_seconds:
            off.add("token expired")
        for fault in self.faults:
            if fault[0] in off:
                continue
            if only_on.get(fault[0], path) == path:
                self.faults.remove(fault)
                return fault
        return None

    async def _forward(self, request: web.Request) -> Forwarded:
        query = {name: value for name, value in request.query.items() if name != _AGAIN}
        headers = {"Authorization": f"Bearer {self._upstream_token}"}
        try:
            async with self._session.get(self._upstream + request.path, params=query, headers=headers) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return 502, {}, b""
        given = {name: value for name, value in answer.headers.items() if name.lower() not in _NOT_FORWARDED}
        if "Link" in given:
            given["Link"] = given["Link"].replace(self._upstream, f"http://{request.host}")
        return answer.status, given, body

    async def _slowly(self, request: web.Request, found: Forwarded, detail: float) -> web.StreamResponse:
        await asyncio.sleep(4 * detail)
        return _response(*found)

    async def _cut(self, request: web.Request, found: Forwarded, detail: float) -> web.StreamResponse:
        status, headers, body = found
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(body) + 1
        with suppress(ConnectionError):  # whoever asked may have been killed meanwhile
            await response.prepare(request)
            await response.write(body[: int(len(body) * detail)])
        if request.transport is not None:
            request.transport.close()
        return response

    async def _miscounted(self, request: web.Request, found: Forwarded, detail: float) -> web.StreamResponse:
        status, headers, body = found
        lines = json.loads(body)["cdr_counts"] if status == 200 else []
        counted = [line for line in lines if line["count"]]
        if not counted:
            # Nobody counts what is not there; and an hour that is about to leave the reach is not asked for again.
            self.struck["wrong counts"] -= 1
            self.faults.appendleft(("wrong counts", 1, detail))
            return _response(*found)
        line = counted[int(detail * len(counted))]
        line["count"] = max(0, line["count"] + (-2, -1, 1, 3)[int(detail * 40) % 4])
        return _response(status, headers, json.dumps({"cdr_counts": lines}).encode())

    async def _repeated(self, request: web.Request, found: Forwarded, detail: float) -> web.StreamResponse:
        status, headers, body = found
        if status == 200:
            itself = f"http://{request.host}{request.path_qs}&{_AGAIN}=1"
            headers = headers | {"Link": f'<{itself}>; rel="next"'}
        return _response(status, headers, body)

    async def _withheld(self, request: web.Request, found: Forwarded, detail: float) -> web.StreamResponse:
        status, headers, body = found
        if status == 200:
            items = json.loads(body)["items"]
            first = int(detail * len(items))
            body = json.dumps({"items": items[:first] + items[first + 1 + len(items) // 5 :]}).encode()
        return _response(status, headers, body)


def _problem(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.StreamResponse:
    return web.json_response(error_body(status, message, "TEST_1"), status=status, headers=headers)


def _response(status: int, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
    return web.Response(status=status, headers=headers, body=body)
