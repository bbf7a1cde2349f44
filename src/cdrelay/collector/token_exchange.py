"""Asking a provider for tokens: for a code, for a refresh token, for a service app (FACTS section 5).

No secret that is sent comes back in an error's text, whatever the provider's answer quotes.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

import aiohttp
import msgspec

from cdrelay.clock import Clock
from cdrelay.collector.errors import TokenRefused, TokenUnavailable
from cdrelay.contract.error_bodies import error_message
from cdrelay.contract.organization_ids import encoded_organization_id
from cdrelay.errors import UNREADABLE

_MOST_BYTES = 65_536
_PASSING = frozenset({200, 408, 423, 425, 429})
"""Statuses below 500 that another attempt may mend; a 200 that makes no sense is a proxy's."""
_CODE = re.compile(r"[a-z_]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClient:
    """The integration or service app that tokens are given to, and where."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider gave. It holds secrets and is never printed."""

    access_token: str
    refresh_token: str | None
    """None: the one that was used stays valid."""
    expires_at: datetime | None
    refresh_expires_at: datetime | None

    def __repr__(self) -> str:
        """Without its secrets."""
        return f"Granted(expires_at={self.expires_at}, refresh_expires_at={self.refresh_expires_at})"


_Token = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]+$")]
_Seconds = Annotated[int, msgspec.Meta(gt=0, lt=10**10)]


class _Answer(msgspec.Struct):
    access_token: _Token
    refresh_token: _Token | None = None
    expires_in: _Seconds | None = None
    refresh_token_expires_in: _Seconds | None = None


class TokenExchange:
    """Asks for tokens, once each time. All methods raise TokenRefused and TokenUnavailable."""

    def __init__(self, clock: Clock, answer_seconds: float) -> None:
        self._clock = clock
        self._limit = aiohttp.ClientTimeout(total=answer_seconds)

    async def refresh(self, client: TokenClient, refresh_token: str) -> Granted:
        """New tokens for a refresh token. The provider may have replaced it: what comes back is the one to keep."""
        return await self._grant(client, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def redeem(self, client: TokenClient, code: str, redirect_uri: str, verifier: str) -> Granted:
        """The first tokens, for a code that came to `redirect_uri`; it is of use once."""
        fields = {"code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        return await self._grant(client, {"grant_type": "authorization_code", **fields})

    async def of_service_app(
        self, client: TokenClient, applications_url: str, application_id: str, target_org: str, bearer: str
    ) -> Granted:
        """The first tokens of a service app in one organization (a UUID); `bearer` has `spark:applications_token`."""
        given = {
            "clientId": client.client_id,
            "clientSecret": client.client_secret,
            "targetOrgId": encoded_organization_id(target_org),
        }
        headers = {"Authorization": f"Bearer {bearer}"}
        secrets = (client.client_secret, bearer)
        return await self._ask(f"{applications_url}/{application_id}/token", secrets, json=given, headers=headers)

    async def _grant(self, client: TokenClient, fields: dict[str, str]) -> Granted:
        own = {"client_id": client.client_id, "client_secret": client.client_secret}
        secrets = (
            client.client_secret,
            *(fields[name] for name in fields if name not in {"grant_type", "redirect_uri"}),
        )
        return await self._ask(client.token_url, secrets, data=own | fields)

    async def _ask(self, address: str, secrets: tuple[str, ...], **request: Any) -> Granted:
        asked_at = self._clock.now()
        try:
            async with (
                aiohttp.ClientSession(timeout=self._limit) as session,
                # A redirect could lead the secrets anywhere.
                session.post(address, allow_redirects=False, **request) as response,
            ):
                status, body = response.status, await _body(response.content)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # The text of such an error can hold the whole address, so its kind has to do.
            raise TokenUnavailable(f"no tokens: no answer ({type(error).__name__})") from None
        if status == 200:
            try:
                return _granted(msgspec.json.decode(body, type=_Answer, strict=False), asked_at)
            except UNREADABLE:
                pass
        said = _said(body, secrets) if status != 200 else "an answer without an access token"
        kind = TokenUnavailable if status >= 500 or status in _PASSING else TokenRefused
        raise kind(f"no tokens: HTTP {status}, {said}")


async def _body(content: aiohttp.StreamReader) -> bytes:
    pieces, size = [], 0
    async for piece in content.iter_any():
        size += len(piece)
        if size > _MOST_BYTES:
            raise ValueError("more bytes than tokens have")
        pieces.append(piece)
    return b"".join(pieces)


def _granted(answer: _Answer, asked_at: datetime) -> Granted:
    def end(seconds: int | None) -> datetime | None:
        return None if seconds is None else asked_at + timedelta(seconds=seconds)

    return Granted(
        access_token=answer.access_token,
        refresh_token=answer.refresh_token,
        expires_at=end(answer.expires_in),
        refresh_expires_at=end(answer.refresh_token_expires_in),
    )


def _said(body: bytes, secrets: tuple[str, ...]) -> str:
    """What the answer says: the code of RFC 6749 5.2 where it has one, and its message, without our secrets."""
    try:
        parsed = msgspec.json.decode(body)
    except UNREADABLE:
        parsed = None
    code = str(parsed.get("error", "")) if isinstance(parsed, dict) else ""
    text = error_message(body)
    for secret in secrets:
        text = text.replace(secret, "…")
    return ": ".join(filter(None, (code if _CODE.fullmatch(code) else "", text))) or "without a word"
