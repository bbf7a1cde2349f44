"""Where a request comes from, as far as whoever sends it cannot change that at will. Pure."""

from ipaddress import IPv6Address, ip_address, ip_network


def network_of(host: str) -> str:
    """What one who tries again and again cannot change at will: an IPv4 address, or 64 bits of an IPv6 address."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address.packed[:8] + bytes(8), 64)))
    return host
