"""The first tokens of a source: by a person's consent in a browser, pasted, or of a service app (FACTS section 5).

The consent is that of RFC 6749 4.1 with a redirect to this machine (RFC 8252 7.3), `state` against answers to somebody
else's question, and PKCE (RFC 7636) against somebody else's use of the code. Nothing of the source changes before the
provider has given tokens.
"""

import asyncio
import hmac
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from aiohttp import web

from cdrelay.collector.errors import LoginRefused
from cdrelay.collector.sources import Source
from cdrelay.collector.token_exchange import Granted, TokenClient, TokenExchange
from cdrelay.collector.tokens import Tokens
from cdrelay.contract.pkce import s256_challenge

REDIRECT_PATH = "/callback"
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>cdrelay</title>'
    '<body style="font:16px/1.5 sans-serif;margin:4em auto;max-width:34em">{words}</body></html>'
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}


def redirect_uri(port: int) -> str:
    """Where the provider sends the browser back to; it must be registered there letter by letter."""
    return f"http://127.0.0.1:{port}{REDIRECT_PATH}"


class Login:
    """Gets tokens and gives them to a source. All methods raise TokenRefused, TokenUnavailable and SourceUnknown."""

    def __init__(self, tokens: Tokens, exchange: TokenExchange) -> None:
        self._tokens = tokens
        self._exchange = exchange

    async def by_consent(
        self,
        name: str,
        client: TokenClient,
        *,
        authorize_url: str,
        scope: str,
        port: int,
        wait_seconds: float,
        show: Callable[[str], None],
    ) -> Source:
        """Listen on `port` of this machine, `show` the address that a person must open, and wait for the answer.

        Raises LoginRefused when none comes in time, the person or the provider refuses, or the port is taken.
        """
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        asked = {
            "client_id": client.client_id,
            "response_type": "code",
            "redirect_uri": redirect_uri(port),
            "scope": scope,
            "state": state,
            "code_challenge": s256_challenge(verifier),
            "code_challenge_method": "S256",
        }
        async with _listening(port, state) as code:
            show(f"{authorize_url}{'&' if '?' in authorize_url else '?'}{urlencode(asked)}")
            try:
                given = await asyncio.wait_for(code, wait_seconds)
            except TimeoutError:
                raise LoginRefused(f"nobody consented within {wait_seconds:g} seconds") from None
        granted = await self._exchange.redeem(client, given, redirect_uri(port), verifier)
        return await self._tokens.keep_login(name, client, granted)

    async def by_paste(self, name: str, client: TokenClient, refresh_token: str) -> Source:
        """A refresh token that a person has: it is used at once, so that its life is known and that it is good."""
        granted = await self._exchange.refresh(client, refresh_token)
        if granted.refresh_token is None:
            granted = Granted(
                access_token=granted.access_token,
                refresh_token=refresh_token,
                expires_at=granted.expires_at,
                refresh_expires_at=granted.refresh_expires_at,
            )
        return await self._tokens.keep_login(name, client, granted)

    async def by_service_app(
        self,
        name: str,
        client: TokenClient,
        *,
        applications_url: str,
        application_id: str,
        target_org: str,
        bearer: str,
    ) -> Source:
        """The tokens of a service app that an administrator of `target_org` (a UUID) has authorised."""
        granted = await self._exchange.of_service_app(client, applications_url, application_id, target_org, bearer)
        return await self._tokens.keep_login(name, client, granted)


@asynccontextmanager
async def _listening(port: int, state: str) -> AsyncIterator[asyncio.Future[str]]:
    """The code that a browser brings, or LoginRefused. What does not carry our `state` is refused and passed over."""
    code: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def answered(request: web.Request) -> web.Response:
        given = request.query
        if not hmac.compare_digest(given.get("state", "").encode(), state.encode()):
            return _page(400, "This is not the answer to the question that was asked. Start the login again.")
        if not code.done():
            if given.get("code"):
                code.set_result(given["code"])
            else:
                code.set_exception(LoginRefused("the administrator, or the provider, has refused"))
        words = "Thank you" if given.get("code") else "Refused"
        return _page(200, f"{words}. Go back to the terminal; this window can be closed.")

    app = web.Application()
    app.router.add_get(REDIRECT_PATH, answered)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise LoginRefused(f"port {port} of this machine cannot be listened on: {reason}") from error
        yield code
    finally:
        await runner.cleanup()
        if code.done() and not code.cancelled():
            code.exception()  # it was looked at, also when nobody waited any more


def _page(status: int, words: str) -> web.Response:
    return web.Response(status=status, text=_PAGE.format(words=words), content_type="text/html", headers=_HEADERS)
