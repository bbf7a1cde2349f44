"""Where callbacks may lead: to https URLs, and to addresses of the public internet.

A URL is checked when it is set and again when it is sent to. An address is checked where it is used, on the socket
about to connect, so that neither a name that resolves differently the second time nor an address in the URL itself
gets past (TRAPS 18).
"""

import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from cdrelay.callbacks.interim import BoundedConnector
from cdrelay.errors import CdrelayError

_LONGEST_URL = 2000
_LONGEST_LABEL = 63
"""Of one part of a host's name (RFC 1035 2.3.4)."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class CallbackRefused(CdrelayError):
    """A callback URL or address that nothing is sent to; the message says why."""


class AddressRefused(PermissionError):
    """An address that no delivery connects to. An OSError, so that the connector takes it for a failed connection."""


def require_callback_url(url: str, *, allow_http: bool, called: str = "the callback URL") -> None:
    """Raise CallbackRefused unless `url`, of which people are told as `called`, is one that may be sent to."""
    if len(url) > _LONGEST_URL or not url.isascii() or any(sign.isspace() or not sign.isprintable() for sign in url):
        raise CallbackRefused(f"{called} must have at most {_LONGEST_URL} characters, all ASCII, without spaces")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise CallbackRefused(f"{called} makes no sense: {error}") from error
    if port == 0:
        raise CallbackRefused(f"{called} has port 0, to which nobody listens; a port is 1 to 65535")
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_http):
        raise CallbackRefused(f"{called} must begin with https://")
    if not host:
        raise CallbackRefused(f"{called} names no host")
    if not _may_be_looked_up(host):
        raise CallbackRefused(f"{called} names no host that can be: each part of a name has 1 to 63 characters")
    if parts.username is not None or parts.password is not None:
        raise CallbackRefused(f"{called} must hold no user name or password; use a secret to sign deliveries")


def _may_be_looked_up(host: str) -> bool:
    # What is longer, or empty between two dots, no look-up takes: it raises instead of finding nothing.
    return all(1 <= len(part) <= _LONGEST_LABEL for part in host.removesuffix(".").split("."))


def why_not(address: str) -> str | None:
    """Why no delivery connects to the IP `address`; None when it is one of the public internet."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return "is no IP address"
    for inner in _carried(ip):
        if reason := _why_not(inner):
            return reason if inner == ip else f"leads to {inner}, which {reason}"
    return None


def _carried(ip: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, and before it the IPv4 address that it carries, if any: the one really reached."""
    if isinstance(ip, IPv4Address):
        return [ip]
    carried = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if ip in _NAT64:
        carried = IPv4Address(int(ip) & 0xFFFF_FFFF)
    if ip.ipv4_mapped and carried:
        return [carried]  # the mapped form is the IPv4 address, only written differently
    return [carried, ip] if carried else [ip]


def _why_not(ip: IPv4Address | IPv6Address) -> str | None:
    kinds = {
        "is loopback": ip.is_loopback,
        "is link-local": ip.is_link_local,
        "is multicast": ip.is_multicast,
        "is unspecified": ip.is_unspecified,
        "is private": ip.is_private,
        # NAT64 lies in the reserved part of IPv6, yet leads to the public internet.
        "is reserved": ip.is_reserved and ip not in _NAT64,
        "is not of the public internet": not ip.is_global or (ip.version == 6 and not _may_be_global(ip)),
    }
    return next((reason for reason, applies in kinds.items() if applies), None)


def _may_be_global(ip: IPv4Address | IPv6Address) -> bool:
    # Whatever else of IPv6 is set aside some day, or was (site-local), lies outside of these.
    return ip in _GLOBAL_UNICAST or ip in _NAT64


def guarded_connector(
    *, allow_private: bool, resolver: AbstractResolver | None = None, trust: ssl.SSLContext
) -> aiohttp.TCPConnector:
    """A connector that verifies TLS by `trust` and opens sockets to public addresses only, unless `allow_private`.

    Connections are not kept: between two windows none would live that long, and one that the callback is just closing
    would cost a failed attempt. Names are looked up for every connection.
    """

    def open_socket(address: tuple[object, ...]) -> socket.socket:
        family, kind, protocol, _name, where = address
        ip = str(where[0])  # type: ignore[index]
        if not allow_private and (reason := why_not(ip)):
            raise AddressRefused(f"the callback's address {ip} {reason}")
        return socket.socket(family, kind, protocol)  # type: ignore[arg-type]

    return BoundedConnector(
        socket_factory=open_socket,
        resolver=resolver,
        ssl=trust,
        use_dns_cache=False,
        force_close=True,
        limit=0,
    )
