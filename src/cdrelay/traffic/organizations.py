"""The customer organizations whose calls are invented: the same ones for the same seed, byte for byte."""

from dataclasses import dataclass
from random import Random
from typing import TypeVar

from cdrelay.traffic import invention
from cdrelay.traffic.invention import City, Device

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Site:
    """A location of an organization."""

    uuid: str
    name: str
    city: City
    main_number: str
    elin: str
    """The number an emergency call from here shows, so that help finds the room."""
    trunk: str
    """The trunk that carries its outside calls; empty where a PSTN provider in the cloud does."""
    address: str
    """Public IP address, or how a gap is written here: `NA` or nothing."""


@dataclass(frozen=True, slots=True)
class Party:
    """Whatever owns records: a user, a workspace, a service, a trunk's gateway."""

    uuid: str
    name: str
    user_type: str
    """As records name it: User, Place, HuntGroup, CallCenterStandard, AutomatedAttendantVideo, LocalGateway."""
    number: str
    """E.164; empty for those with an extension only."""
    extension: str
    department: str
    shows_main_number: bool
    """Whether it presents its site's main number outside instead of its own."""
    site: Site
    device: Device
    mac: str


@dataclass(frozen=True, slots=True)
class Team:
    """A service that rings several users: a hunt group or a call queue."""

    service: Party
    agents: tuple[Party, ...]
    queue_type: str = ""
    """Call Queue or Customer Assist; empty for a hunt group."""


@dataclass(frozen=True, slots=True)
class Organization:
    """One customer of the partner."""

    uuid: str
    name: str
    customer_id: str
    """The partner's own reference for it, sent as External customer ID."""
    sites: tuple[Site, ...]
    users: tuple[Party, ...]
    workspaces: tuple[Party, ...]
    hunt_groups: tuple[Team, ...]
    queues: tuple[Team, ...]
    attendant: Party
    trunks: tuple[Party, ...]


def build_organizations(seed: int, count: int) -> tuple[Organization, ...]:
    """The first `count` organizations of that seed; a larger count leaves the earlier ones as they were."""
    return tuple(_Builder(Random(f"{seed}/organization/{index}"), index).build() for index in range(count))


class _Builder:
    """Draws one organization. Extensions and numbers are handed out once, so none is given to two parties."""

    def __init__(self, rng: Random, index: int) -> None:
        self._rng = rng
        self._index = index
        self._uuid = invention.uuid(rng)
        self._departments = tuple(invention.uuid(rng) for _ in range(3))
        self._next_extension = 1000
        self._areas: set[str] = set()
        self._spare_numbers: dict[str, list[str]] = {}

    def build(self) -> Organization:
        rng = self._rng
        # Most customers are small and few are large, as customers are.
        size = 8 + int(60 * rng.random() ** 3)
        sites = self._sites(1 + min(3, size // 15))
        users = tuple(self._user(sites) for _ in range(size))
        place, trade = _one(rng, invention.PLACES), _one(rng, invention.TRADES)
        return Organization(
            uuid=self._uuid,
            name=f"{place} {trade} {self._index + 1}",
            customer_id=f"CUST-{self._index + 1:04d}",
            sites=sites,
            users=users,
            workspaces=tuple(self._workspace(sites) for _ in range(1 + size // 10)),
            hunt_groups=tuple(self._hunt_group(name, sites, users) for name in invention.HUNT_GROUPS[: 1 + size // 25]),
            queues=tuple(self._queue(name, sites, users) for name in invention.QUEUES[: 1 + size // 20]),
            attendant=self._service("Welcome", "AutomatedAttendantVideo", sites[0]),
            trunks=tuple(self._trunk(site) for site in sites if site.trunk),
        )

    def _sites(self, count: int) -> tuple[Site, ...]:
        cities = self._rng.sample(invention.CITIES, count)
        # The first site always has a trunk: calls to hunt groups, queues and the attendant come in through it.
        return tuple(self._site(city, has_trunk=not at or self._rng.random() < 0.4) for at, city in enumerate(cities))

    def _site(self, city: City, *, has_trunk: bool) -> Site:
        rng = self._rng
        area = invention.area(city.country, rng)
        while area in self._areas:
            area = invention.area(city.country, rng)
        self._areas.add(area)
        uuid = invention.uuid(rng)
        main, elin, *rest = [f"{area}{digits:02d}" for digits in range(100)]
        self._spare_numbers[uuid] = rest
        return Site(
            uuid=uuid,
            name=city.name,
            city=city,
            main_number=main,
            elin=elin,
            trunk=f"{city.name} Trunk" if has_trunk else "",
            address=invention.address(rng),
        )

    def _party(self, name: str, user_type: str, site: Site, device: Device, *, numbered: bool, person: bool) -> Party:
        rng = self._rng
        self._next_extension += 1
        return Party(
            uuid=invention.uuid(rng),
            name=name,
            user_type=user_type,
            number=self._spare_numbers[site.uuid].pop(0) if numbered else "",
            extension=str(self._next_extension),
            department=_one(rng, self._departments) if person else "",
            shows_main_number=person and rng.random() < 0.2,
            site=site,
            device=device,
            # The second bit marks a MAC as locally administered: nobody's product.
            mac=f"02{rng.getrandbits(40):010X}" if device.has_mac else "",
        )

    def _user(self, sites: tuple[Site, ...]) -> Party:
        rng = self._rng
        name = f"{_one(rng, invention.FIRST_NAMES)} {_one(rng, invention.LAST_NAMES)}"
        numbered = rng.random() < 0.8
        device = _one(rng, invention.DEVICES)
        return self._party(name, "User", _one(rng, sites), device, numbered=numbered, person=True)

    def _workspace(self, sites: tuple[Site, ...]) -> Party:
        room = _one(self._rng, invention.ROOMS)
        site = _one(self._rng, sites)
        return self._party(room, "Place", site, invention.ROOM_DEVICE, numbered=True, person=False)

    def _service(self, name: str, user_type: str, site: Site) -> Party:
        return self._party(name, user_type, site, invention.SERVICE_DEVICE, numbered=True, person=False)

    def _hunt_group(self, name: str, sites: tuple[Site, ...], users: tuple[Party, ...]) -> Team:
        return Team(self._service(name, "HuntGroup", sites[0]), self._agents(users))

    def _queue(self, name: str, sites: tuple[Site, ...], users: tuple[Party, ...]) -> Team:
        queue_type = "Customer Assist" if self._rng.random() < 0.3 else "Call Queue"
        return Team(self._service(name, "CallCenterStandard", sites[0]), self._agents(users), queue_type)

    def _agents(self, users: tuple[Party, ...]) -> tuple[Party, ...]:
        return tuple(self._rng.sample(users, 4 + int(self._rng.random() * 4)))

    def _trunk(self, site: Site) -> Party:
        return self._party(site.trunk, "LocalGateway", site, invention.GATEWAY_DEVICE, numbered=False, person=False)


def _one(rng: Random, choices: tuple[_T, ...]) -> _T:
    return choices[int(rng.random() * len(choices))]
