"""What invented organizations are made of. No number here can ring anywhere and no address can be reached.

Numbers come from ranges set aside for fiction (+1 NPA 555 01xx, +44 1632 96xxxx, +49 30 23125 xxx), addresses from
the documentation ranges of RFC 5737.
"""

from dataclasses import dataclass
from random import Random
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Country:
    """A country calls are made from and to."""

    code: str
    """ISO 3166, two letters."""
    emergency: str
    outside_prefix: str
    """What a user there dials before a number abroad."""


@dataclass(frozen=True, slots=True)
class City:
    """A place a site can stand in."""

    name: str
    country: Country
    utc_minutes: int
    """Offset of the local clock from UTC; that of winter all year, since nothing here depends on the season."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a party calls with, as records name it."""

    client_type: str
    version: str = ""
    os_type: str = ""
    model: str = ""
    sub_client_type: str = ""
    has_mac: bool = False


US = Country("US", "911", "011")
GB = Country("GB", "999", "00")
DE = Country("DE", "112", "00")
COUNTRIES = (US, GB, DE)

CITIES = (
    City("Austin", US, -360),
    City("Boston", US, -300),
    City("Denver", US, -420),
    City("Portland", US, -480),
    City("Bristol", GB, 0),
    City("Leeds", GB, 0),
    City("Berlin Süd", DE, 60),
    City("Berlin Köpenick", DE, 60),
)

DEVICES = (
    Device("WXC_DEVICE", "12.0.5", "na", "8851-3PCC", has_mac=True),
    Device("WXC_DEVICE", "3.2.1", "na", "DP-9851", has_mac=True),
    Device("WXC_CLIENT", "45.8.0.32875", "windows"),
    Device("WXC_CLIENT", "45.8.0.32875", "mac"),
    Device("WXC_CLIENT", "45.7.1.30112", "ios"),
    Device("TEAMS_WXC_CLIENT", "45.6.0.31020", "windows"),
    Device("SIP", sub_client_type="MOBILE_NETWORK"),
    Device("WXC_THIRD_PARTY", os_type="na", has_mac=True),
)
ROOM_DEVICE = Device("WXC_DEVICE", "ce11.28.1", "na", "Room Bar", has_mac=True)
SERVICE_DEVICE = Device("SIP")
GATEWAY_DEVICE = Device("WXC_SIP_GW")

# Letters beyond ASCII, and one quote mark, so that encodings and escapes are exercised by every run.
FIRST_NAMES = (
    "Alice",
    "Zoë",
    "Tomás",
    "Priya",
    "Łukasz",
    "Ingrid",
    "José",
    "Mei",
    'Robert "Bob"',
    "Amara",
    "Jürgen",
    "娜",
)
LAST_NAMES = (
    "Reed",
    "Stone",
    "Núñez",
    "Müller",
    "Żak",
    "O'Neil",
    "Okafor",
    "Lindqvist",
    "Iyer",
    "李",
    "Garnier",
    "Holt",
)
TRADES = ("Bakery", "Logistics", "Dental", "Optics", "Timber", "Legal", "Motors", "Books", "Clinics", "Ævintýri Tours")
PLACES = ("Northfield", "Harbour", "Juniper", "Käferberg", "Silverlake", "Oakridge", "Bluewater", "Fjord", "Elm Street")
ROOMS = ("Lobby", "Board Room", "Küche", "Workshop", "Reception")
QUEUES = ("Support", "Sales", "Orders")
HUNT_GROUPS = ("Front Desk", "Service Téléphone", "Dispatch")


def uuid(rng: Random) -> str:
    """A version-4 UUID out of `rng`."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def area(country: Country, rng: Random) -> str:
    """The part of a site's numbers before their last two digits; every area has 100 numbers."""
    if country is US:
        return f"+1{201 + int(rng.random() * 700)}55501"
    if country is GB:
        return f"+44163296{int(rng.random() * 100):02d}"
    return f"+493023125{int(rng.random() * 10)}"


def outside_number(country: Country, rng: Random) -> str:
    """The number of somebody outside, in E.164."""
    return f"{area(country, rng)}{int(rng.random() * 100):02d}"


def address(rng: Random) -> str:
    """A public address of a site: mostly none, and then written in either way that captured records do."""
    chance = rng.random()
    if chance < 0.1:
        return f"198.51.100.{1 + int(chance * 2000)}"
    return "NA" if chance < 0.7 else ""
