"""Which addresses a partner access token may be sent to: hosts of the provider, and no others. Pure."""

import ipaddress
import re
from urllib.parse import SplitResult, urljoin, urlsplit

from cdrelay.errors import CdrelayError

PROVIDER_SUFFIX = "webexapis.com"
"""All regional hosts of the provider are under it (FACTS 3.4)."""

_HOST = re.compile(
    r"(?<![\w.@-])((?:[a-z0-9-]+\.)+[a-z0-9-]+)(?::(\d{1,5}))?(?![\w.@-]*[\w@-])", re.ASCII | re.IGNORECASE
)


class AddressRefused(CdrelayError):
    """An address that a token is not sent to; the message says why."""


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its name or number; nothing is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_base(api: str) -> str:
    """The base address as it is kept: scheme and host, to which `/v1/partners/…` is added.

    The path of the seed's examples is taken off, so that both spellings work. Raises AddressRefused unless it is https,
    or http to this machine: the token must not travel in the open.
    """
    parts = split_address(api.strip())
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AddressRefused(
            "the api address must look like https://analytics.webexapis.com, its port, if any, of 1 to 65535"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise AddressRefused("the api address has no user, query or fragment; the token is given by itself")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise AddressRefused(
            "the api address must be https, because the token is sent there; only loopback may be http"
        )
    path = parts.path.rstrip("/").removesuffix("/partners").removesuffix("/v1")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def checked_address(address: str, what: str) -> str:
    """An address that secrets are sent to, as it is given. Raises AddressRefused unless it is https, or this machine.

    `what` says in the message what it is the address of.
    """
    parts = split_address(address.strip())
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise AddressRefused(
            f"the address of {what} must look like https://webexapis.com/v1/…, its port, if any, of 1 to 65535"
        )
    if parts.username or parts.password or parts.fragment:
        raise AddressRefused(f"the address of {what} has no user and no fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise AddressRefused(
            f"the address of {what} must be https, because secrets go there; only loopback may be http"
        )
    return parts.geturl()


def split_address(address: str) -> SplitResult | None:
    """The parts of an address; None where it makes no sense, or its port is none from 1 to 65535."""
    if not address.isprintable():
        return None
    try:
        parts = urlsplit(address)
        port = parts.port  # computed late, and raises for a port that is none
    except ValueError:
        return None
    return None if port == 0 else parts


def _next(asked: str, link: str) -> SplitResult | None:
    try:
        return split_address(urljoin(asked, link))
    except ValueError:  # such as a bracket without its other half
        return None


def _trusted(host: str, base: SplitResult) -> bool:
    host = host.lower()
    return host in {base.hostname, PROVIDER_SUFFIX} or host.endswith(f".{PROVIDER_SUFFIX}")


def redirected_base(message: str, base: str) -> str | None:
    """The base address that a 451 sends us to, from either wording of its message (FACTS 3.3); None when there is none.

    `Please use <host>` and `URL: https://<host>/…` are known; the first host that may have the token is taken: one
    under the provider's suffix, over https, or the host of `base` itself, on whatever port.
    """
    here = urlsplit(base)
    for match in _HOST.finditer(message):
        host, port = match[1].lower(), match[2]
        if not _trusted(host, here):
            continue
        if host == here.hostname:
            found = f"{here.scheme}://{host}{f':{port}' if port else ''}{here.path}"
        elif port in (None, "443"):
            found = f"https://{host}"
        else:
            continue
        if found != base:
            return found
    return None


def next_page(link: str | None, asked: str) -> str | None:
    """The address of the next page from a `Link` header of the answer to `asked`; None when there is none.

    The malformed sample of the documentation (doubled `<`, quote outside; FACTS 3.2) is read too. Raises
    AddressRefused when it leads to a host that may not have the token.
    """
    for match in re.finditer(r"<+\s*([^<>\s]+)\s*>+\s*([^<]*)", link or ""):
        if re.search(r'rel\s*=\s*"?\s*next\b', match[2], re.IGNORECASE):
            target, here = _next(asked, match[1]), urlsplit(asked)
            if target is None or target.scheme != here.scheme or not _trusted(target.hostname or "", here):
                raise AddressRefused("the next page is said to be on another host; the token is not sent there")
            if "@" in target.netloc:
                raise AddressRefused("the address of the next page has a user in it; it is not asked for")
            return target.geturl()
    return None
