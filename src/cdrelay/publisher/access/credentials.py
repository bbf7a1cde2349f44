"""Partner access tokens and intake keys. Only hashes are stored: a token is shown once, when it is made."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import fresh_token, token_hash
from cdrelay.control.tables import access_tokens, administrator_organizations, administrators, intake_keys
from cdrelay.publisher.access.keys import ID_LENGTH, Keys, find_one
from cdrelay.publisher.access.values import fit_label
from cdrelay.publisher.errors import PartnerUnknown, PublisherError
from cdrelay.publisher.parties import CDR_SCOPE, TOKEN_LIFETIME, Credential


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
    """Who may ask and, by the keys of `intake`, who may hand in. All methods block; all raise DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.intake = Keys(database, clock, intake_keys, "cdri")

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

        Raises PartnerUnknown, LifetimeRefused, and EntryRefused for the label.
        """
        if lifetime <= timedelta(0):
            raise LifetimeRefused("a token must last longer than nothing")
        token, now = fresh_token("cdrp"), self._clock.now()
        values = {
            "token_sha256": token_hash(token),
            "partner_id": partner_id,
            "label": fit_label(label),
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
        query = select(access_tokens).order_by(access_tokens.c.created_at.desc())
        if partner_id is not None:
            query = query.where(access_tokens.c.partner_id == partner_id)
        with self._database.read() as connection:
            return [
                Credential(
                    row.token_sha256[:ID_LENGTH],
                    row.label,
                    row.created_at,
                    row.expires_at,
                    row.revoked_at,
                    row.partner_id,
                    row.administrator_id,
                    row.grant_id,
                )
                for row in connection.execute(query)
            ]

    def revoke_token(self, token_or_id: str) -> str:
        """Make it useless at once, again changes nothing; returns its id. Raises CredentialUnknown."""
        sha256 = access_tokens.c.token_sha256
        with self._database.write() as connection:
            found = find_one(connection, sha256, token_or_id)
            still_valid = update(access_tokens).where(sha256 == found, access_tokens.c.revoked_at.is_(None))
            connection.execute(still_valid.values(revoked_at=self._clock.now()))
        return found[:ID_LENGTH]

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
        return self.intake.create(label)

    def intake_keys(self) -> list[Credential]:
        """All, the newest first."""
        return self.intake.all()

    def revoke_intake_key(self, key_or_id: str) -> str:
        """Make it useless at once, again changes nothing; returns its id. Raises CredentialUnknown."""
        return self.intake.revoke(key_or_id)

    def intake_key_valid(self, key: str) -> bool:
        """Whether it is known and not revoked."""
        return self.intake.valid(key)
