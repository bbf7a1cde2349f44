"""Entries of the directory as documents and the API write them: which fields a kind has, and what a field may hold.

The names of attributes are those of the columns; the aliases are the names outside.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.publisher.access.values import EMAIL_PATTERN, folded
from cdrelay.publisher.directory.partners import LONGEST_NAME, NAME_PATTERN, REGION_PATTERN
from cdrelay.publisher.parties import HolderKind, RelationKind, Role

Kind = Literal["partners", "organizations", "relations", "licences", "administrators"]

_TIME = re.compile(r"\d{4}-\d\d-\d\d([Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)
_UUID_PATTERN = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


def read_moment(text: object) -> datetime | None:
    """An RFC 3339 time, or a date for its midnight, in UTC; None stays None. Raises ValueError."""
    if text is None:
        return None
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise ValueError("must be a time with a zone, such as 2026-11-24T10:00:00Z, or a date")
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("there is no such time") from None


def write_moment(moment: datetime) -> str:
    """To the microsecond, as it is stored: what is written and read again is the same moment."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def read_uuid(text: object) -> str | None:
    """A UUID, plain or encoded as the provider's other APIs do it; None stays None. Raises ValueError."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError("must be a UUID, such as 41e2a389-fd3e-5b1c-b6ba-53ba7d840c96")
    return organization_uuid(text)


_TIME_SCHEMA = {"type": "string", "format": "date-time"}
_UUID_SCHEMA = {"type": "string", "format": "uuid", "pattern": _UUID_PATTERN}
Moment = Annotated[datetime, BeforeValidator(read_moment), WithJsonSchema(_TIME_SCHEMA)]
Uuid = Annotated[str, BeforeValidator(read_uuid), WithJsonSchema(_UUID_SCHEMA)]
Name = Annotated[str, StringConstraints(max_length=LONGEST_NAME, pattern=NAME_PATTERN)]
Region = Annotated[str, StringConstraints(pattern=REGION_PATTERN)]
PartnerId = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]
Email = Annotated[str, StringConstraints(pattern=EMAIL_PATTERN), AfterValidator(folded)]

_ID = "Given to a new entry, else made; names an entry that is there, so that its other fields may be corrected"
_PARTNER_ID = "The partner's id or name"
_STARTS_AT = "In force from then on; else from now on"
_ENDS_AT = "In force until then, exclusive; null: it lasts"


class Row(BaseModel):
    """An entry as it is wanted. A field that is not given stays as it is."""

    model_config = ConfigDict(extra="forbid")


class PartnerRow(Row):
    """A partner: the one of that id or, without an id, of that name."""

    id: Uuid | None = Field(None, description=_ID)
    name: Name


class OrganizationRow(Row):
    """A customer organization."""

    org_uuid: Uuid = Field(alias="orgId", description="Plain UUID; encoded is taken, too")
    name: Name | None = Field(None, description="What people call it; a new one without a name is called by its id")
    region: Region | None = Field(None, description="Whose publisher holds its records; empty: every one's")


class RelationRow(Row):
    """A calling relationship of a partner with an organization."""

    id: Uuid | None = Field(None, description=_ID)
    partner_id: PartnerId = Field(alias="partnerId", description=_PARTNER_ID)
    org_uuid: Uuid = Field(alias="orgId")
    kind: RelationKind = Field("managed", description="managed: full administrator role; subscription: calling")
    starts_at: Moment | None = Field(None, alias="startsAt", description=_STARTS_AT)
    ends_at: Moment | None = Field(None, alias="endsAt", description=_ENDS_AT)


class LicenceRow(Row):
    """A calling licence of a user or a workspace, and the partner that sold it."""

    id: Uuid | None = Field(None, description=_ID)
    org_uuid: Uuid = Field(alias="orgId")
    holder_uuid: Uuid = Field(alias="holderUuid", description="The User UUID of the holder's records")
    holder_kind: HolderKind = Field("user", alias="holderKind")
    partner_id: PartnerId = Field(alias="partnerId", description=f"Who sold it. {_PARTNER_ID}")
    starts_at: Moment | None = Field(None, alias="startsAt", description=_STARTS_AT)
    ends_at: Moment | None = Field(None, alias="endsAt", description=_ENDS_AT)


class AdministratorRow(Row):
    """Somebody who may sign in for a partner: the one of that id or, without an id, of that e-mail address."""

    id: Uuid | None = Field(None, description=_ID)
    partner_id: PartnerId = Field(alias="partnerId", description=_PARTNER_ID)
    email: Email
    name: Name
    role: Role
    organizations: list[Uuid] | None = Field(None, description="What one of role assigned reaches", max_length=10_000)


ROWS: dict[Kind, type[Row]] = {
    "partners": PartnerRow,
    "organizations": OrganizationRow,
    "relations": RelationRow,
    "licences": LicenceRow,
    "administrators": AdministratorRow,
}
"""The kinds of entries, each after those that it refers to."""


def fields_of(kind: Kind) -> dict[str, str]:
    """The fields of a kind, in order: the name outside, and the column."""
    return {info.alias or name: name for name, info in ROWS[kind].model_fields.items()}


def wire_value(value: Any) -> Any:
    """A value of a column as documents and reports write it."""
    if isinstance(value, datetime):
        return write_moment(value)
    return list(value) if isinstance(value, tuple) else value
