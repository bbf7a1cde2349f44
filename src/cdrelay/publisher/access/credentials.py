"""Partner access tokens and intake keys. Only hashes are stored: a token is shown once, when it is made."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, Select, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import fresh_token, token_hash
from cdrelay.control.tables import access_tokens, administrator_organizations, administrators, intake_keys
from cdrelay.publisher.errors import CredentialUnknown, PartnerUnknown, PublisherError
from cdrelay.publisher.parties import CDR_SCOPE, TOKEN_LIFETIME, Credential

_ID_LENGTH = 12


class LifetimeRefused(PublisherError):
    """A token that would be expired when it is made."""


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """What an access token stands for."""

    partner_id: str
    scopes: frozenset[str]
    reach: frozenset[str] | None
    """The organizations that its administrator is assigned at present; None: all of the partner's."""


class Credentials:
    """Who may ask and who may hand in. All methods block; all raise DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create_token(
        self,
        partner_id: str,
        label: str = "",
        lifetime: timedelta = TOKEN_LIFETIME,
        *,
        administrator_id: str | None = None,
        scopes: Iterable[str] = (CDR_SCOPE,),
    ) -> str:
        """A new access token, to be shown once: the partner's own, or that of one of its administrators.

        Raises PartnerUnknown, LifetimeRefused.
        """
        if lifetime <= timedelta(0):
            raise LifetimeRefused("a token must last longer than nothing")
        token, now = fresh_token("cdrp"), self._clock.now()
        values = {
            "token_sha256": token_hash(token),
            "partner_id": partner_id,
            "label": label,
            "created_at": now,
            "scope": " ".join(scopes),
            "administrator_id": administrator_id,
            "expires_at": now + lifetime,
        }
        try:
            with self._database.write() as connection:
                connection.execute(insert(access_tokens).values(values))
        except IntegrityError as error:
            raise PartnerUnknown(partner_id) from error
        return token

    def tokens(self, partner_id: str | None = None) -> list[Credential]:
        """Those of a partner, or all; the newest first."""
        query = select(access_tokens, access_tokens.c.token_sha256.label("sha256"))
        if partner_id is not None:
            query = query.where(access_tokens.c.partner_id == partner_id)
        return self._listed(query.order_by(access_tokens.c.created_at.desc()))

    def revoke_token(self, token_or_id: str) -> str:
        """Make it useless at once, again changes nothing; returns its id. Raises CredentialUnknown."""
        return self._revoke(access_tokens, access_tokens.c.token_sha256, token_or_id)

    def holder_of(self, token: str) -> TokenHolder | None:
        """Whose it is, with what its administrator may see at this moment; None: unknown, expired or revoked."""
        theirs = administrators.c.id == access_tokens.c.administrator_id
        query = select(access_tokens, administrators.c.role).join(administrators, theirs, isouter=True)
        query = query.where(
            access_tokens.c.token_sha256 == token_hash(token),
            access_tokens.c.revoked_at.is_(None),
            access_tokens.c.expires_at > self._clock.now(),
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            reach = None
            if row.role == "assigned":
                links = administrator_organizations
                assigned = select(links.c.org_uuid).where(links.c.administrator_id == row.administrator_id)
                reach = frozenset(connection.scalars(assigned))
        return TokenHolder(row.partner_id, frozenset(row.scope.split()), reach)

    def create_intake_key(self, label: str = "") -> str:
        """A new key for a calling platform, to be shown once. It lasts until it is revoked."""
        key = fresh_token("cdri")
        with self._database.write() as connection:
            values = {"key_sha256": token_hash(key), "label": label, "created_at": self._clock.now()}
            connection.execute(insert(intake_keys).values(values))
        return key

    def intake_keys(self) -> list[Credential]:
        """All, the newest first."""
        query = select(intake_keys, intake_keys.c.key_sha256.label("sha256"))
        return self._listed(query.order_by(intake_keys.c.created_at.desc()))

    def revoke_intake_key(self, key_or_id: str) -> str:
        """Make it useless at once, again changes nothing; returns its id. Raises CredentialUnknown."""
        return self._revoke(intake_keys, intake_keys.c.key_sha256, key_or_id)

    def intake_key_valid(self, key: str) -> bool:
        """Whether it is known and not revoked."""
        query = select(intake_keys.c.label).where(
            intake_keys.c.key_sha256 == token_hash(key), intake_keys.c.revoked_at.is_(None)
        )
        with self._database.read() as connection:
            return connection.execute(query).one_or_none() is not None

    def _listed(self, query: Select[Any]) -> list[Credential]:
        with self._database.read() as connection:
            rows = [row._mapping for row in connection.execute(query)]
        return [
            Credential(
                row["sha256"][:_ID_LENGTH],
                row["label"],
                row["created_at"],
                row.get("expires_at"),
                row["revoked_at"],
                row.get("partner_id"),
                row.get("administrator_id"),
                row.get("grant_id"),
            )
            for row in rows
        ]

    def _revoke(self, table: Table, sha256: Column[Any], secret_or_id: str) -> str:
        given = secret_or_id.strip()
        with self._database.write() as connection:
            found = connection.scalars(
                select(sha256).where((sha256 == token_hash(given)) | (sha256.startswith(given, autoescape=True)))
            ).all()
            if len(found) != 1 or len(given) < _ID_LENGTH:
                raise CredentialUnknown("there is none of that id; `list` shows the ids")
            still_valid = update(table).where(sha256 == found[0], table.c.revoked_at.is_(None))
            connection.execute(still_valid.values(revoked_at=self._clock.now()))
            return str(found[0])[:_ID_LENGTH]
