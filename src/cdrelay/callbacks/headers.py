"""What a POST to a callback says of itself, and its signature."""

from cdrelay import __version__
from cdrelay.contract.signature import SHA256_HEADER, SIGNATURE_HEADER, sign, sign_sha256


def signature_headers(secret: str | None, body: bytes, *, sha256: bool) -> dict[str, str]:
    """The signature over the raw body, none without a secret (FACTS 1.4); with `sha256` the second one beside it."""
    if secret is None:
        return {}
    headers = {SIGNATURE_HEADER: sign(secret, body)}
    return headers | {SHA256_HEADER: sign_sha256(secret, body)} if sha256 else headers


def common_headers(body: bytes) -> dict[str, str]:
    """What every POST says of itself."""
    return {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": f"cdrelay/{__version__}",
    }
