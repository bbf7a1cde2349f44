"""Keys with which the operator's own programs manage the directory. Only hashes are stored: a key is shown once.

They are a kind of their own: a calling platform that hands in records, or a partner that reads them, manages nothing.
"""

from sqlalchemy import insert, select, update

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import fresh_token, token_hash
from cdrelay.control.tables import operator_keys
from cdrelay.publisher.errors import CredentialUnknown
from cdrelay.publisher.parties import Credential

_ID_LENGTH = 12


class OperatorKeys:
    """Who may manage. All methods block; all raise DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, label: str = "") -> str:
        """A new key, to be shown once. It lasts until it is revoked."""
        key = fresh_token("cdro")
        with self._database.write() as connection:
            values = {"key_sha256": token_hash(key), "label": label, "created_at": self._clock.now()}
            connection.execute(insert(operator_keys).values(values))
        return key

    def all(self) -> list[Credential]:
        """All, the newest first."""
        query = select(operator_keys).order_by(operator_keys.c.created_at.desc())
        with self._database.read() as connection:
            return [
                Credential(row.key_sha256[:_ID_LENGTH], row.label, row.created_at, None, row.revoked_at)
                for row in connection.execute(query)
            ]

    def revoke(self, key_or_id: str) -> str:
        """Make it useless at once, again changes nothing; returns its id. Raises CredentialUnknown."""
        given, sha256 = key_or_id.strip(), operator_keys.c.key_sha256
        with self._database.write() as connection:
            named = (sha256 == token_hash(given)) | sha256.startswith(given, autoescape=True)
            found = connection.scalars(select(sha256).where(named)).all()
            if len(found) != 1 or len(given) < _ID_LENGTH:
                raise CredentialUnknown("there is none of that id; `list` shows the ids")
            still_valid = update(operator_keys).where(sha256 == found[0], operator_keys.c.revoked_at.is_(None))
            connection.execute(still_valid.values(revoked_at=self._clock.now()))
            return str(found[0])[:_ID_LENGTH]

    def valid(self, key: str) -> bool:
        """Whether it is known and not revoked. What is compared are hashes, so that the time taken tells nothing."""
        known = (operator_keys.c.key_sha256 == token_hash(key)) & operator_keys.c.revoked_at.is_(None)
        with self._database.read() as connection:
            return connection.execute(select(operator_keys.c.label).where(known)).one_or_none() is not None
