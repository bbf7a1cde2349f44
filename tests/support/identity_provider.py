"""A small OpenID Connect provider: it signs in whom a test says, keeps the rules, and breaks one when told to."""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from cdrelay.clock import Clock

CLIENT_ID, CLIENT_SECRET = "hub at company", "se cret/+"


def _nothing(claims: dict[str, Any]) -> dict[str, Any]:
    return claims


@dataclass
class IdentityProvider:
    """The provider; what a test changes in it holds from the next request on."""

    clock: Clock
    address: str = ""
    email: str = "ada@example.com"
    verified: Any = True
    key: RSAKey | ECKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first"}))
    signing_key: Any = None
    """Signs in place of the key that is published."""
    algorithm: str = "RS256"
    basic: bool = True
    """Whether clients authenticate by Basic, else by the form."""
    change: Callable[[dict[str, Any]], dict[str, Any]] = _nothing
    """Of the claims, before they are signed."""
    token: str | None = None
    """In place of a signed one."""
    described: dict[str, Any] = field(default_factory=dict)
    """Over what discovery says."""
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """Requests by the code that answered them."""

    def app(self) -> FastAPI:
        """The routes."""
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def discovery() -> dict[str, Any]:
            return {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize?tenant=1",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/keys",
                "token_endpoint_auth_methods_supported": [f"client_secret_{'basic' if self.basic else 'post'}"],
            } | self.described

        @app.get("/keys")
        def keys() -> dict[str, Any]:
            return {"keys": [self.key.as_dict(private=False)]}

        @app.get("/authorize")
        def authorize(request: Request) -> Response:
            code, given = secrets.token_urlsafe(), dict(request.query_params)
            assert (given["tenant"], given["client_id"], given["response_type"]) == ("1", CLIENT_ID, "code")
            assert set(given["scope"].split()) == {"openid", "email"}
            self.asked[code] = given
            return RedirectResponse(f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}")

        @app.post("/token")
        async def token(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode()))
            asked = self.asked.pop(form["code"], None)
            proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
            if (
                asked is None
                or self._client(request, form) != (CLIENT_ID, CLIENT_SECRET)
                or form["redirect_uri"] != asked["redirect_uri"]
                or (proof.rstrip("="), "S256") != (asked["code_challenge"], asked["code_challenge_method"])
            ):
                return JSONResponse({"error": "invalid_grant"}, 400)
            answer = {"access_token": "opaque", "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])}
            return JSONResponse(answer)

        return app

    def _client(self, request: Request, form: dict[str, str]) -> tuple[str, str]:
        if not self.basic:
            return form["client_id"], form["client_secret"]
        encoded = request.headers["Authorization"].removeprefix("Basic ")
        client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
        return unquote_plus(client_id), unquote_plus(secret)

    def _id_token(self, nonce: str) -> str:
        now = self.clock.now()
        claims = self.change(
            {
                "iss": self.address,
                "aud": CLIENT_ID,
                "sub": "1",
                "iat": int(now.timestamp()),
                "exp": int((now + timedelta(minutes=5)).timestamp()),
                "nonce": nonce,
                "email": self.email,
                "email_verified": self.verified,
            }
        )
        if self.token is not None:
            return self.token
        header = {"alg": self.algorithm, "kid": self.key.kid}
        return jwt.encode(header, claims, self.signing_key or self.key, algorithms=[self.algorithm])
