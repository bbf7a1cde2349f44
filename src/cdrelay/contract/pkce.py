"""Proof Key for Code Exchange (RFC 7636): who redeems a code is who asked for it."""

import base64
import hashlib
import re

_TEXT = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


def is_pkce_text(text: str) -> bool:
    """Whether it has the form of a verifier or challenge: 43 to 128 unreserved characters (sections 4.1, 4.2)."""
    return _TEXT.fullmatch(text) is not None


def s256_challenge(verifier: str) -> str:
    """The challenge of method S256 that belongs to a verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
