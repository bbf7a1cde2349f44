"""The kinds of entries that the API of the directory has, each with the store that keeps it."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from fastapi import APIRouter

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.publisher.access.administrators import Administrators
from cdrelay.publisher.access.operator_keys import OperatorKeys
from cdrelay.publisher.bulk.importing import Bulk
from cdrelay.publisher.directory.licences import Licences
from cdrelay.publisher.directory.partner_removal import PartnerRemoval
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.directory.relations import Relations
from cdrelay.publisher.directory.rows import AdministratorRow, LicenceRow, OrganizationRow, PartnerRow, RelationRow
from cdrelay.publisher.directory.spans import Entry, SpanStore
from cdrelay.publisher.directory_api.models import (
    AdministratorAnswer,
    AdministratorChange,
    LicenceAnswer,
    LicencesAsked,
    OfPartner,
    OrganizationAnswer,
    OrganizationChange,
    Paged,
    PartnerAnswer,
    PartnerChange,
    RelationAnswer,
    RelationsAsked,
    SpanChange,
)
from cdrelay.publisher.directory_api.routes import Resource, directory_router
from cdrelay.publisher.errors import EntryConflicts, OrganizationIdRefused, OrganizationUnknown
from cdrelay.publisher.parties import Administrator, Licence, Organization, Partner, Relation

T = TypeVar("T")


def open_directory_api(database: Database, clock: Clock, administrators: Administrators) -> APIRouter:
    """The whole of `/v1/directory`."""
    directory = Directory(database, clock)
    resources = [
        _partners(directory, PartnerRemoval(database)),
        _organizations(directory),
        _relations(directory, Relations(database, clock)),
        _licences(directory, Licences(database, clock)),
        _administrators(directory, administrators),
    ]
    return directory_router(resources, Bulk(database, clock), OperatorKeys(database, clock))


def _partners(directory: Directory, removal: PartnerRemoval) -> Resource:
    def listed(asked: Paged, limit: int) -> Sequence[Partner]:
        return _page(directory.partners(), lambda one: one.id, asked, limit)

    def add(row: PartnerRow) -> Partner:
        return directory.add_partner(row.name, row.id)

    def changed(partner_id: str, change: PartnerChange) -> Partner:
        there = directory.partner(partner_id)
        return there if change.name is None else directory.rename_partner(there.id, change.name)

    return Resource(
        "partners",
        "a partner",
        PartnerAnswer,
        Paged,
        PartnerChange,
        listed,
        directory.partner,
        add,
        changed,
        removal.remove,
    )


def _organizations(directory: Directory) -> Resource:
    def listed(asked: Paged, limit: int) -> Sequence[Organization]:
        return directory.organizations(after=asked.after, limit=limit)

    def get(org_id: str) -> Organization:
        try:
            return directory.organization(org_id)
        except OrganizationIdRefused:
            raise OrganizationUnknown(org_id[:100]) from None

    def add(row: OrganizationRow) -> Organization:
        try:
            directory.organization(row.org_uuid)
        except OrganizationUnknown:
            return directory.add_organization(row.org_uuid, row.name or "", region=row.region)
        raise EntryConflicts("orgId", "there is an organization of that id already")

    def changed(org_id: str, change: OrganizationChange) -> Organization:
        return directory.add_organization(get(org_id).org_uuid, change.name or "", region=change.region)

    return Resource(
        "organizations", "an organization", OrganizationAnswer, Paged, OrganizationChange, listed, get, add, changed
    )


def _relations(directory: Directory, relations: Relations) -> Resource:
    def listed(asked: RelationsAsked, limit: int) -> Sequence[Relation]:
        partner_id = _partner_id(directory, asked)
        return relations.of(partner_id, asked.org_uuid, asked.at, after=asked.after, limit=limit)

    def add(row: RelationRow) -> Relation:
        partner_id = directory.partner(row.partner_id).id
        return relations.add(partner_id, row.org_uuid, row.kind, row.starts_at, row.ends_at, relation_id=row.id)

    changed = _changed_end(relations)
    return Resource(
        "relations",
        "a relation",
        RelationAnswer,
        RelationsAsked,
        SpanChange,
        listed,
        relations.get,
        add,
        changed,
        relations.take_back,
    )


def _licences(directory: Directory, licences: Licences) -> Resource:
    def listed(asked: LicencesAsked, limit: int) -> Sequence[Licence]:
        partner_id = _partner_id(directory, asked)
        return licences.of(partner_id, asked.org_uuid, asked.holder_uuid, asked.at, after=asked.after, limit=limit)

    def add(row: LicenceRow) -> Licence:
        return licences.add(
            directory.partner(row.partner_id).id,
            row.org_uuid,
            row.holder_uuid,
            row.holder_kind,
            row.starts_at,
            row.ends_at,
            licence_id=row.id,
        )

    changed = _changed_end(licences)
    return Resource(
        "licences",
        "a licence",
        LicenceAnswer,
        LicencesAsked,
        SpanChange,
        listed,
        licences.get,
        add,
        changed,
        licences.take_back,
    )


def _administrators(directory: Directory, administrators: Administrators) -> Resource:
    def listed(asked: OfPartner, limit: int) -> Sequence[Administrator]:
        found = administrators.of_partner(_partner_id(directory, asked))
        return _page(found, lambda one: one.id, asked, limit)

    def add(row: AdministratorRow) -> Administrator:
        return administrators.add(
            directory.partner(row.partner_id).id,
            row.email,
            row.name,
            row.role,
            organizations=row.organizations or (),
            administrator_id=row.id,
        )

    def changed(administrator_id: str, change: AdministratorChange) -> Administrator:
        return administrators.change(
            administrator_id, name=change.name, role=change.role, organizations=change.organizations
        )

    return Resource(
        "administrators",
        "an administrator",
        AdministratorAnswer,
        OfPartner,
        AdministratorChange,
        listed,
        administrators.get,
        add,
        changed,
        administrators.remove,
    )


def _changed_end(store: SpanStore[Entry]) -> Callable[[str, SpanChange], Entry]:
    def changed(entry_id: str, change: SpanChange) -> Entry:
        # Null is a change, too; only what is not given is none.
        given = "ends_at" in change.model_fields_set
        return store.set_end(entry_id, change.ends_at) if given else store.get(entry_id)

    return changed


def _partner_id(directory: Directory, asked: OfPartner) -> str | None:
    return None if asked.partner_id is None else directory.partner(asked.partner_id).id


def _page(entries: Iterable[T], key: Callable[[T], str], asked: Paged, limit: int) -> list[T]:
    return sorted((one for one in entries if key(one) > (asked.after or "")), key=key)[:limit]
