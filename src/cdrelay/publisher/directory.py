"""Partners, their customer organizations and the relations between them, in the control database.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from cdrelay.clock import Clock
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.control.database import Database
from cdrelay.control.tables import organizations, partners, relations
from cdrelay.publisher.credentials import Credentials
from cdrelay.publisher.errors import (
    NameRefused,
    OrganizationIdRefused,
    OrganizationUnknown,
    PartnerExists,
    PartnerUnknown,
)
from cdrelay.publisher.parties import Organization, Partner, RelationKind

_LONGEST_NAME = 200


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
            raise PartnerExists(f"there is a partner {partner.name!r} already") from error
        return partner

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
        self, org_id: str, name: str = "", partner_id: str | None = None, starts_at: datetime | None = None
    ) -> Organization:
        """A customer organization, id plain or encoded; again with a name renames it. With a partner, assign it too.

        Raises OrganizationIdRefused, NameRefused, PartnerUnknown.
        """
        org_uuid = _org_uuid(org_id)
        with self._database.write() as connection:
            there = connection.execute(
                select(organizations.c.name).where(organizations.c.org_uuid == org_uuid)
            ).one_or_none()
            if there is None:
                values = {
                    "org_uuid": org_uuid,
                    "name": _fit_name(name or org_uuid),
                    "region": "",
                    "created_at": self._clock.now(),
                }
                connection.execute(insert(organizations).values(values))
            elif name and name != there.name:
                renamed = update(organizations).where(organizations.c.org_uuid == org_uuid)
                connection.execute(renamed.values(name=_fit_name(name)))
            if partner_id is not None:
                self._relate(connection, partner_id, org_uuid, "managed", starts_at)
        return self.organization(org_uuid)

    def assign(
        self, org_id: str, partner_id: str, kind: RelationKind = "managed", starts_at: datetime | None = None
    ) -> None:
        """The partner has a calling relationship with the organization from `starts_at`, or else from now on.

        While one of that kind is in force, it stays as it is. Raises OrganizationIdRefused, OrganizationUnknown,
        PartnerUnknown.
        """
        org_uuid = self.organization(org_id).org_uuid
        with self._database.write() as connection:
            self._relate(connection, partner_id, org_uuid, kind, starts_at)

    def _relate(
        self, connection: Connection, partner_id: str, org_uuid: str, kind: RelationKind, starts_at: datetime | None
    ) -> None:
        _require_partner(connection, partner_id)
        now = self._clock.now()
        this = (relations.c.partner_id == partner_id) & (relations.c.org_uuid == org_uuid) & (relations.c.kind == kind)
        lasting = relations.c.ends_at.is_(None) | (relations.c.ends_at > now)
        if connection.execute(select(relations.c.id).where(this, lasting)).first() is None:
            values = {"id": str(uuid4()), "partner_id": partner_id, "org_uuid": org_uuid, "kind": kind}
            connection.execute(insert(relations).values(values | {"starts_at": starts_at or now}))

    def organization(self, org_id: str) -> Organization:
        """The one with that id, plain or encoded. Raises OrganizationIdRefused, OrganizationUnknown."""
        org_uuid = _org_uuid(org_id)
        found = self._organizations(org_uuid)
        if not found:
            raise OrganizationUnknown(org_uuid)
        return found[0]

    def organizations(self) -> list[Organization]:
        """All, by id."""
        return self._organizations(None)

    def _organizations(self, org_uuid: str | None) -> list[Organization]:
        now = self._clock.now()
        in_force = (relations.c.starts_at <= now) & (relations.c.ends_at.is_(None) | (relations.c.ends_at > now))
        joined = (relations.c.org_uuid == organizations.c.org_uuid) & in_force
        query = select(organizations, relations.c.partner_id).join(relations, joined, isouter=True)
        if org_uuid is not None:
            query = query.where(organizations.c.org_uuid == org_uuid)
        found: dict[str, Organization] = {}
        with self._database.read() as connection:
            for row in connection.execute(query.order_by(organizations.c.org_uuid, relations.c.partner_id)):
                before = found[row.org_uuid].partner_ids if row.org_uuid in found else ()
                now_too = () if row.partner_id is None or row.partner_id in before else (row.partner_id,)
                found[row.org_uuid] = Organization(
                    row.org_uuid, row.name, row.created_at, (*before, *now_too), row.region
                )
        return list(found.values())

    # --- who asks ---

    def partner_for_token(self, token: str) -> Partner | None:
        """Whose access token it is; None when it is unknown, expired or revoked."""
        partner_id = self.credentials.partner_id_for_token(token)
        return None if partner_id is None else self.partner(partner_id)

    def intake_key_valid(self, key: str) -> bool:
        """Whether the key lets a calling platform hand in records."""
        return self.credentials.intake_key_valid(key)


def _fit_name(name: str) -> str:
    fitted = name.strip()
    if not fitted or len(fitted) > _LONGEST_NAME or not fitted.isprintable():
        raise NameRefused(f"a name has 1 to {_LONGEST_NAME} printable characters")
    return fitted


def _org_uuid(org_id: str) -> str:
    try:
        return organization_uuid(org_id)
    except ValueError as error:
        raise OrganizationIdRefused(str(error)) from error


def _require_partner(connection: Connection, partner_id: str) -> None:
    if connection.execute(select(partners.c.id).where(partners.c.id == partner_id)).one_or_none() is None:
        raise PartnerUnknown(partner_id)


def _partner(row: Row[tuple[object, ...]]) -> Partner:
    return Partner(row.id, row.name, row.created_at)
