"""The signature of a delivery: lower-case hex HMAC of the raw body, keyed with the secret (FACTS 1.4).

`X-Spark-Signature` is HMAC-SHA1 and always there when there is a secret. `X-Webex-Signature` is HMAC-SHA256, bare, as
third-party listeners read it; no page of the provider confirms it.
"""

import hmac
import re
from collections.abc import Sequence
from typing import Literal

SIGNATURE_HEADER = "X-Spark-Signature"
SHA256_HEADER = "X-Webex-Signature"

Digest = Literal["sha1", "sha256"]

_SHA256 = re.compile(r"(?:^|[\s,;])(?:sha256=)?([0-9a-f]{64})(?:[\s,;]|$)", re.ASCII | re.IGNORECASE)


def sign(secret: str, body: bytes) -> str:
    """The value of `X-Spark-Signature` for `body`: 40 lower-case hex digits."""
    return hmac.new(secret.encode(), body, "sha1").hexdigest()


def sign_sha256(secret: str, body: bytes) -> str:
    """The value of `X-Webex-Signature` for `body`: 64 lower-case hex digits."""
    return hmac.new(secret.encode(), body, "sha256").hexdigest()


def read_sha256(header: str | None) -> str | None:
    """The HMAC-SHA256 in a value of `X-Webex-Signature`: bare, or as `sha256=…` among others (FACTS 1.4).

    None where there is no such thing: as no page of the provider says what the header holds, another form of it is
    taken for none, and not for a forgery.
    """
    found = _SHA256.search(header or "")
    return found[1] if found else None


class Verifier:
    """Takes a body piece by piece and then says whether a signature fits one of the valid secrets.

    Two secrets are valid during a rotation. Without secrets nothing is verified and every body passes: the provider
    then sends no header (FACTS 1.4).
    """

    def __init__(self, secrets: Sequence[str], digest: Digest = "sha1") -> None:
        self._macs = [hmac.new(secret.encode(), digestmod=digest) for secret in secrets]

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next piece of the raw body."""
        for mac in self._macs:
            mac.update(piece)

    def accepts(self, signature: str | None) -> bool:
        """Whether the header's value fits. Compares in constant time; upper-case hex is the same number and passes."""
        if not self._macs:
            return True
        given = (signature or "").strip().lower().encode("utf-8", "replace")
        # All are compared before any is looked at, so that the time taken does not tell which secret fitted.
        fits = [hmac.compare_digest(mac.hexdigest().encode(), given) for mac in self._macs]
        return any(fits)


def verify(secrets: Sequence[str], body: bytes, signature: str | None, digest: Digest = "sha1") -> bool:
    """Whether `signature` fits `body` under one of `secrets`."""
    verifier = Verifier(secrets, digest)
    verifier.update(body)
    return verifier.accepts(signature)
