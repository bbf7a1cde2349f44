"""Calling licences in a real database: a holder has one at a time, so that a call has one seller."""

from datetime import datetime, timedelta

import pytest

from cdrelay.publisher.directory.licences import Licences
from cdrelay.publisher.errors import EntryConflicts, EntryUnknown, OrganizationUnknown, PartnerUnknown
from cdrelay.publisher.parties import Licence
from tests.integration.publisher.directory_bench import HOLDER, OTHER_HOLDER, Desk
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START


@pytest.fixture
def licences(desk: Desk) -> Licences:
    """With two sellers and two organizations."""
    for name in ("one", "two"):
        desk.directory.add_partner(name, name)
    for org in (ORG, OTHER_ORG):
        desk.directory.add_organization(org)
    return desk.licences


def at(hours: float) -> datetime:
    """So many hours from the start."""
    return START + timedelta(hours=hours)


def test_a_licence_is_of_a_user_or_of_a_workspace(licences: Licences) -> None:
    user = licences.add("one", ORG, HOLDER)
    room = licences.add("one", ORG, OTHER_HOLDER, "workspace", at(-1), at(1))
    assert user == Licence(user.id, ORG, HOLDER, "user", "one", START)
    assert room == Licence(room.id, ORG, OTHER_HOLDER, "workspace", "one", at(-1), at(1))
    assert licences.get(room.id) == room


@pytest.mark.parametrize(("seller", "org"), [("one", ORG), ("two", ORG), ("two", OTHER_ORG)])
def test_a_holder_has_one_licence_at_a_time_whoever_sold_it(licences: Licences, seller: str, org: str) -> None:
    licences.add("one", ORG, HOLDER, ends_at=at(2))
    with pytest.raises(EntryConflicts, match="startsAt: licences of one holder must not overlap"):
        licences.add(seller, org, HOLDER, starts_at=at(1))
    licences.add(seller, org, HOLDER, starts_at=at(2))


def test_the_seller_changes_by_ending_one_licence_and_adding_another(desk: Desk, licences: Licences) -> None:
    first = licences.add("one", ORG, HOLDER)
    desk.advance(hours=1)
    licences.end(first.id)
    second = licences.add("two", ORG, HOLDER)
    assert [one.partner_id for one in licences.of(holder_uuid=HOLDER, at=at(0.5))] == ["one"]
    assert licences.of(holder_uuid=HOLDER, at=at(1)) == [second]
    assert licences.end(first.id).ends_at == at(1)


def test_what_is_unknown_or_ends_before_it_starts_is_refused(licences: Licences) -> None:
    with pytest.raises(PartnerUnknown):
        licences.add("nobody", ORG, HOLDER)
    with pytest.raises(OrganizationUnknown):
        licences.add("one", HOLDER, HOLDER)
    with pytest.raises(EntryConflicts, match="endsAt"):
        licences.add("one", ORG, HOLDER, ends_at=START)
    with pytest.raises(EntryUnknown, match="licence"):
        licences.end("nonsense")
    assert licences.of() == []


def test_licences_are_listed_by_seller_organization_holder_moment_and_page(licences: Licences) -> None:
    past = licences.add("one", ORG, HOLDER, starts_at=at(-2), ends_at=at(-1), licence_id="a")
    present = licences.add("two", ORG, HOLDER, licence_id="b")
    other = licences.add("one", OTHER_ORG, OTHER_HOLDER, licence_id="c")
    assert licences.of("one") == [past, other]
    assert licences.of(org_uuid=ORG) == [past, present]
    assert licences.of("one", ORG, HOLDER) == [past]
    assert licences.of(at=START) == [present, other]
    assert licences.of(limit=2) == [past, present]
    assert licences.of(after="b", limit=2) == [other]


def test_only_what_has_not_begun_is_taken_back(licences: Licences) -> None:
    planned = licences.add("one", ORG, HOLDER, starts_at=at(1))
    licences.take_back(planned.id)
    begun = licences.add("one", ORG, HOLDER)
    with pytest.raises(EntryConflicts, match="has begun"):
        licences.take_back(begun.id)
    assert licences.of() == [begun]
