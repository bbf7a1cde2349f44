"""Webhooks of the partners, one each, in the control database: where their windows go, and signed with what.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

import hashlib
import hmac
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Update, delete, insert, select, update

from cdrelay.callbacks.guard import require_callback_url
from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import SecretBox, SecretUnreadable
from cdrelay.control.tables import PENDING, deliveries, partners, webhooks
from cdrelay.publisher.errors import PartnerUnknown, WebhookExists, WebhookRefused, WebhookUnknown
from cdrelay.publisher.parties import ResourceType, Webhook

BY_OPERATOR = "switched off by the operator"
"""Why a webhook is off that no failure switched off; its partner cannot switch it on again."""

LONGEST_SECRET = 256
"""Characters of a secret."""


def require_secret(secret: str) -> None:
    """Raise WebhookRefused unless `secret` can be signed with, and typed again at the other end."""
    if not secret:
        raise WebhookRefused("an empty secret signs nothing; leave it out for unsigned deliveries")
    if len(secret) > LONGEST_SECRET:
        raise WebhookRefused(f"the secret must have at most {LONGEST_SECRET} characters")
    if not secret.isprintable() or secret != secret.strip():
        raise WebhookRefused("the secret must have no line breaks, and no spaces at its beginning or end")


class Webhooks:
    """The webhooks. Secrets are sealed by `secret_box` and given out to be signed with, never to be shown."""

    def __init__(
        self, database: Database, secret_box: SecretBox, clock: Clock, *, allow_http_callbacks: bool = False
    ) -> None:
        self._database = database
        self._box = secret_box
        self._clock = clock
        self.allow_http = allow_http_callbacks

    def set(
        self,
        partner_id: str,
        url: str,
        *,
        secret: str | None = None,
        unsigned: bool = False,
        previous_valid_for: timedelta = timedelta(0),
        resource_type: ResourceType = "analytics",
        alert_url: str | None = None,
        replace: bool = False,
    ) -> Webhook:
        """Deliver the partner's windows to `url` from the next tick on. One that is replaced is also switched on.

        Of a webhook that is replaced, the secret stays unless a new one is given or it shall be `unsigned`; beside a
        new one the present one is valid for `previous_valid_for` more, and saying the same again leaves it so. The
        alert URL stays when none is given; an empty one removes it.

        Raises CallbackRefused, WebhookRefused, PartnerUnknown, and WebhookExists unless `replace`.
        """
        require_callback_url(url, allow_http=self.allow_http)
        if alert_url:
            require_callback_url(alert_url, allow_http=self.allow_http, called="the alert URL")
        values: dict[str, Any] = {
            "url": url,
            "resource_type": resource_type,
            "active": True,
            "switched_off_because": None,
            "failing_since": None,
        }
        if alert_url is not None:
            values["alert_url"] = alert_url or None
        if unsigned:
            values |= {"secret": None} | _NO_PREVIOUS
        elif secret is not None:
            require_secret(secret)
            values["secret"] = self._box.seal(secret)
        with self._database.write() as connection:
            if connection.execute(select(partners.c.id).where(partners.c.id == partner_id)).one_or_none() is None:
                raise PartnerUnknown(partner_id)
            before = connection.execute(select(webhooks.c.secret).where(_of(partner_id))).one_or_none()
            if before is None:
                values |= {"partner_id": partner_id, "created_at": self._clock.now()}
                connection.execute(insert(webhooks).values(values))
            elif not replace:
                raise WebhookExists("the partner has a webhook already, and can have only one; replace it instead")
            else:
                if secret is not None and not unsigned:
                    values |= self._previous(before.secret, secret, previous_valid_for)
                connection.execute(_change(partner_id).values(values))
                _send_at_once(connection, partner_id, self._clock.now())
        return self.get(partner_id)

    def _previous(self, sealed: bytes | None, secret: str, valid_for: timedelta) -> dict[str, Any]:
        if sealed is None or not valid_for:
            return _NO_PREVIOUS
        with suppress(SecretUnreadable):
            if self._box.open(sealed) == secret:
                return {}  # said twice, as by a double click: the one before is still the one before
        return {"previous_secret": sealed, "previous_secret_until": self._clock.now() + valid_for}

    def get(self, partner_id: str) -> Webhook:
        """The partner's. Raises WebhookUnknown."""
        with self._database.read() as connection:
            return _webhook(_row(connection, partner_id), self._clock.now())

    def secrets(self, partner_id: str) -> tuple[str, ...]:
        """What its deliveries may be signed with: nothing when they are unsigned, else the present secret first.

        The one before it follows while it is still valid. Raises WebhookUnknown, SecretUnreadable.
        """
        return self.with_secrets(partner_id)[1]

    def with_secrets(self, partner_id: str) -> tuple[Webhook, tuple[str, ...]]:
        """The webhook and what `secrets` says, at one moment. Raises WebhookUnknown, SecretUnreadable.

        A secret before that cannot be read is none: the present one is enough to sign with.
        """
        with self._database.read() as connection:
            row = _row(connection, partner_id)
        now, found = self._clock.now(), []
        if row.secret is not None:
            found.append(self._box.open(row.secret))
        if _previous_valid(row, now):
            with suppress(SecretUnreadable):
                found.append(self._box.open(row.previous_secret))
        return _webhook(row, now), tuple(found)

    def secret_is_lost(self, partner_id: str) -> bool:
        """Whether deliveries cannot be signed, and so are not sent, until another secret is set."""
        try:
            self.secrets(partner_id)
        except SecretUnreadable:
            return True
        except WebhookUnknown:
            return False
        return False

    def secret(self, partner_id: str) -> str | None:
        """The present one alone; None when deliveries are unsigned. Raises WebhookUnknown, SecretUnreadable."""
        return next(iter(self.secrets(partner_id)), None)

    def secret_is(self, partner_id: str, secret: str) -> bool:
        """Whether that is the present one. Raises WebhookUnknown."""
        try:
            present = self.secret(partner_id)
        except SecretUnreadable:
            return False
        return present is not None and hmac.compare_digest(present.encode(), secret.encode())

    def secret_mark(self, partner_id: str) -> str:
        """Differs whenever a secret was set, and tells nothing of it; empty without one. Raises WebhookUnknown."""
        with self._database.read() as connection:
            sealed = _row(connection, partner_id).secret
        return "" if sealed is None else hashlib.sha256(sealed).hexdigest()

    def forget_previous_secret(self, partner_id: str) -> Webhook:
        """End a rotation now: only the present secret is valid. Again changes nothing. Raises WebhookUnknown."""
        with self._database.write() as connection:
            _row(connection, partner_id)
            connection.execute(_change(partner_id).values(_NO_PREVIOUS))
        return self.get(partner_id)

    def set_active(self, partner_id: str, active: bool) -> Webhook:
        """Switch it on, which sends what is pending at once, the oldest first, or off. Raises WebhookUnknown."""
        reason = None if active else BY_OPERATOR
        with self._database.write() as connection:
            _row(connection, partner_id)
            connection.execute(
                _change(partner_id).values(active=active, switched_off_because=reason, failing_since=None)
            )
            if active:
                _send_at_once(connection, partner_id, self._clock.now())
        return self.get(partner_id)

    def remove(self, partner_id: str) -> None:
        """Forget it; its pending deliveries are not sent. Raises WebhookUnknown."""
        with self._database.write() as connection:
            _row(connection, partner_id)
            connection.execute(delete(webhooks).where(_of(partner_id)))

    def all(self) -> list[Webhook]:
        """All, also those that are switched off, by partner id."""
        query = select(webhooks).order_by(webhooks.c.partner_id)
        with self._database.read() as connection:
            return [_webhook(row, self._clock.now()) for row in connection.execute(query)]


_NO_PREVIOUS: dict[str, Any] = {"previous_secret": None, "previous_secret_until": None}


def _of(partner_id: str) -> Any:
    return webhooks.c.partner_id == partner_id


def _change(partner_id: str) -> Update:
    return update(webhooks).where(_of(partner_id))


def _send_at_once(connection: Connection, partner_id: str, now: datetime) -> None:
    """What waits for its next attempt was put off by failures of another callback, or of one that is well again."""
    pending = update(deliveries).where(deliveries.c.partner_id == partner_id, PENDING)
    connection.execute(pending.values(next_attempt_at=now))


def _row(connection: Connection, partner_id: str) -> Row[Any]:
    row = connection.execute(select(webhooks).where(_of(partner_id))).one_or_none()
    if row is None:
        raise WebhookUnknown("the partner has no webhook; `cdrelay publisher webhook set` makes one")
    return row


def _previous_valid(row: Row[Any], now: datetime) -> bool:
    return row.previous_secret is not None and now < row.previous_secret_until


def _webhook(row: Row[Any], now: datetime) -> Webhook:
    return Webhook(
        partner_id=row.partner_id,
        url=row.url,
        signed=row.secret is not None,
        resource_type=row.resource_type,
        active=row.active,
        switched_off_because=row.switched_off_because,
        created_at=row.created_at,
        previous_secret_until=row.previous_secret_until if _previous_valid(row, now) else None,
        alert_url=row.alert_url,
        failing_since=row.failing_since,
    )
