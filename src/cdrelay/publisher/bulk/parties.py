"""Planning of partners, organizations and administrators: what is new is added, what differs is changed.

None of them ends by missing in a document: calls of the past are theirs.
"""

from collections.abc import Sequence
from uuid import uuid4

from cdrelay.publisher.bulk.changes import Plan, Values
from cdrelay.publisher.bulk.formats import Place
from cdrelay.publisher.directory.rows import AdministratorRow, OrganizationRow, PartnerRow
from cdrelay.publisher.errors import EntryRefused


def plan_partners(plan: Plan, rows: Sequence[tuple[Place, PartnerRow]]) -> None:
    """By id or, without one, by name."""
    there = plan.state["partners"]
    for place, row in rows:
        with plan.taking(place):
            named = plan.partner_named(row.name)
            key = row.id or named or str(uuid4())
            plan.meet("partners", key, place)
            if named not in (None, key):
                raise EntryRefused("name", "is another partner's")
            plan.put(place, {"id": key, "name": row.name}, there.get(key))


def plan_organizations(plan: Plan, rows: Sequence[tuple[Place, OrganizationRow]]) -> None:
    """By id."""
    there = plan.state["organizations"]
    for place, row in rows:
        with plan.taking(place):
            key = row.org_uuid
            plan.meet("organizations", key, place)
            before = there.get(key)
            new = {"org_uuid": key, "name": key, "region": ""}
            given = {name: value for name, value in (("name", row.name), ("region", row.region)) if value is not None}
            plan.put(place, {**(before or new), **given}, before)


def plan_administrators(plan: Plan, rows: Sequence[tuple[Place, AdministratorRow]]) -> None:
    """By id or, without one, by e-mail address. A password is neither set nor changed."""
    there = plan.state["administrators"]
    addresses = {values["email"]: key for key, values in there.items()}
    for place, row in rows:
        with plan.taking(place):
            addressed = addresses.get(row.email)
            key = row.id or addressed or str(uuid4())
            plan.meet("administrators", key, place)
            if addressed not in (None, key):
                raise EntryRefused("email", "is another administrator's")
            before = there.get(key)
            values = _administrator(plan, key, row, before)
            plan.put(place, values, before)
            if before:
                del addresses[before["email"]]
            addresses[row.email] = key


def _administrator(plan: Plan, key: str, row: AdministratorRow, before: Values | None) -> Values:
    partner_id = plan.partner_of(row.partner_id)
    if before and before["partner_id"] != partner_id:
        raise EntryRefused("partnerId", "an administrator stays with their partner; add another one")
    assigned = tuple(sorted(set(row.organizations or ())))
    if assigned and row.role != "assigned":
        raise EntryRefused("organizations", "are assigned to the role assigned alone")
    for org_uuid in assigned:
        plan.require_organization(org_uuid, "organizations")
    if before and row.organizations is None and row.role == "assigned":
        assigned = before["organizations"]
    given = {"id": key, "partner_id": partner_id, "email": row.email, "name": row.name, "role": row.role}
    return {**given, "organizations": assigned}
