"""A provider's token endpoint over real HTTP. It replaces the refresh token at each use; trouble on request."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

CLIENT_ID, CLIENT_SECRET, BEARER = "client-1", "secret-of-client-1", "applications-token"
APPLICATION = "Y2lzY29zcGFyazov_app-1"


@dataclass(slots=True)
class TokenServer:
    """Use it as a context. Tokens are numbered: `access-3`, `refresh-3`; of refresh tokens only the newest is good."""

    number: int = 0
    access_seconds: int | None = 14 * 86_400
    refresh_seconds: int | None = 90 * 86_400
    replaces: bool = True
    """False: the refresh token stays, and is left out of the answer."""
    troubles: deque[tuple[int, str]] = field(default_factory=deque)
    """Status and body given in place of the next answers, one by one; status 0 cuts the connection."""
    before_answer: Callable[[], None] = lambda: None
    """Called when the tokens were made, before they are told."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    address: str = ""
    _runner: web.AppRunner | None = None

    @property
    def token_url(self) -> str:
        """Where tokens are refreshed."""
        return f"{self.address}/v1/access_token"

    @property
    def refresh_token(self) -> str:
        """The one that is good."""
        return f"refresh-{self.number if self.replaces else 0}"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/access_token", self._refresh)
        app.router.add_post("/v1/applications/{application}/token", self._service_app)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = "http://{}:{}".format(*self._runner.addresses[0][:2])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _refresh(self, request: web.Request) -> web.StreamResponse:
        form = dict(await request.post())
        self.asked.append(form)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return _refused(401, "invalid_client", "the client is not known")
        if (given := str(form.get("refresh_token"))) != self.refresh_token:
            # As careless as a provider may be: it quotes what it was given.
            return _refused(400, "invalid_grant", f"the refresh token {given} is not valid")
        return self._answer(request)

    async def _service_app(self, request: web.Request) -> web.StreamResponse:
        given = await request.json() | {"application": request.match_info["application"]}
        self.asked.append(given)
        if request.headers.get("Authorization") != f"Bearer {BEARER}":
            return _refused(401, "invalid_token", "the access token has no right to this")
        if (given["application"], given["clientId"], given["clientSecret"]) != (APPLICATION, CLIENT_ID, CLIENT_SECRET):
            return _refused(404, "not_found", "there is no such service app")
        return self._answer(request)

    def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.troubles:
            status, body = self.troubles.popleft()
            if status == 0 and request.transport is not None:
                request.transport.close()
            return web.Response(status=status or 500, text=body, content_type="text/html")
        self.number += 1
        given: dict[str, Any] = {"access_token": f"access-{self.number}", "token_type": "Bearer"}
        if self.access_seconds is not None:
            given["expires_in"] = self.access_seconds
        if self.replaces:
            given["refresh_token"] = self.refresh_token
        if self.refresh_seconds is not None:
            given["refresh_token_expires_in"] = self.refresh_seconds
        self.before_answer()
        return web.json_response(given)


def _refused(status: int, code: str, description: str) -> web.Response:
    return web.json_response({"error": code, "message": description}, status=status)
