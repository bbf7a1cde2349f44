"""Calling relationships: which customers a partner may see, why and when.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from datetime import datetime

from sqlalchemy import Connection, select

from cdrelay.clock import Clock
from cdrelay.contract.windows import EPOCH
from cdrelay.control.database import Database
from cdrelay.control.tables import relations
from cdrelay.publisher.directory.spans import Spans, SpanStore
from cdrelay.publisher.parties import Relation, RelationKind

RELATIONS = Spans(
    relations,
    "relation",
    ("partner_id", "org_uuid", "kind"),
    "relations of one partner, organization and kind must not overlap",
)


def relate(
    connection: Connection,
    partner_id: str,
    org_uuid: str,
    kind: RelationKind,
    starts_at: datetime | None,
    now: datetime,
) -> None:
    """Say that there is a relation; while one of that kind lasts, it stays as it is.

    Without `starts_at` the very first has always been, so that calls that wait in the lake are not lost to whoever sets
    up a customer late (decision 5), and a further one begins now. Raises PartnerUnknown, OrganizationUnknown,
    EntryConflicts.
    """
    this = {"partner_id": partner_id, "org_uuid": org_uuid, "kind": kind}
    ends = connection.scalars(select(relations.c.ends_at).filter_by(**this)).all()
    if all(end is not None and end <= now for end in ends):
        RELATIONS.add(connection, this | {"starts_at": starts_at or (now if ends else EPOCH)})


class Relations(SpanStore[Relation]):
    """The calling relationships of all partners."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock, RELATIONS, Relation)

    def add(
        self,
        partner_id: str,
        org_uuid: str,
        kind: RelationKind = "managed",
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        *,
        relation_id: str | None = None,
    ) -> Relation:
        """A relation from `starts_at`, or else from now on, until `ends_at`, or lasting.

        Raises PartnerUnknown, OrganizationUnknown, EntryConflicts when it would end before it starts or overlap another
        one of the same partner, organization and kind.
        """
        return self._added(
            starts_at, id=relation_id, partner_id=partner_id, org_uuid=org_uuid, kind=kind, ends_at=ends_at
        )

    def of(
        self,
        partner_id: str | None = None,
        org_uuid: str | None = None,
        at: datetime | None = None,
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Relation]:
        """Those of a partner and of an organization, or all; with `at`, those in force then. By id, `after` that id."""
        return self._listed(at, after, limit, partner_id=partner_id, org_uuid=org_uuid)
