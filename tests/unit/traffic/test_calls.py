"""What holds for the records of every kind of call, and for those between two ends."""

from datetime import datetime
from typing import Any

import pytest

from cdrelay.records.fields import BY_NAME, FIELDS, Kind
from cdrelay.traffic.mix import KINDS, MOST_RECORDS
from cdrelay.traffic.organizations import Organization

KIND_NAMES = [kind.name for kind in KINDS]
SEEDS = range(40)
# Called and calling numbers of emergencies are short; all others are of the ranges set aside for fiction.
REGIONS = ("+1", "+44163296", "+4930231")


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.fixture(params=KIND_NAMES)
def kind_records(request, make_call) -> list[dict[str, Any]]:
    """The records of forty calls of one kind."""
    return [record for seed in SEEDS for record in make_call(request.param, seed)]


def test_every_record_has_the_87_keys_in_wire_order(kind_records):
    names = [field.name for field in FIELDS]

    assert all(list(record) == names for record in kind_records)


def test_only_the_two_durations_are_numbers(kind_records):
    for record in kind_records:
        assert {key for key, value in record.items() if not isinstance(value, str)} == {"Duration", "Hold duration"}


def test_values_are_of_their_kind_or_a_gap(kind_records):
    for record in kind_records:
        for name, value in record.items():
            if value in {"", "NA", "na"}:
                continue
            kind = BY_NAME[name].kind
            if kind is Kind.UUID:
                assert len(value) == 36, name
            elif kind is Kind.TIMESTAMP:
                assert len(value) == 24, name
                assert value.endswith("Z"), name
            elif kind is Kind.INTEGER:
                int(value)


def test_enumerated_values_are_documented_ones(kind_records):
    for record in kind_records:
        for name, value in record.items():
            documented = BY_NAME[name].values
            assert not documented or value in {*documented, "", "NA"}, name


def test_durations_follow_from_the_times(kind_records):
    for record in kind_records:
        start, release = milliseconds(record["Start time"]), milliseconds(record["Release time"])
        if record["Answered"] == "true":
            answer = milliseconds(record["Answer time"])
            assert start <= answer <= release
            assert record["Duration"] == (release - answer) // 1000
            assert record["Ring duration"] == str((answer - start) // 1000)
            assert 0 <= record["Hold duration"] <= record["Duration"]
        else:
            assert record["Answer time"] == ""
            assert record["Duration"] == 0
            assert record["Ring duration"] == str((release - start) // 1000)
            assert record["Answer indicator"] == "No"


def test_report_time_is_the_end_of_the_call(kind_records):
    for record in kind_records:
        assert record["Report time"] == "2026-03-02T14:03:41.223Z"
        assert record["Release time"] <= record["Report time"]


def test_report_ids_are_distinct_version_3_uuids(kind_records):
    ids = [record["Report ID"] for record in kind_records]

    assert len(set(ids)) == len(ids)
    assert all(each[14] == "3" and each[19] in "89ab" for each in ids)


def test_owner_site_and_numbers_belong_to_the_organization(kind_records, organization: Organization):
    services = [team.service for team in organization.hunt_groups + organization.queues]
    parties = [*organization.users, *organization.workspaces, *services, organization.attendant, *organization.trunks]
    by_uuid = {party.uuid: party for party in parties}
    for record in kind_records:
        party = by_uuid[record["User UUID"]]
        assert record["Org UUID"] == organization.uuid
        assert record["User"] == party.name
        assert record["User type"] == party.user_type
        assert record["User number"] == (party.number or party.extension)
        assert record["Site UUID"] == party.site.uuid
        assert record["Location"] == party.site.name
        assert record["Site timezone"] == str(party.site.city.utc_minutes)


def test_numbers_are_of_ranges_set_aside_for_fiction(kind_records):
    for record in kind_records:
        for name in ("Called number", "Calling number", "User number", "Site main number"):
            number = record[name]
            assert len(number) <= 4 or number.startswith(REGIONS), name
            assert not number.startswith("+1") or number[5:10] == "55501", name


def test_sides_of_a_leg_mirror_each_other(kind_records):
    by_call_id = {record["Local call ID"]: record for record in kind_records}
    for record in kind_records:
        if record["Remote call ID"]:
            other = by_call_id[record["Remote call ID"]]
            assert other["Remote call ID"] == record["Local call ID"]
            for name in ("Network call ID", "Correlation ID", "Start time", "Answer time", "Called number"):
                assert other[name] == record[name], name
            assert {record["Direction"], other["Direction"]} == {"ORIGINATING", "TERMINATING"}


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_mean_records_are_as_stated(kind, make_call):
    sizes = [len(make_call(kind.name, seed)) for seed in range(300)]

    assert max(sizes) <= MOST_RECORDS
    assert sum(sizes) / len(sizes) == pytest.approx(kind.mean_records, rel=0.1)


def test_shares_of_kinds_are_of_a_thousand():
    assert sum(kind.permille for kind in KINDS) == 1000


def test_internal_call_is_one_pair(make_call):
    caller, callee = make_call("internal", 1)

    assert caller["Direction"] == "ORIGINATING"
    assert caller["Call type"] == callee["Call type"] == "SIP_ENTERPRISE"
    assert caller["Remote call ID"] == callee["Local call ID"]
    assert caller["Dialed digits"]
    assert callee["Dialed digits"] == ""
    assert {caller["Releasing party"], callee["Releasing party"]} == {"Local", "Remote"}


def test_pstn_calls_have_one_side_and_name_trunk_or_provider(make_call):
    for seed in SEEDS:
        (inbound,) = make_call("pstn_inbound", seed)
        (outbound,) = make_call("pstn_outbound", seed)
        assert inbound["Direction"] == "TERMINATING"
        assert inbound["Call type"] == "SIP_INBOUND"
        assert bool(inbound["Inbound trunk"]) != bool(inbound["PSTN vendor name"])
        assert outbound["Direction"] == "ORIGINATING"
        assert bool(outbound["Outbound trunk"]) != bool(outbound["PSTN provider ID"])
        assert bool(outbound["Outbound trunk"]) == bool(outbound["Route group"])
        assert outbound["Calling number"] == outbound["User number"]
        assert len(outbound["Caller ID number"]) > 4
        assert inbound["Remote call ID"] == outbound["Remote call ID"] == ""


def test_international_call_names_another_country(make_call):
    for seed in SEEDS:
        (record,) = make_call("international", seed)
        assert record["Call type"] == "SIP_INTERNATIONAL"
        prefix = {"US": "+1", "GB": "+44", "DE": "+49"}[record["International country"]]
        assert record["Called number"].startswith(prefix)
        assert not record["Site main number"].startswith(prefix)
        assert record["Dialed digits"].endswith(record["Called number"][1:])


def test_emergency_call_shows_where_help_must_go(make_call):
    for seed in SEEDS:
        (record,) = make_call("emergency", seed)
        assert record["Call type"] == "SIP_EMERGENCY"
        assert record["Called number"] in {"911", "999", "112"}
        assert record["ELIN"]
        assert record["Emergency number source"] == (
            "Workspace ELIN" if record["User type"] == "Place" else "ELIN Pool"
        )


def test_unanswered_call_is_a_success_that_nobody_took(make_call):
    for seed in SEEDS:
        for record in make_call("unanswered", seed):
            assert record["Answered"] == "false"
            assert record["Call outcome"] == "Success"
            assert record["Call outcome reason"] == "NoAnswer"
            assert record["Release time"] == record["Report time"]


def test_busy_call_does_not_ring(make_call):
    for record in make_call("busy", 3):
        assert record["Call outcome reason"] == "UserBusy"
        assert record["Ring duration"] == "0"


def test_recorded_call_says_by_whom_and_how(make_call):
    (record,) = make_call("recorded", 5)

    assert record["Call Recording Platform Name"]
    assert record["Call Recording Result"]
    assert record["Call Recording Trigger"]
