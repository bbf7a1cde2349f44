"""Parties as calls use them: with everything that never changes between their records encoded once."""

from dataclasses import dataclass
from uuid import NAMESPACE_DNS, uuid5

from cdrelay.traffic.invention import Country
from cdrelay.traffic.organizations import Organization, Party, Team
from cdrelay.traffic.wire import PARTY_FIELDS, PLAIN, PLAIN_NA, PSTN_FIELDS, Values, escaped, runs

_NO_TRUNKS: Values = {b"Inbound trunk": b"", b"Outbound trunk": b"", b"Route group": b""}
ON_NET: Values = {**_NO_TRUNKS, **runs(PSTN_FIELDS, {})}
"""What the fields of trunks and PSTN providers hold on a call that stays inside."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One party, encoded. All bytes stand as they are between the quotes of a JSON string."""

    country: Country
    is_workspace: bool
    uuid: bytes
    name: bytes
    number: bytes
    """What others see: the number, or the extension when there is none."""
    extension: bytes
    outside_number: bytes
    """What it shows outside."""
    elin: bytes
    address: bytes
    constant: Values
    """The runs of the fields that all its records share."""
    plain: bytes
    """The template of a record without marks."""
    inbound: Values
    """Fields of trunk and provider on a call from outside."""
    outbound: Values
    """The same on a call to outside."""


@dataclass(frozen=True, slots=True, eq=False)
class TeamLines:
    """A hunt group or call queue, encoded."""

    service: Line
    agents: tuple[Line, ...]
    queue_type: bytes


class Switchboard:
    """The lines of one organization."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self.users = tuple(self._line(user) for user in organization.users)
        self.people = self.users + tuple(self._line(workspace) for workspace in organization.workspaces)
        """Users and workspaces: whoever makes and takes calls."""
        by_uuid = dict(zip((user.uuid for user in organization.users), self.users, strict=True))
        self.hunt_groups = tuple(self._team(team, by_uuid) for team in organization.hunt_groups)
        self.queues = tuple(self._team(team, by_uuid) for team in organization.queues)
        self.attendant = self._line(organization.attendant)
        self.gateways = tuple(self._line(trunk) for trunk in organization.trunks)

    def _team(self, team: Team, by_uuid: dict[str, Line]) -> TeamLines:
        agents = tuple(by_uuid[agent.uuid] for agent in team.agents)
        return TeamLines(self._line(team.service), agents, escaped(team.queue_type))

    def _line(self, party: Party) -> Line:
        site = party.site
        inbound, outbound = _carriage(party)
        outside = site.main_number if party.shows_main_number else party.number or site.main_number
        return Line(
            country=site.city.country,
            is_workspace=party.user_type == "Place",
            uuid=party.uuid.encode(),
            name=escaped(party.name),
            number=escaped(party.number or party.extension),
            extension=escaped(party.extension),
            outside_number=escaped(outside),
            elin=escaped(site.elin),
            address=escaped(site.address),
            constant=runs(PARTY_FIELDS, self._constants(party)),
            plain=PLAIN_NA if site.address == "NA" else PLAIN,
            inbound=inbound,
            outbound=outbound,
        )

    def _constants(self, party: Party) -> dict[str, str]:
        site, device = party.site, party.device
        return {
            "Client type": device.client_type,
            "Client version": device.version,
            "Device MAC": party.mac,
            "Org UUID": self._organization.uuid,
            "OS type": device.os_type,
            "Site main number": site.main_number,
            "Site timezone": str(site.city.utc_minutes),
            "Sub client type": device.sub_client_type,
            "User UUID": party.uuid,
            "User type": party.user_type,
            "User": party.name,
            "Location": site.name,
            "Site UUID": site.uuid,
            "Department ID": party.department,
            "Model": device.model,
            "User number": party.number or party.extension,
            "External customer ID": self._organization.customer_id,
            "External caller ID number": site.main_number if party.shows_main_number else "",
        }


def _carriage(party: Party) -> tuple[Values, Values]:
    """What the fields of trunks and providers hold on calls from and to outside."""
    site = party.site
    if not site.trunk:
        provider = {
            "PSTN legal entity": "Invented Telephony Ltd",
            "PSTN vendor org ID": "0b43a1a8-2efd-4892-b301-e7a5a6d2c884",
            "PSTN vendor name": "Cisco Calling Plans",
            # One a country, the same for every customer there.
            "PSTN provider ID": str(uuid5(NAMESPACE_DNS, f"pstn.{site.city.country.code}.example")),
        }
        cloud = {**_NO_TRUNKS, **runs(PSTN_FIELDS, provider)}
        return cloud, cloud
    trunk, group = escaped(site.trunk), escaped(f"{site.city.name} Routes")
    return {**ON_NET, b"Inbound trunk": trunk}, {**ON_NET, b"Outbound trunk": trunk, b"Route group": group}
