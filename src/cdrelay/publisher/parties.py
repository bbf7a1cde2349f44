"""Who takes part: partners, their customers, licences, administrators, webhooks and credentials, as values."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

ResourceType = Literal["analytics", "billing"]

RelationKind = Literal["managed", "subscription"]
"""Why a partner has a calling relationship with a customer: the Partner Full Administrator role, or a subscription."""

HolderKind = Literal["user", "workspace"]
"""Who holds a calling licence."""

Role = Literal["full", "read_only", "assigned"]
"""What an administrator may: set and see, see, or see only what concerns the customers assigned to them (FACTS 7)."""

CDR_SCOPE = "spark-admin:calling_cdr_read"
"""The scope that the endpoints for records ask for (FACTS section 5)."""

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
    """The partners it has a calling relationship with at present."""
    region: str = ""
    """Whose publisher holds its records; empty: every one's."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A calling relationship of a partner with a customer organization: in force in [starts_at, ends_at)."""

    id: str
    partner_id: str
    org_uuid: str
    kind: RelationKind
    starts_at: datetime
    ends_at: datetime | None = None
    """None: it lasts."""


@dataclass(frozen=True, slots=True)
class Licence:
    """A calling licence of a user or a workspace, and the partner that sold it: in force in [starts_at, ends_at)."""

    id: str
    org_uuid: str
    holder_uuid: str
    """The User UUID of the holder's records."""
    holder_kind: HolderKind
    partner_id: str
    starts_at: datetime
    ends_at: datetime | None = None
    """None: it lasts."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """Somebody who may sign in at the hub for a partner organization. Holds no password."""

    id: str
    partner_id: str
    email: str
    """In lower case; no two administrators have the same."""
    name: str
    role: Role
    created_at: datetime
    organizations: tuple[str, ...] = ()
    """The customers that one of role `assigned` reaches."""
    locked_until: datetime | None = None


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
    previous_secret_until: datetime | None = None
    """Until when the secret before the present one is valid too; None: there is none."""
    alert_url: str | None = None
    """A second webhook, told when this one is switched off."""
    failing_since: datetime | None = None
    """The first failed attempt since the last delivery that arrived."""


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
    administrator_id: str | None = None
    """Whose reach it has; None: it reaches all that is the partner's."""
    grant_id: str | None = None
    """The consent that it follows from; None: it was made by hand."""
