"""Who takes part: partners, their customer organizations, webhooks and credentials, as values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

ResourceType = Literal["analytics", "billing"]

TOKEN_LIFETIME = timedelta(days=14)
"""How long a partner access token lasts unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Partner:
    """A reseller that receives the feed. `id` is a UUID."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Organization:
    """A customer organization whose calls are recorded."""

    org_uuid: str
    name: str
    created_at: datetime
    partner_ids: tuple[str, ...] = ()
    """The partners it has a calling relationship with."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a partner's windows are delivered. Holds no secret, so that it may be shown."""

    partner_id: str
    url: str
    signed: bool
    resource_type: ResourceType
    active: bool
    switched_off_because: str | None
    created_at: datetime
    """Ticks after this moment are delivered."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A partner's access token or an intake key, without the thing itself: only its hash is stored."""

    id: str
    """The first 12 digits of the hash: enough to name it, useless to use it."""
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    partner_id: str | None = None
