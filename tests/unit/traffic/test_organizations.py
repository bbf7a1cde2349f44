"""Invented customers."""

import json

import pytest

from cdrelay.traffic.organizations import build_organizations


@pytest.fixture(scope="module")
def organizations():
    return build_organizations(3, 60)


def test_the_same_seed_gives_the_same_organizations_and_more_of_them_leave_the_first_alone(organizations):
    assert build_organizations(3, 5) == organizations[:5]


def test_another_seed_gives_others(organizations):
    assert {each.uuid for each in build_organizations(4, 60)}.isdisjoint(each.uuid for each in organizations)


def test_every_organization_can_make_every_kind_of_call(organizations):
    for each in organizations:
        assert len(each.users) >= 4
        assert each.workspaces
        assert each.hunt_groups
        assert each.queues
        assert each.trunks
        assert all(len(team.agents) >= 4 for team in each.hunt_groups + each.queues)


def test_numbers_extensions_and_ids_are_given_out_once(organizations):
    for each in organizations:
        services = [team.service for team in each.hunt_groups + each.queues]
        parties = [*each.users, *each.workspaces, *services, each.attendant, *each.trunks]
        reserved = [number for site in each.sites for number in (site.main_number, site.elin)]
        numbers = reserved + [party.number for party in parties if party.number]
        assert len(set(numbers)) == len(numbers)
        assert len({party.extension for party in parties}) == len(parties)
        assert len({party.uuid for party in parties}) == len(parties)


def test_names_need_utf_8_and_an_escape(organizations):
    names = "".join(user.name for each in organizations for user in each.users)

    assert not names.isascii()
    assert '"' in names
    assert '\\"' in json.dumps(names)
