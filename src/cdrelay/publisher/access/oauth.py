"""Consents and the tokens that follow from them: codes, access tokens, refresh tokens (FACTS section 5).

A refresh token stays the same and lasts anew with each use, as the provider's does: used regularly it never ends, and
a client that stores whatever comes back has the right one. All methods block and may be used from any thread; all
raise DatabaseUnavailable when the database is gone.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from cdrelay.clock import Clock
from cdrelay.contract.pkce import is_pkce_text, s256_challenge
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import fresh_token, token_hash
from cdrelay.control.tables import (
    access_tokens,
    administrators,
    authorization_codes,
    grants,
    integrations,
    refresh_tokens,
)
from cdrelay.publisher.access.consent import Asked, Sender, scopes_of
from cdrelay.publisher.access.integrations import Integration, end_grants
from cdrelay.publisher.errors import OAuthError, RenewedTooOften
from cdrelay.publisher.parties import TOKEN_LIFETIME, Administrator

CODE_LIFETIME = timedelta(minutes=5)
_CODES_KEPT = timedelta(days=1)
"""A code is remembered after its end so long, so that its second use is noticed."""


@dataclass(frozen=True, slots=True)
class TokenLifetimes:
    """How long each lasts, in real time."""

    access: timedelta = TOKEN_LIFETIME
    refresh: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an integration is given; lifetimes in whole seconds left."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_token_expires_in: int
    scope: str


@dataclass(frozen=True, slots=True)
class Consent:
    """An integration that an administrator has let in, and until when it can stay without asking again."""

    client_id: str
    name: str
    scope: str
    first_at: datetime
    last_at: datetime
    expires_at: datetime


class OAuth:
    """Consents and tokens."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        lifetimes: TokenLifetimes | None = None,
        seconds_to_wait: Callable[[str], int] = lambda grant_id: 0,
    ) -> None:
        """`seconds_to_wait` says when the refresh token of a consent may be used; 0: now, and that counts."""
        self._seconds_to_wait = seconds_to_wait
        self._database = database
        self._clock = clock
        self._lifetimes = lifetimes or TokenLifetimes()

    def approve(self, sender: Sender, asked: Asked, administrator: Administrator) -> str:
        """The administrator consents; the code that the integration gets tokens for, once, within 5 minutes."""
        code, grant_id, now = fresh_token("cdra"), str(uuid4()), self._clock.now()
        grant = {
            "id": grant_id,
            "client_id": sender.integration.client_id,
            "administrator_id": administrator.id,
            "scope": " ".join(asked.scopes),
            "created_at": now,
        }
        values = {
            "code_sha256": token_hash(code),
            "grant_id": grant_id,
            "redirect_uri": sender.redirect_uri,
            "code_challenge": asked.challenge,
            "code_challenge_method": asked.method,
            "expires_at": now + CODE_LIFETIME,
        }
        with self._database.write() as connection:
            old = authorization_codes.c.expires_at <= now - _CODES_KEPT
            unused = select(authorization_codes.c.grant_id).where(old, authorization_codes.c.used_at.is_(None))
            # Nothing has followed from those; the codes go with them.
            connection.execute(delete(grants).where(grants.c.id.in_(unused)))
            connection.execute(delete(authorization_codes).where(old))
            connection.execute(insert(grants).values(grant))
            connection.execute(insert(authorization_codes).values(values))
        return code

    def redeem(self, integration: Integration, code: str, redirect_uri: str, verifier: str) -> Tokens:
        """Tokens for a code. A code that comes a second time ends its consent: one of the two was a thief.

        Raises OAuthError `invalid_grant`.
        """
        now = self._clock.now()
        with self._database.write() as connection:
            query = select(authorization_codes, grants).join(grants, grants.c.id == authorization_codes.c.grant_id)
            this = authorization_codes.c.code_sha256 == token_hash(code)
            row = connection.execute(query.where(this, grants.c.client_id == integration.client_id)).one_or_none()
            if row is not None and row.used_at is not None:
                end_grants(connection, [row.grant_id], now)
            elif row is not None and _fits(row, redirect_uri, verifier) and row.expires_at > now:
                connection.execute(update(authorization_codes).where(this).values(used_at=now))
                if row.revoked_at is None:
                    return self._first_tokens(connection, integration, row, now)
        raise OAuthError(
            "invalid_grant",
            "the code is unknown, expired, used or revoked, or redirect_uri or code_verifier are not those of it",
        )

    def refresh(self, integration: Integration, refresh_token: str, scope: str = "") -> Tokens:
        """A new access token, with fewer scopes when asked; the refresh token is the same and lasts anew.

        Access tokens before it hold until they expire. Raises OAuthError `invalid_grant`, `invalid_scope`, and
        RenewedTooOften.
        """
        now = self._clock.now()
        this = refresh_tokens.c.token_sha256 == token_hash(refresh_token)
        with self._database.write() as connection:
            query = select(refresh_tokens, grants.c.administrator_id, grants.c.scope).join(
                grants, grants.c.id == refresh_tokens.c.grant_id
            )
            row = connection.execute(query.where(this, grants.c.client_id == integration.client_id)).one_or_none()
            if row is None or row.revoked_at is not None or row.expires_at <= now:
                raise OAuthError("invalid_grant", "the refresh token is unknown, expired or revoked")
            scopes = scopes_of(scope) or scopes_of(row.scope)
            if not set(scopes) <= set(scopes_of(row.scope)):
                raise OAuthError("invalid_scope", "the administrator has not consented to all of that")
            # Last: what is refused for another reason costs nothing.
            if seconds := self._seconds_to_wait(row.grant_id):
                raise RenewedTooOften(seconds)
            over = (access_tokens.c.grant_id == row.grant_id) & (access_tokens.c.expires_at <= now)
            connection.execute(delete(access_tokens).where(over))
            until = now + self._lifetimes.refresh
            connection.execute(update(refresh_tokens).where(this).values(expires_at=until))
            return self._tokens(connection, integration, row, " ".join(scopes), refresh_token)

    def _first_tokens(self, connection: Connection, integration: Integration, row: Row[Any], now: datetime) -> Tokens:
        refresh_token = fresh_token("cdrf")
        values = {
            "token_sha256": token_hash(refresh_token),
            "grant_id": row.grant_id,
            "created_at": now,
            "expires_at": now + self._lifetimes.refresh,
        }
        connection.execute(insert(refresh_tokens).values(values))
        return self._tokens(connection, integration, row, row.scope, refresh_token)

    def _tokens(
        self, connection: Connection, integration: Integration, row: Row[Any], scope: str, refresh_token: str
    ) -> Tokens:
        token, now = fresh_token("cdrp"), self._clock.now()
        partner = select(administrators.c.partner_id).where(administrators.c.id == row.administrator_id)
        values = {
            "token_sha256": token_hash(token),
            "partner_id": connection.execute(partner).scalar_one(),
            "label": integration.name,
            "created_at": now,
            "expires_at": now + self._lifetimes.access,
            "scope": scope,
            "administrator_id": row.administrator_id,
            "grant_id": row.grant_id,
        }
        connection.execute(insert(access_tokens).values(values))
        access, refresh = (int(each.total_seconds()) for each in (self._lifetimes.access, self._lifetimes.refresh))
        return Tokens(token, access, refresh_token, refresh, scope)

    def revoke(self, integration: Integration, token: str) -> None:
        """End an access token, or with a refresh token the whole consent (RFC 7009).

        What is unknown, another integration's or ended already changes nothing, and is not told apart.
        """
        now, hashed = self._clock.now(), token_hash(token)
        mine = grants.c.client_id == integration.client_id
        with self._database.write() as connection:
            query = select(refresh_tokens.c.grant_id).join(grants, grants.c.id == refresh_tokens.c.grant_id)
            found = connection.scalars(query.where(refresh_tokens.c.token_sha256 == hashed, mine)).all()
            end_grants(connection, found, now)
            this = (access_tokens.c.token_sha256 == hashed) & access_tokens.c.revoked_at.is_(None)
            given = access_tokens.c.grant_id.in_(select(grants.c.id).where(mine))
            connection.execute(update(access_tokens).where(this, given).values(revoked_at=now))

    # --- what an administrator sees of it ---

    def consents_of(self, administrator_id: str) -> list[Consent]:
        """The integrations that can still get tokens for the administrator, by name."""
        lasting = refresh_tokens.c.revoked_at.is_(None) & (refresh_tokens.c.expires_at > self._clock.now())
        query = (
            select(
                integrations.c.client_id,
                integrations.c.name,
                func.group_concat(grants.c.scope, " ").label("scope"),
                func.min(grants.c.created_at).label("first_at"),
                func.max(grants.c.created_at).label("last_at"),
                func.max(refresh_tokens.c.expires_at).label("expires_at"),
            )
            .join(grants, grants.c.client_id == integrations.c.client_id)
            .join(refresh_tokens, refresh_tokens.c.grant_id == grants.c.id)
            .where(grants.c.administrator_id == administrator_id, lasting)
            .group_by(integrations.c.client_id, integrations.c.name)
            .order_by(integrations.c.name)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            Consent(
                row.client_id,
                row.name,
                " ".join(sorted(set(scopes_of(row.scope)))),
                row.first_at,
                row.last_at,
                row.expires_at,
            )
            for row in rows
        ]

    def withdraw(self, administrator_id: str, client_id: str) -> None:
        """The administrator's consents to the integration end, with all tokens; again changes nothing."""
        theirs = (grants.c.administrator_id == administrator_id) & (grants.c.client_id == client_id)
        with self._database.write() as connection:
            given = connection.scalars(select(grants.c.id).where(theirs)).all()
            end_grants(connection, given, self._clock.now())


def _fits(row: Row[Any], redirect_uri: str, verifier: str) -> bool:
    """Whether a code is redeemed by whom it was asked for: same address, and the verifier of its challenge."""
    if not hmac.compare_digest(row.redirect_uri.encode(), redirect_uri.encode()):
        return False
    if row.code_challenge is None:
        # A verifier without a challenge: somebody has cut the challenge out of the request (RFC 9700 4.8.2).
        return not verifier
    if not is_pkce_text(verifier):
        return False
    made = s256_challenge(verifier) if row.code_challenge_method == "S256" else verifier
    return hmac.compare_digest(row.code_challenge, made)
