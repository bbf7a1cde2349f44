"""Whose publisher holds an organization's records, and the words that send a client there (FACTS 3.3, 3.4). Pure.

A publisher of region `us` answers for organizations of `us` and for those without a region. Of others it says 451 with
the host that has them. A publisher without a region answers for all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from cdrelay.contract.addresses import split_address
from cdrelay.publisher.directory.partners import REGION_PATTERN
from cdrelay.publisher.errors import RegionRefused


@dataclass(frozen=True, slots=True)
class Regions:
    """This publisher's region and where those of others are."""

    own: str = ""
    """Empty: there are no regions."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Host, with the port where it is not that of https, by region."""

    @classmethod
    def read(cls, own: str, hosts: str) -> "Regions":
        """From the settings `region` and `region_hosts`, which is `eu=https://…,us=https://…`. Raises RegionRefused."""
        known = dict(_read_host(part) for part in hosts.split(",") if part.strip())
        return cls(read_region(own), known)

    def holds(self, region: str) -> bool:
        """Whether records of an organization of that region are here."""
        return not self.own or not region or region == self.own

    def directions(self, org_uuid: str, region: str) -> str:
        """The message of a 451. It ends in `Please use` and the host, which is what clients look for."""
        where = f"Please use {self.hosts[region]}" if region in self.hosts else "Its host is not known here"
        return f"organization {org_uuid} belongs to region {region}. {where}"


NO_REGIONS = Regions()


def read_region(text: str) -> str:
    """The name of a region, in lower case; empty means none. Raises RegionRefused."""
    name = text.strip().lower()
    if name and not re.match(REGION_PATTERN, name):
        raise RegionRefused(f"a region is up to 16 letters, digits and hyphens, such as eu; not {text[:50]!r}")
    return name


def _read_host(part: str) -> tuple[str, str]:
    name, _, address = part.partition("=")
    parts, region = split_address(address.strip()), read_region(name)
    host = None if parts is None else parts.hostname
    # Clients take the host alone and ask it over https (FACTS 3.3), so nothing else may be said here.
    if not region or parts is None or not host or parts.scheme != "https" or _more_than_host(parts):
        raise RegionRefused(
            f"region_hosts is eu=https://host,us=https://host; {part.strip()[:100]!r} is not of that form"
        )
    return region, host if parts.port in {None, 443} else f"{host}:{parts.port}"


def _more_than_host(parts: SplitResult) -> bool:
    return bool(parts.path.strip("/") or parts.query or parts.username)
