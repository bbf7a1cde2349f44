"""Organization ids: bare UUIDs in records and partner endpoints, base64 of a path elsewhere (FACTS 6)."""

import base64
import binascii
import re

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def organization_uuid(text: str) -> str:
    """The lower-case dashed UUID that `text` names, plain or encoded. Raises ValueError when it names none."""
    plain = text.strip().lower()
    if _UUID.fullmatch(plain):
        return plain
    try:
        padded = text.strip() + "=" * (-len(text.strip()) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        decoded = ""
    # Only the last part of the path counts; the region before it must not be relied on.
    last = decoded.rsplit("/", 1)[-1].lower()
    if not _UUID.fullmatch(last):
        raise ValueError(f"{text[:100]!r} is neither a UUID nor an encoded organization id")
    return last


def encoded_organization_id(uuid: str) -> str:
    """The form generic developer APIs use: base64 of `ciscospark://us/ORGANIZATION/<uuid>` without padding."""
    path = f"ciscospark://us/ORGANIZATION/{organization_uuid(uuid)}"
    return base64.b64encode(path.encode()).decode().rstrip("=")
