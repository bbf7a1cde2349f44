"""The company's OpenID Connect provider: where it sends a browser, and who it says that came back.

Authorization code with PKCE and nonce (OpenID Connect Core 1.0 section 3.1, Discovery 1.0). What the provider publishes
is asked for anew at each sign-in, so that its keys may change at any time.
"""

import json
import ssl
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cdrelay.clock import Clock
from cdrelay.contract.pkce import s256_challenge
from cdrelay.control.secrets_at_rest import fresh_token
from cdrelay.errors import CdrelayError

ALGORITHMS = ("RS256", "ES256")
_SKEW = timedelta(minutes=1)
_SECONDS = 10
_LARGEST = 1_000_000


class ProviderFailed(CdrelayError):
    """The provider cannot be asked, or what it says cannot be believed. The message holds nothing of a person."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Where the provider is and who we are to it."""

    issuer: str
    client_id: str
    client_secret: str
    allow_http: bool = False
    trust: ssl.SSLContext | None = None
    """Who may vouch for it; None: the system's authorities."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What must be remembered while the browser is at the provider; secret."""

    state: str
    nonce: str
    verifier: str


class Provider:
    """The provider. Nothing of it is kept between two questions."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    async def begin(self, redirect_uri: str) -> tuple[str, Attempt]:
        """Where to send the browser. Raises ProviderFailed."""
        attempt = Attempt(fresh_token("state"), fresh_token("nonce"), fresh_token("verifier"))
        async with self._session() as session:
            endpoint = self._address(await self._discover(session), "authorization_endpoint")
        asked = {
            "client_id": self._settings.client_id,
            "response_type": "code",
            "scope": "openid email",
            "redirect_uri": redirect_uri,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": s256_challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}", attempt

    async def finish(self, code: str, attempt: Attempt, redirect_uri: str) -> str:
        """The e-mail address, verified, of whom the provider has signed in. Raises ProviderFailed."""
        async with self._session() as session:
            found = await self._discover(session)
            answer = await self._exchange(session, found, code, attempt, redirect_uri)
            keys = await self._ask(session, "GET", self._address(found, "jwks_uri"))
        return self._email(answer.get("id_token"), keys, attempt)

    async def _exchange(
        self, session: aiohttp.ClientSession, found: dict[str, Any], code: str, attempt: Attempt, redirect_uri: str
    ) -> dict[str, Any]:
        own, form = self._settings, {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form["code_verifier"] = attempt.verifier
        # Without a word about it, Basic is what a provider takes (Discovery 1.0 section 3).
        if "client_secret_basic" in found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            basic = aiohttp.encode_basic_auth(quote_plus(own.client_id), quote_plus(own.client_secret))
            headers = {"Authorization": basic}
        else:
            headers = {}
            form |= {"client_id": own.client_id, "client_secret": own.client_secret}
        return await self._ask(session, "POST", self._address(found, "token_endpoint"), form, headers)

    def _email(self, token: object, published: dict[str, Any], attempt: Attempt) -> str:
        own = self._settings
        rules = jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=int(_SKEW.total_seconds()),
            iss={"essential": True, "value": own.issuer},
            aud={"essential": True, "value": own.client_id},
            exp={"essential": True},
            nonce={"essential": True, "value": attempt.nonce},
        )
        try:
            keys = KeySet.import_key_set(published)  # type: ignore[arg-type]
            claims = jwt.decode(str(token), keys, algorithms=ALGORITHMS).claims
            rules.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderFailed(f"the provider's ID token does not hold: {type(error).__name__}") from error
        if isinstance(claims["aud"], list) and claims["aud"] != [own.client_id] and claims.get("azp") != own.client_id:
            raise ProviderFailed("the provider's ID token is another client's")
        email = claims.get("email")
        if claims.get("email_verified") is not True or not isinstance(email, str):
            raise ProviderFailed("the provider has not verified the e-mail address")
        return email

    async def _discover(self, session: aiohttp.ClientSession) -> dict[str, Any]:
        issuer = self._settings.issuer
        found = await self._ask(session, "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise ProviderFailed("the provider at oidc_issuer calls itself something else, letter by letter")
        return found

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._settings.trust or True),
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _address(self, found: dict[str, Any], name: str) -> str:
        address = found.get(name)
        if not isinstance(address, str):
            raise ProviderFailed(f"the provider names no {name}")
        return address

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object that it answers with. Raises ProviderFailed."""
        self._require_tls(url)
        try:
            async with session.request(method, url, data=form, headers=headers, allow_redirects=False) as response:
                body = await response.content.read(_LARGEST)
                while len(body) < _LARGEST and (piece := await response.content.read(_LARGEST - len(body))):
                    body += piece
                answer = json.loads(body) if response.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ProviderFailed(f"the provider does not answer as it should: {type(error).__name__}") from error
        if not isinstance(answer, dict):
            raise ProviderFailed(f"the provider answers with status {response.status}, or with no object")
        return answer

    def _require_tls(self, url: str) -> None:
        if not url.startswith("https://") and not (self._settings.allow_http and url.startswith("http://")):
            raise ProviderFailed("the provider is asked over https alone")
