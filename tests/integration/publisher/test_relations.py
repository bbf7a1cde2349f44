"""Calling relationships in a real database: what overlaps is refused, what was in force once stays."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from cdrelay.contract.windows import EPOCH, Period
from cdrelay.publisher.directory.relations import Relations
from cdrelay.publisher.errors import EntryConflicts, EntryUnknown, OrganizationUnknown, PartnerUnknown
from cdrelay.publisher.parties import Relation
from tests.integration.publisher.directory_bench import Desk
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START

HOUR = timedelta(hours=1)


@pytest.fixture
def relations(desk: Desk) -> Relations:
    """With a partner and two organizations that have nothing to do with it yet."""
    desk.directory.add_partner("Reseller", "one")
    for org in (ORG, OTHER_ORG):
        desk.directory.add_organization(org)
    return desk.relations


def at(hours: float) -> datetime:
    """So many hours from the start."""
    return START + hours * HOUR


def test_a_relation_begins_now_and_lasts_unless_told_otherwise(relations: Relations) -> None:
    added = relations.add("one", ORG)
    assert added == Relation(added.id, "one", ORG, "managed", START)
    assert relations.get(added.id) == added
    assert relations.of() == [added]


def test_a_relation_is_ended_once_and_again_changes_nothing(desk: Desk, relations: Relations) -> None:
    added = relations.add("one", ORG)
    desk.advance(hours=1)
    assert relations.end(added.id).ends_at == at(1)
    desk.advance(hours=1)
    assert relations.end(added.id).ends_at == at(1)


def test_an_end_in_the_future_is_moved_and_taken_away(desk: Desk, relations: Relations) -> None:
    added = relations.add("one", ORG, ends_at=at(8))
    assert relations.end(added.id, at(9)).ends_at == at(9)
    assert relations.set_end(added.id, None).ends_at is None
    relations.set_end(added.id, at(9))
    desk.advance(hours=1)
    assert relations.end(added.id).ends_at == at(1)


@pytest.mark.parametrize("hours", [-1, 0])
def test_an_end_that_is_not_after_the_start_is_refused(relations: Relations, hours: float) -> None:
    with pytest.raises(EntryConflicts, match="endsAt: must be after startsAt"):
        relations.add("one", ORG, ends_at=at(hours))
    added = relations.add("one", ORG)
    with pytest.raises(EntryConflicts, match="endsAt"):
        relations.end(added.id, at(hours))
    assert relations.get(added.id).ends_at is None


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (1, 2), (-1, 1), (-1, None), (3, 5), (-1, 9)], ids=lambda hours: f"{hours}"
)
def test_what_would_overlap_is_refused(relations: Relations, start: float, end: float | None) -> None:
    added = relations.add("one", ORG, starts_at=at(0), ends_at=at(4))
    with pytest.raises(EntryConflicts, match="startsAt: relations of one partner, organization and kind"):
        relations.add("one", ORG, starts_at=at(start), ends_at=None if end is None else at(end))
    assert relations.of() == [added]


def test_what_touches_or_is_of_another_kind_or_organization_does_not_overlap(relations: Relations) -> None:
    relations.add("one", ORG, starts_at=at(0), ends_at=at(4))
    relations.add("one", ORG, starts_at=at(4))
    relations.add("one", ORG, starts_at=at(-4), ends_at=at(0))
    relations.add("one", ORG, "subscription", starts_at=at(0))
    relations.add("one", OTHER_ORG, starts_at=at(0))
    assert len(relations.of()) == 5


def test_an_end_that_would_reach_into_the_next_relation_is_refused(relations: Relations) -> None:
    first = relations.add("one", ORG, ends_at=at(4))
    relations.add("one", ORG, starts_at=at(5))
    assert relations.end(first.id, at(5)).ends_at == at(5)
    for ends_at in (at(6), None):
        with pytest.raises(EntryConflicts, match="overlap"):
            relations.set_end(first.id, ends_at)


def test_what_nobody_knows_is_refused(relations: Relations) -> None:
    with pytest.raises(PartnerUnknown):
        relations.add("two", ORG)
    with pytest.raises(OrganizationUnknown):
        relations.add("one", ORG.replace("1", "7"))
    for ask in (relations.get, relations.end, relations.take_back):
        with pytest.raises(EntryUnknown, match="there is no relation 'nonsense'"):
            ask("nonsense")
    added = relations.add("one", ORG, relation_id="given")
    with pytest.raises(EntryConflicts, match="id"):
        relations.add("one", OTHER_ORG, relation_id=added.id)


def test_only_what_has_not_begun_is_taken_back(relations: Relations) -> None:
    begun, planned = relations.add("one", ORG, ends_at=at(1)), relations.add("one", ORG, starts_at=at(1))
    relations.take_back(planned.id)
    with pytest.raises(EntryConflicts, match="has begun"):
        relations.take_back(begun.id)
    assert relations.of() == [begun]


def test_of_many_who_add_the_same_relation_at_once_one_succeeds(relations: Relations) -> None:
    def add(_number: int) -> bool:
        try:
            relations.add("one", ORG)
        except EntryConflicts:
            return False
        return True

    with ThreadPoolExecutor(8) as people:
        assert sum(people.map(add, range(16))) == 1
    assert len(relations.of()) == 1


def test_relations_are_listed_by_partner_organization_moment_and_page(desk: Desk, relations: Relations) -> None:
    desk.directory.add_partner("Second", "two")
    past = relations.add("one", ORG, starts_at=at(-9), ends_at=at(-8), relation_id="a")
    present = relations.add("one", OTHER_ORG, relation_id="b")
    others = relations.add("two", ORG, relation_id="c")
    assert relations.of("one") == [past, present]
    assert relations.of(org_uuid=ORG) == [past, others]
    assert relations.of("one", ORG) == [past]
    assert relations.of(at=at(-8.5)) == [past]
    assert relations.of(at=at(-8)) == []
    assert relations.of(at=START) == [present, others]
    assert relations.of(limit=2) == [past, present]
    assert relations.of(after="b", limit=2) == [others]


def test_assigning_keeps_a_lasting_relation_and_begins_a_new_one_after_the_end(
    desk: Desk, relations: Relations
) -> None:
    desk.directory.assign(ORG, "one", starts_at=EPOCH)
    desk.directory.assign(ORG, "one")
    (first,) = relations.of()
    assert first.starts_at == EPOCH
    relations.end(first.id)
    with pytest.raises(EntryConflicts):
        desk.directory.assign(ORG, "one", starts_at=at(-1))
    desk.directory.assign(ORG, "one")
    assert len(relations.of("one", ORG)) == 2
    assert desk.directory.organization(ORG).partner_ids == ("one",)


def test_a_partner_is_entitled_to_the_calls_of_the_time_of_the_relation(desk: Desk, relations: Relations) -> None:
    relations.add("one", ORG, starts_at=at(1), ends_at=at(2))
    assert desk.entitlement.organizations_of("one", Period(at(0), at(1))) == []
    assert desk.entitlement.organizations_of("one", Period(at(1), at(2))) == [ORG]
    assert desk.entitlement.organizations_of("one", Period(at(2), at(3))) == []
