"""Calling licences of users and workspaces, and which partner sold each: what the feed for billing goes by.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from datetime import datetime

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.tables import licences
from cdrelay.publisher.directory.spans import Spans, SpanStore
from cdrelay.publisher.parties import HolderKind, Licence

LICENCES = Spans(
    licences,
    "licence",
    ("holder_uuid",),
    "licences of one holder must not overlap, as a call is billed to one seller",
)


class Licences(SpanStore[Licence]):
    """The calling licences of all holders."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock, LICENCES, Licence)

    def add(
        self,
        partner_id: str,
        org_uuid: str,
        holder_uuid: str,
        holder_kind: HolderKind = "user",
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        *,
        licence_id: str | None = None,
    ) -> Licence:
        """A licence that the partner sold, from `starts_at`, or else from now on, until `ends_at`, or lasting.

        `holder_uuid` is the User UUID of the holder's records, in lower case. Raises PartnerUnknown,
        OrganizationUnknown, EntryConflicts when it would end before it starts or overlap another one of the holder's.
        """
        return self._added(
            starts_at,
            id=licence_id,
            org_uuid=org_uuid,
            holder_uuid=holder_uuid,
            holder_kind=holder_kind,
            partner_id=partner_id,
            ends_at=ends_at,
        )

    def of(
        self,
        partner_id: str | None = None,
        org_uuid: str | None = None,
        holder_uuid: str | None = None,
        at: datetime | None = None,
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Licence]:
        """Of a seller, an organization and a holder, or all; with `at`, those in force then. By id, `after` that id."""
        return self._listed(at, after, limit, partner_id=partner_id, org_uuid=org_uuid, holder_uuid=holder_uuid)
