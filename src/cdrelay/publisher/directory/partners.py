"""Partners, their customer organizations and the relations between them, in the control database.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

import re
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from cdrelay.clock import Clock
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.control.database import Database
from cdrelay.control.tables import organizations, partners, relations
from cdrelay.publisher.access.credentials import Credentials
from cdrelay.publisher.directory.relations import relate
from cdrelay.publisher.directory.spans import in_force_at
from cdrelay.publisher.errors import (
    EntryRefused,
    NameRefused,
    OrganizationIdRefused,
    OrganizationUnknown,
    PartnerExists,
    PartnerUnknown,
)
from cdrelay.publisher.parties import Organization, Partner, RelationKind

LONGEST_NAME = 200
# Characters that cannot be seen, or that change how others are shown: nobody could tell two such names apart.
_UNSEEN = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
NAME_PATTERN = rf"^[^\s{_UNSEEN}]([^{_UNSEEN}]*[^\s{_UNSEEN}])?$"
"""Names of partners, organizations and people: no blanks around them, nothing unseen in them."""
REGION_PATTERN = r"^([a-z0-9][a-z0-9-]{0,15})?$"
"""A region of the provider, as its settings call it; or nothing."""


class Directory:
    """Who is who. `credentials` holds the partners' access tokens and the intake keys."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.credentials = Credentials(database, clock)

    # --- partners ---

    def add_partner(self, name: str, partner_id: str | None = None) -> Partner:
        """A new partner. Raises NameRefused, and PartnerExists when the name or id is taken."""
        partner = Partner(partner_id or str(uuid4()), _fit_name(name), self._clock.now())
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(partners).values(id=partner.id, name=partner.name, created_at=partner.created_at)
                )
        except IntegrityError as error:
            raise PartnerExists(f"there is a partner {partner.name!r} already, or one of that id") from error
        return partner

    def rename_partner(self, partner_id: str, name: str) -> Partner:
        """Raises PartnerUnknown, NameRefused, and PartnerExists when the name is another's."""
        renamed = update(partners).where(partners.c.id == partner_id).values(name=_fit_name(name))
        try:
            with self._database.write() as connection:
                if not connection.execute(renamed).rowcount:
                    raise PartnerUnknown(partner_id)
        except IntegrityError as error:
            raise PartnerExists(f"there is a partner {name!r} already") from error
        return self.partner(partner_id)

    def partners(self) -> list[Partner]:
        """All, by name."""
        with self._database.read() as connection:
            return [_partner(row) for row in connection.execute(select(partners).order_by(partners.c.name))]

    def partner(self, id_or_name: str) -> Partner:
        """The one with that id or, failing that, that name. Raises PartnerUnknown."""
        either = (partners.c.id == id_or_name) | (partners.c.name == id_or_name)
        with self._database.read() as connection:
            found = [_partner(row) for row in connection.execute(select(partners).where(either))]
        if not found:
            raise PartnerUnknown(id_or_name)
        # A name may look like another partner's id; the id is meant then.
        return next((partner for partner in found if partner.id == id_or_name), found[0])

    # --- organizations ---

    def add_organization(
        self,
        org_id: str,
        name: str = "",
        partner_id: str | None = None,
        starts_at: datetime | None = None,
        *,
        region: str | None = None,
    ) -> Organization:
        """A customer organization, id plain or encoded; again with a name or region changes that.

        With a partner, a relation of the two begins too, as in `assign`. Raises OrganizationIdRefused, NameRefused,
        EntryRefused for the region, PartnerUnknown, EntryConflicts.
        """
        org_uuid = _org_uuid(org_id)
        given = {"name": _fit_name(name)} if name else {}
        if region is not None:
            given["region"] = _fit_region(region)
        with self._database.write() as connection:
            this = organizations.c.org_uuid == org_uuid
            if connection.execute(select(organizations.c.org_uuid).where(this)).first() is None:
                values = {"org_uuid": org_uuid, "name": org_uuid, "region": "", "created_at": self._clock.now()}
                connection.execute(insert(organizations).values(values | given))
            elif given:
                connection.execute(update(organizations).where(this).values(given))
            if partner_id is not None:
                relate(connection, partner_id, org_uuid, "managed", starts_at, self._clock.now())
        return self.organization(org_uuid)

    def assign(
        self, org_id: str, partner_id: str, kind: RelationKind = "managed", starts_at: datetime | None = None
    ) -> None:
        """The partner has a calling relationship with the organization from `starts_at`, or else all along.

        While one of that kind is in force, it stays as it is. Raises OrganizationIdRefused, OrganizationUnknown,
        PartnerUnknown, EntryConflicts.
        """
        org_uuid = self.organization(org_id).org_uuid
        with self._database.write() as connection:
            relate(connection, partner_id, org_uuid, kind, starts_at, self._clock.now())

    def organization(self, org_id: str) -> Organization:
        """The one with that id, plain or encoded. Raises OrganizationIdRefused, OrganizationUnknown."""
        org_uuid = _org_uuid(org_id)
        found = self._organizations(select(organizations).where(organizations.c.org_uuid == org_uuid))
        if not found:
            raise OrganizationUnknown(org_uuid)
        return found[0]

    def organizations(self, *, after: str | None = None, limit: int | None = None) -> list[Organization]:
        """All, by id; or so many of them `after` that id."""
        query = select(organizations).order_by(organizations.c.org_uuid).limit(limit)
        return self._organizations(query if after is None else query.where(organizations.c.org_uuid > after))

    def organizations_outside(self, region: str) -> set[str]:
        """The ids of those that belong to another region; one without a region belongs to every one."""
        query = select(organizations.c.org_uuid).where(organizations.c.region.not_in(("", region)))
        with self._database.read() as connection:
            return set(connection.scalars(query))

    def _organizations(self, wanted: Select[Any]) -> list[Organization]:
        now = self._clock.now()
        these = wanted.subquery()
        joined = (relations.c.org_uuid == these.c.org_uuid) & in_force_at(relations, now)
        query = select(these, relations.c.partner_id).join(relations, joined, isouter=True)
        found: dict[str, Organization] = {}
        with self._database.read() as connection:
            for row in connection.execute(query.order_by(these.c.org_uuid, relations.c.partner_id)):
                before = found[row.org_uuid].partner_ids if row.org_uuid in found else ()
                now_too = () if row.partner_id is None or row.partner_id in before else (row.partner_id,)
                found[row.org_uuid] = Organization(
                    row.org_uuid, row.name, row.created_at, (*before, *now_too), row.region
                )
        return list(found.values())

    # --- who asks ---

    def partner_for_token(self, token: str) -> Partner | None:
        """Whose access token it is; None when it is unknown, expired or revoked."""
        holder = self.credentials.holder_of(token)
        return None if holder is None else self.partner(holder.partner_id)

    def intake_key_valid(self, key: str) -> bool:
        """Whether the key lets a calling platform hand in records."""
        return self.credentials.intake_key_valid(key)


def _fit_name(name: str) -> str:
    fitted = name.strip()
    if len(fitted) > LONGEST_NAME or not re.fullmatch(NAME_PATTERN, fitted):
        raise NameRefused(f"a name has 1 to {LONGEST_NAME} characters that can be seen, on one line")
    return fitted


def _fit_region(region: str) -> str:
    if not re.fullmatch(REGION_PATTERN, region):
        raise EntryRefused("region", "must be empty, or 1 to 16 of a-z, 0-9 and -")
    return region


def _org_uuid(org_id: str) -> str:
    try:
        return organization_uuid(org_id)
    except ValueError as error:
        raise OrganizationIdRefused(str(error)) from error


def _partner(row: Row[tuple[object, ...]]) -> Partner:
    return Partner(row.id, row.name, row.created_at)
