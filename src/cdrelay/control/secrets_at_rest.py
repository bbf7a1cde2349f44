"""Secrets at rest: encrypted where they must be read again, hashed where they need only be known again."""

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from cdrelay.errors import CdrelayError


class SecretUnreadable(CdrelayError):
    """A stored secret does not fit the key file; the key was replaced, or the database comes from elsewhere."""


class SecretBox:
    """Encrypts with the key in a file of its own, readable by its owner alone and made when it is missing."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._fernet = Fernet(self._key())

    def _key(self) -> bytes:
        try:
            # Exclusive, so that of two processes starting together one makes the key and the other reads it.
            handle = os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self._key_file.read_bytes().strip()
        with os.fdopen(handle, "wb") as file:
            key = Fernet.generate_key()
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return key

    def seal(self, secret: str) -> bytes:
        """Encrypt."""
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt. Raises SecretUnreadable."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise SecretUnreadable(f"a stored secret does not fit the key in {self._key_file}") from error


def fresh_token(prefix: str) -> str:
    """A new random token of 256 bits; the prefix tells a person what it is for."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """What is stored of a token. Plain SHA-256 is enough: the token is random and long."""
    return hashlib.sha256(token.encode()).hexdigest()
