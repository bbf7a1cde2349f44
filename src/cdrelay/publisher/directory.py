"""Partners, their customer organizations and their webhooks, in the control database.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from cdrelay.clock import Clock
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import SecretBox
from cdrelay.control.tables import organizations, partners, relations, webhooks
from cdrelay.publisher.callback_guard import require_callback_url
from cdrelay.publisher.credentials import Credentials
from cdrelay.publisher.errors import (
    NameRefused,
    OrganizationIdRefused,
    OrganizationUnknown,
    PartnerExists,
    PartnerUnknown,
    WebhookExists,
    WebhookRefused,
    WebhookUnknown,
)
from cdrelay.publisher.parties import Organization, Partner, ResourceType, Webhook

_LONGEST_NAME = 200


class Directory:
    """Who receives what. `credentials` holds the partners' access tokens and the intake keys."""

    def __init__(
        self, database: Database, secret_box: SecretBox, clock: Clock, *, allow_http_callbacks: bool = False
    ) -> None:
        self._database = database
        self._box = secret_box
        self._clock = clock
        self._allow_http = allow_http_callbacks
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

    def add_organization(self, org_id: str, name: str = "", partner_id: str | None = None) -> Organization:
        """A customer organization, id plain or encoded; again with a name renames it. With a partner, assign it too.

        Raises OrganizationIdRefused, NameRefused, PartnerUnknown.
        """
        org_uuid = _org_uuid(org_id)
        with self._database.write() as connection:
            there = connection.execute(
                select(organizations.c.name).where(organizations.c.org_uuid == org_uuid)
            ).one_or_none()
            if there is None:
                values = {"org_uuid": org_uuid, "name": _fit_name(name or org_uuid), "created_at": self._clock.now()}
                connection.execute(insert(organizations).values(values))
            elif name and name != there.name:
                renamed = update(organizations).where(organizations.c.org_uuid == org_uuid)
                connection.execute(renamed.values(name=_fit_name(name)))
            if partner_id is not None:
                _relate(connection, partner_id, org_uuid)
        return self.organization(org_uuid)

    def assign(self, org_id: str, partner_id: str) -> None:
        """The partner has a calling relationship with the organization from now on; again changes nothing.

        Raises OrganizationIdRefused, OrganizationUnknown, PartnerUnknown.
        """
        org_uuid = self.organization(org_id).org_uuid
        with self._database.write() as connection:
            _relate(connection, partner_id, org_uuid)

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
        query = select(organizations, relations.c.partner_id).join(relations, isouter=True)
        if org_uuid is not None:
            query = query.where(organizations.c.org_uuid == org_uuid)
        found: dict[str, Organization] = {}
        with self._database.read() as connection:
            for row in connection.execute(query.order_by(organizations.c.org_uuid, relations.c.partner_id)):
                before = found[row.org_uuid].partner_ids if row.org_uuid in found else ()
                now = before if row.partner_id is None else (*before, row.partner_id)
                found[row.org_uuid] = Organization(row.org_uuid, row.name, row.created_at, now)
        return list(found.values())

    def organizations_of(self, partner_id: str) -> list[str]:
        """The ids of the partner's organizations, sorted; none for a partner nobody knows."""
        query = select(relations.c.org_uuid).where(relations.c.partner_id == partner_id)
        with self._database.read() as connection:
            return list(connection.scalars(query.order_by(relations.c.org_uuid)))

    # --- webhooks ---

    def set_webhook(
        self,
        partner_id: str,
        url: str,
        *,
        secret: str | None = None,
        resource_type: ResourceType = "analytics",
        replace: bool = False,
    ) -> Webhook:
        """Deliver the partner's windows to `url` from the next tick on. A replaced one is active again.

        Raises CallbackRefused, WebhookRefused, PartnerUnknown, and WebhookExists unless `replace`.
        """
        require_callback_url(url, allow_http=self._allow_http)
        if resource_type == "billing":
            raise WebhookRefused("resource type billing cannot be set yet: licences are not kept yet; use analytics")
        if secret is not None and not secret:
            raise WebhookRefused("an empty secret signs nothing; leave it out for unsigned deliveries")
        values: dict[str, Any] = {
            "url": url,
            "secret": None if secret is None else self._box.seal(secret),
            "resource_type": resource_type,
            "active": True,
            "switched_off_because": None,
        }
        with self._database.write() as connection:
            _require_partner(connection, partner_id)
            mine = webhooks.c.partner_id == partner_id
            if connection.execute(select(webhooks.c.partner_id).where(mine)).one_or_none() is None:
                values |= {"partner_id": partner_id, "created_at": self._clock.now()}
                connection.execute(insert(webhooks).values(values))
            elif not replace:
                raise WebhookExists("the partner has a webhook already, and can have only one; replace it instead")
            else:
                connection.execute(update(webhooks).where(mine).values(values))
        return self.webhook(partner_id)

    def webhook(self, partner_id: str) -> Webhook:
        """The partner's. Raises WebhookUnknown."""
        with self._database.read() as connection:
            row = connection.execute(select(webhooks).where(webhooks.c.partner_id == partner_id)).one_or_none()
        if row is None:
            raise WebhookUnknown("the partner has no webhook; `cdrelay publisher webhook set` makes one")
        return _webhook(row)

    def webhook_secret(self, partner_id: str) -> str | None:
        """What its deliveries are signed with; None when they are not. Raises WebhookUnknown, SecretUnreadable."""
        with self._database.read() as connection:
            row = connection.execute(select(webhooks.c.secret).where(webhooks.c.partner_id == partner_id)).one_or_none()
        if row is None:
            raise WebhookUnknown("the partner has no webhook")
        return None if row.secret is None else self._box.open(row.secret)

    def set_webhook_active(self, partner_id: str, active: bool) -> Webhook:
        """Switch it on, which also sends what is still pending, or off. Raises WebhookUnknown."""
        self.webhook(partner_id)
        reason = None if active else "switched off by the operator"
        with self._database.write() as connection:
            mine = update(webhooks).where(webhooks.c.partner_id == partner_id)
            connection.execute(mine.values(active=active, switched_off_because=reason))
        return self.webhook(partner_id)

    def remove_webhook(self, partner_id: str) -> None:
        """Forget it; its pending deliveries are not sent. Raises WebhookUnknown."""
        self.webhook(partner_id)
        with self._database.write() as connection:
            connection.execute(delete(webhooks).where(webhooks.c.partner_id == partner_id))

    def partners_with_webhooks(self) -> list[Webhook]:
        """The webhooks that are switched on, by partner id."""
        query = select(webhooks).where(webhooks.c.active).order_by(webhooks.c.partner_id)
        with self._database.read() as connection:
            return [_webhook(row) for row in connection.execute(query)]

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


def _relate(connection: Connection, partner_id: str, org_uuid: str) -> None:
    _require_partner(connection, partner_id)
    both = (relations.c.partner_id == partner_id) & (relations.c.org_uuid == org_uuid)
    if connection.execute(select(relations).where(both)).one_or_none() is None:
        connection.execute(insert(relations).values(partner_id=partner_id, org_uuid=org_uuid))


def _partner(row: Row[tuple[object, ...]]) -> Partner:
    return Partner(row.id, row.name, row.created_at)


def _webhook(row: Row[tuple[object, ...]]) -> Webhook:
    return Webhook(
        row.partner_id,
        row.url,
        row.secret is not None,
        row.resource_type,
        row.active,
        row.switched_off_because,
        row.created_at,
    )
