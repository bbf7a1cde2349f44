"""HEAD, with which monitors and link checkers ask: as GET, without the body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PROVIDER = "/v1/"
"""What programs of partners are served: as documented, and an answer may cost as much as all records."""


class HeadAsGet:
    """Answers HEAD on pages, state and health with what GET would say, length included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].startswith(_PROVIDER):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, send_head)
