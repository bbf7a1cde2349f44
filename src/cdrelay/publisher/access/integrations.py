"""Integrations: the OAuth clients that may ask administrators for tokens. Their secrets are stored as hashes.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

import hmac
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from cdrelay.clock import Clock
from cdrelay.contract.addresses import split_address
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import fresh_token, token_hash
from cdrelay.control.tables import access_tokens, grants, integrations, refresh_tokens
from cdrelay.publisher.access.values import fit_name
from cdrelay.publisher.errors import IntegrationRefused, IntegrationUnknown, PartnerUnknown
from cdrelay.publisher.parties import CDR_SCOPE

_LONGEST_URI = 2_000
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""A scope-token (RFC 6749 section 3.3)."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Integration:
    """An OAuth client. Holds no secret, so that it may be shown."""

    client_id: str
    partner_id: str | None
    """Whose administrators it may ask; None: those of every partner, as it is the operator's."""
    name: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


class Integrations:
    """The integrations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(
        self,
        name: str,
        redirect_uris: Iterable[str],
        scopes: Iterable[str] = (CDR_SCOPE,),
        partner_id: str | None = None,
    ) -> tuple[Integration, str]:
        """A new one, and its client secret, to be shown once. Raises IntegrationRefused, PartnerUnknown."""
        client_id, secret = fresh_token("cdrc"), fresh_token("cdrx")
        values = {
            "client_id": client_id,
            "client_secret_sha256": token_hash(secret),
            "partner_id": partner_id,
            "name": fit_name(name, IntegrationRefused),
            "redirect_uris": "\n".join(_fit_uris(redirect_uris)),
            "scopes": " ".join(_fit_scopes(scopes)),
            "created_at": self._clock.now(),
        }
        try:
            with self._database.write() as connection:
                connection.execute(insert(integrations).values(values))
        except IntegrityError as error:
            raise PartnerUnknown(partner_id or "") from error
        return self.get(client_id), secret

    def get(self, client_id: str) -> Integration:
        """The one with that client id, also when it is revoked. Raises IntegrationUnknown."""
        return _integration(self._row(client_id))

    def of_partner(self, partner_id: str | None = None) -> list[Integration]:
        """Those of a partner, or all; the newest first."""
        query = select(integrations).order_by(integrations.c.created_at.desc())
        if partner_id is not None:
            query = query.where(integrations.c.partner_id == partner_id)
        with self._database.read() as connection:
            return [_integration(row) for row in connection.execute(query)]

    def authenticate(self, client_id: str, secret: str) -> Integration | None:
        """The one whose secret that is; None when it is unknown, revoked or the secret another."""
        try:
            row = self._row(client_id)
        except IntegrationUnknown:
            return None
        right = hmac.compare_digest(row.client_secret_sha256, token_hash(secret))
        return _integration(row) if right and row.revoked_at is None else None

    def revoke(self, client_id: str) -> None:
        """End it with all the tokens it was given; again changes nothing. Raises IntegrationUnknown."""
        self._row(client_id)
        now = self._clock.now()
        with self._database.write() as connection:
            this = (integrations.c.client_id == client_id) & integrations.c.revoked_at.is_(None)
            connection.execute(update(integrations).where(this).values(revoked_at=now))
            given = connection.scalars(select(grants.c.id).where(grants.c.client_id == client_id)).all()
            end_grants(connection, given, now)

    def _row(self, client_id: str) -> Row[Any]:
        with self._database.read() as connection:
            row = connection.execute(select(integrations).where(integrations.c.client_id == client_id)).one_or_none()
        if row is None:
            raise IntegrationUnknown("there is no such integration; `cdrelay publisher integration list` shows them")
        return row


def end_grants(connection: Connection, grant_ids: Collection[str], now: datetime) -> None:
    """Consents that no longer hold, with every token that followed from them; again changes nothing."""
    for table, column in (
        (grants, grants.c.id),
        (access_tokens, access_tokens.c.grant_id),
        (refresh_tokens, refresh_tokens.c.grant_id),
    ):
        for grant_id in grant_ids:
            lasting = (column == grant_id) & table.c.revoked_at.is_(None)
            connection.execute(update(table).where(lasting).values(revoked_at=now))


def _fit_uris(uris: Iterable[str]) -> list[str]:
    fitted = [uri.strip() for uri in uris if uri.strip()]
    if not fitted:
        raise IntegrationRefused("redirect address: at least one is required")
    for uri in fitted:
        if not _may_be_redirected_to(uri):
            raise IntegrationRefused(
                "redirect address: must be https (http for localhost alone), without user, fragment or blanks"
            )
    return list(dict.fromkeys(fitted))


def _may_be_redirected_to(uri: str) -> bool:
    if len(uri) > _LONGEST_URI or not uri.isascii() or not uri.isprintable() or set(uri) & set(" \\\"'<>;,*"):
        return False
    parts = split_address(uri)
    if parts is None or not parts.hostname or "@" in parts.netloc or "#" in uri:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _fit_scopes(scopes: Iterable[str]) -> list[str]:
    fitted = list(dict.fromkeys(scopes))
    if not fitted or not all(_SCOPE.fullmatch(scope) for scope in fitted):
        raise IntegrationRefused(f"scopes: at least one is required, separated by blanks, such as {CDR_SCOPE}")
    return fitted


def _integration(row: Row[Any]) -> Integration:
    return Integration(
        client_id=row.client_id,
        partner_id=row.partner_id,
        name=row.name,
        redirect_uris=tuple(row.redirect_uris.split("\n")),
        scopes=tuple(row.scopes.split(" ")),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
