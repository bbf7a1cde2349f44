"""Keys of one kind, for programs of the operator or of calling platforms. Only hashes are kept: each is shown once."""

from typing import Any

from sqlalchemy import Column, Connection, Table, insert, select, update

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import fresh_token, token_hash
from cdrelay.publisher.access.values import fit_label
from cdrelay.publisher.errors import CredentialUnknown
from cdrelay.publisher.parties import Credential

ID_LENGTH = 12
"""Digits of the hash that name a credential."""


def find_one(connection: Connection, sha256: Column[Any], secret_or_id: str) -> str:
    """The hash of the credential that is meant, by itself or by its id. Raises CredentialUnknown."""
    given = secret_or_id.strip()
    named = (sha256 == token_hash(given)) | sha256.startswith(given, autoescape=True)
    found = connection.scalars(select(sha256).where(named)).all()
    if len(found) != 1 or len(given) < ID_LENGTH:
        raise CredentialUnknown("there is none of that id; `list` shows the ids")
    return str(found[0])


class Keys:
    """The keys of one table. All methods block; all raise DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock, table: Table, prefix: str) -> None:
        """`prefix` is what the text of a key begins with, so that people tell one kind from another."""
        self._database = database
        self._clock = clock
        self._table = table
        self._prefix = prefix

    def create(self, label: str = "") -> str:
        """A new key, to be shown once. It lasts until it is revoked. Raises EntryRefused for the label."""
        key = fresh_token(self._prefix)
        with self._database.write() as connection:
            values = {"key_sha256": token_hash(key), "label": fit_label(label), "created_at": self._clock.now()}
            connection.execute(insert(self._table).values(values))
        return key

    def all(self) -> list[Credential]:
        """All, the newest first."""
        query = select(self._table).order_by(self._table.c.created_at.desc())
        with self._database.read() as connection:
            return [
                Credential(row.key_sha256[:ID_LENGTH], row.label, row.created_at, None, row.revoked_at)
                for row in connection.execute(query)
            ]

    def revoke(self, key_or_id: str) -> str:
        """Make it useless at once, again changes nothing; returns its id. Raises CredentialUnknown."""
        sha256 = self._table.c.key_sha256
        with self._database.write() as connection:
            found = find_one(connection, sha256, key_or_id)
            still_valid = update(self._table).where(sha256 == found, self._table.c.revoked_at.is_(None))
            connection.execute(still_valid.values(revoked_at=self._clock.now()))
        return found[:ID_LENGTH]

    def valid(self, key: str) -> bool:
        """Whether it is known and not revoked. What is compared are hashes, so that the time taken tells nothing."""
        known = (self._table.c.key_sha256 == token_hash(key)) & self._table.c.revoked_at.is_(None)
        with self._database.read() as connection:
            return connection.execute(select(self._table.c.label).where(known)).one_or_none() is not None
