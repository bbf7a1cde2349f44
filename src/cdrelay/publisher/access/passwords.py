"""Passwords as argon2id hashes, hashed anew when the parameters have changed. Safe to use from any thread."""

from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cdrelay.control.secrets_at_rest import fresh_token
from cdrelay.publisher.errors import PasswordRefused

SHORTEST_PASSWORD = 12
_LONGEST_PASSWORD = 1_000
_AT_ONCE = 4
"""Passwords that are hashed at the same time: each takes 64 MiB."""


class Passwords:
    """Hashes and compares. All methods block."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """`hasher` says what a hash costs; a test may use a cheap one."""
        self._hasher = hasher or PasswordHasher()
        self._hashing = BoundedSemaphore(_AT_ONCE)
        self._decoy: str | None = None

    def hash(self, password: str) -> str:
        """What is stored of a new password. Raises PasswordRefused."""
        if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
            raise PasswordRefused(f"password: must have {SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters")
        return self._hashed(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether that is what is stored; with nothing stored it takes as long to say no."""
        if self._decoy is None:
            self._decoy = self._hashed(fresh_token("decoy"))
        try:
            with self._hashing:
                # One character more than the longest: what is cut off cannot have been the same.
                self._hasher.verify(stored or self._decoy, password[: _LONGEST_PASSWORD + 1])
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    def renewed(self, stored: str, password: str) -> str:
        """What is stored of a password that matches: as before, or hashed anew where the parameters have changed."""
        return self._hashed(password) if self._hasher.check_needs_rehash(stored) else stored

    def _hashed(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(password)
