"""What the API of the directory is asked with and answers with, beside the rows that documents have too."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from cdrelay.publisher.bulk.changes import Action
from cdrelay.publisher.directory.rows import Kind, Moment, Name, PartnerId, Region, Row, Uuid
from cdrelay.publisher.parties import HolderKind, RelationKind, Role

PAGE, LARGEST_PAGE = 100, 1_000


def _read_flag(text: object) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


Flag = Annotated[bool, BeforeValidator(_read_flag), WithJsonSchema({"type": "boolean", "default": False})]

# --- parameters: those that nobody knows are passed over ---


class Paged(BaseModel):
    """A page of a list, by key."""

    after: str | None = Field(None, description="From a Link header: what comes after that key")
    max: int = Field(PAGE, ge=1, le=LARGEST_PAGE, description="Entries on a page")


class OfPartner(Paged):
    """Entries of one partner."""

    partner_id: PartnerId | None = Field(None, alias="partnerId", description="Only of this partner: its id or name")


class RelationsAsked(OfPartner):
    """Some of the relations."""

    org_uuid: Uuid | None = Field(None, alias="orgId", description="Only with this organization")
    at: Moment | None = Field(None, description="Only those in force then")


class LicencesAsked(RelationsAsked):
    """Some of the licences."""

    holder_uuid: Uuid | None = Field(None, alias="holderUuid", description="Only of this user or workspace")


class ImportAsked(BaseModel):
    """How a document is imported."""

    kind: Kind | None = Field(None, description="Only entries of this kind; CSV needs it")
    dry_run: Flag = Field(default=False, alias="dryRun", description="Say what would be done, and do nothing")
    remove_missing: Flag = Field(
        default=False,
        alias="removeMissing",
        description="End the relations and licences that it lacks, of the kinds it has",
    )
    strict: Flag = Field(default=False, description="Do nothing when a row is refused")


class ExportAsked(BaseModel):
    """What is exported."""

    kind: Kind | None = Field(None, description="Only this kind; CSV needs it")


# --- changes ---


class PartnerChange(Row):
    """What of a partner can be changed."""

    name: Name | None = None


class OrganizationChange(PartnerChange):
    """What of an organization can be changed."""

    region: Region | None = Field(None, description="Empty: every one's")


class SpanChange(Row):
    """When a relation or licence ends."""

    ends_at: Moment | None = Field(None, alias="endsAt", description="In force until then; null: it lasts")


class AdministratorChange(PartnerChange):
    """What of an administrator can be changed."""

    role: Role | None = None
    organizations: list[Uuid] | None = Field(None, description="What one of role assigned reaches", max_length=10_000)


# --- answers ---


class Answer(BaseModel):
    """An entry as it is."""

    model_config = ConfigDict(from_attributes=True, validate_by_name=True, validate_by_alias=False)


class PartnerAnswer(Answer):
    """A partner."""

    id: str
    name: str
    created_at: datetime = Field(alias="createdAt")


class OrganizationAnswer(Answer):
    """A customer organization."""

    org_uuid: str = Field(alias="orgId")
    name: str
    region: str
    partner_ids: list[str] = Field(alias="partnerIds", description="Partners that have a relation with it at present")
    created_at: datetime = Field(alias="createdAt")


class RelationAnswer(Answer):
    """A calling relationship."""

    id: str
    partner_id: str = Field(alias="partnerId")
    org_uuid: str = Field(alias="orgId")
    kind: RelationKind
    starts_at: datetime = Field(alias="startsAt")
    ends_at: datetime | None = Field(alias="endsAt")


class LicenceAnswer(Answer):
    """A calling licence."""

    id: str
    org_uuid: str = Field(alias="orgId")
    holder_uuid: str = Field(alias="holderUuid")
    holder_kind: HolderKind = Field(alias="holderKind")
    partner_id: str = Field(alias="partnerId")
    starts_at: datetime = Field(alias="startsAt")
    ends_at: datetime | None = Field(alias="endsAt")


class AdministratorAnswer(Answer):
    """An administrator; nothing of a password."""

    id: str
    partner_id: str = Field(alias="partnerId")
    email: str
    name: str
    role: Role
    organizations: list[str]
    created_at: datetime = Field(alias="createdAt")
    locked_until: datetime | None = Field(alias="lockedUntil")


class FieldChange(BaseModel):
    """A field before and after; null is none."""

    before: Any
    after: Any


class EntryChange(BaseModel):
    """An entry that was added, changed or ended."""

    kind: Kind
    action: Action
    id: str
    fields: dict[str, FieldChange]
    line: int | None = Field(None, description="The line of the CSV document that asked for it")
    entry: int | None = Field(None, description="The place in its list of a JSON document, from 1")


class RefusedRow(BaseModel):
    """A row that was not taken."""

    kind: Kind
    field: str
    rule: str
    line: int | None = None
    entry: int | None = None


class ImportAnswer(BaseModel):
    """What was done, or would be."""

    done: bool
    numbers: dict[Literal["added", "changed", "ended", "unchanged", "refused"], int]
    changes: list[EntryChange] = Field(description="The first 1,000")
    refused: list[RefusedRow] = Field(description="The first 1,000")
    kept: list[Kind] = Field(description="Kinds of which none was ended, as a refused row may have meant any")
