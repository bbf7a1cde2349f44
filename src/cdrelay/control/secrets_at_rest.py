"""Secrets at rest: encrypted where they must be read again, hashed where they need only be known again."""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from cdrelay.errors import CdrelayError


class SecretUnreadable(CdrelayError):
    """A stored secret does not fit the key file, which was replaced or is damaged, or the database is another's."""


class SecretBox:
    """Encrypts with the key in a file of its own, readable by its owner alone."""

    def __init__(self, key_file: Path, *, make: bool = True) -> None:
        """A file that is missing is made, or with `make` off refused.

        Raises SecretUnreadable, also when the file holds no key.
        """
        self._key_file = key_file
        if not key_file.exists():
            if not make:
                raise SecretUnreadable(
                    f"{key_file} is gone, and what is stored can only be read with it: put it back, from a backup if"
                    " need be (docs/operations/doctor.md, Key: also how to go on without it)"
                )
            self._make_key()
        try:
            key = key_file.read_bytes().strip()
            self._fernet = Fernet(key)
            self._hash_key = hmac.digest(key, b"keyed hashes", "sha256")
        except ValueError as error:
            raise SecretUnreadable(f"{key_file} holds no key") from error

    def _make_key(self) -> None:
        """Whole or not at all; of two processes starting together one makes the key and both read it."""
        draft = self._key_file.with_name(f"{self._key_file.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key())
                file.flush()
                os.fsync(file.fileno())
            # A link, unlike a rename, does not replace the key that another process made meanwhile.
            with suppress(FileExistsError):
                self._key_file.hardlink_to(draft)
        finally:
            draft.unlink()
        folder = os.open(self._key_file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def seal(self, secret: str) -> bytes:
        """Encrypt."""
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt. Raises SecretUnreadable."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise SecretUnreadable(f"a stored secret does not fit the key in {self._key_file}") from error

    def keyed_hash(self, text: str) -> str:
        """A hash by which `text` is known again, and that says nothing to whoever has not got the key: HMAC-SHA256."""
        return hmac.digest(self._hash_key, text.encode(), "sha256").hex()


def fresh_token(prefix: str) -> str:
    """A new random token of 256 bits; the prefix tells a person what it is for."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """What is stored of a token. Plain SHA-256 is enough: the token is random and long."""
    return hashlib.sha256(token.encode()).hexdigest()
