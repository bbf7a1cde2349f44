"""Traffic by the second."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdrelay.traffic import Faults, Plan, Traffic

MONDAY_TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)
ALL_FAULTS = Faults(late=0.3, duplicate=0.3, corrected=0.3, unknown_key=0.3, broken=0.1)
SPLIT = Traffic(Plan(seed=5, organizations=3, records_per_second=4, faults=ALL_FAULTS, time_scale=60))
WHOLE = list(SPLIT.between(MONDAY_TEN, MONDAY_TEN + timedelta(seconds=30)))


def span(traffic: Traffic, seconds: float, start: datetime = MONDAY_TEN) -> list[bytes]:
    return list(traffic.between(start, start + timedelta(seconds=seconds)))


@pytest.mark.parametrize("faults", [Faults(), ALL_FAULTS], ids=["sound", "faulty"])
def test_the_same_plan_gives_the_same_bytes_whatever_was_asked_before(faults):
    plan = Plan(seed=9, organizations=4, faults=faults)
    asked_before = Traffic(plan)
    span(asked_before, 3, MONDAY_TEN - timedelta(hours=1))

    assert span(asked_before, 5) == span(Traffic(plan), 5) != []


def test_another_seed_gives_other_calls():
    assert set(span(Traffic(Plan(seed=1)), 5)).isdisjoint(span(Traffic(Plan(seed=2)), 5))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 30_000), max_size=4))
def test_spans_that_meet_anywhere_equal_one_long_span(cuts):
    edges = [MONDAY_TEN + timedelta(milliseconds=each) for each in (0, *sorted(cuts), 30_000)]
    pieces = [record for start, end in pairwise(edges) for record in SPLIT.between(start, end)]

    assert pieces == WHOLE


def test_an_empty_or_backward_span_has_no_records():
    traffic = Traffic(Plan())

    assert span(traffic, 0) == span(traffic, -5) == []


def test_records_come_in_order_of_report_time_within_the_span():
    times = [json.loads(record)["Report time"] for record in span(Traffic(Plan(records_per_second=100)), 10)]

    assert times == sorted(times)
    assert times[0] >= "2026-03-02T10:00:00.000Z"
    assert times[-1] < "2026-03-02T10:00:10.000Z"


def test_no_record_holds_a_line_break():
    assert not any(b"\n" in record for record in span(Traffic(Plan()), 20))


@pytest.mark.parametrize("rate", [0.2, 20, 2000])
def test_the_rate_is_that_of_the_plan_in_the_busiest_hour(rate):
    seconds = max(2, 3600 if rate < 1 else 4000 // rate)
    count = len(span(Traffic(Plan(records_per_second=rate)), seconds))

    assert count == pytest.approx(rate * seconds, rel=0.25 if rate < 1 else 0.1)


def test_night_is_quiet_only_when_shaped():
    night = MONDAY_TEN - timedelta(hours=7)

    assert len(span(Traffic(Plan()), 100, night)) < 150
    assert len(span(Traffic(Plan(shaped=False)), 100, night)) == pytest.approx(2000, rel=0.15)


@settings(max_examples=20)
@given(st.integers(0, 300))
def test_records_gives_exactly_that_many_with_distinct_ids(count):
    records = list(Traffic(Plan()).records(count, MONDAY_TEN, MONDAY_TEN + timedelta(hours=1)))

    assert len({json.loads(record)["Report ID"] for record in records}) == len(records) == count


def test_records_are_spread_over_the_span():
    end = MONDAY_TEN + timedelta(hours=10)
    hours = Counter(json.loads(each)["Report time"][11:13] for each in Traffic(Plan()).records(2000, MONDAY_TEN, end))

    assert len(hours) == 10
    assert min(hours.values()) > 180


@pytest.mark.parametrize("faults", [ALL_FAULTS, Faults(late=1.0), Faults(duplicate=1.0)])
def test_records_counts_the_copies_that_faults_make(faults):
    traffic = Traffic(Plan(faults=faults))
    first, second = (list(traffic.records(500, MONDAY_TEN, MONDAY_TEN + timedelta(hours=3))) for _ in range(2))

    assert first == second
    assert len(first) == 500


def test_times_without_a_zone_are_refused():
    with pytest.raises(ValueError, match="zone"):
        Traffic(Plan()).between(datetime(2026, 3, 2), MONDAY_TEN)  # noqa: DTZ001


@pytest.mark.parametrize("wrong", [{"organizations": 0}, {"records_per_second": -1.0}, {"time_scale": 0.0}])
def test_plans_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"at least one|not negative|positive"):
        Plan(**wrong)


def test_every_kind_of_call_occurs():
    records = [json.loads(each) for each in Traffic(Plan()).records(6000, MONDAY_TEN, MONDAY_TEN + timedelta(hours=1))]
    seen = {name: {record[name] for record in records} for name in ("Call type", "User type", "Related reason")}

    assert seen["Call type"] > {"SIP_ENTERPRISE", "SIP_INBOUND", "SIP_NATIONAL", "SIP_INTERNATIONAL", "SIP_EMERGENCY"}
    assert seen["User type"] > {"User", "Place", "HuntGroup", "CallCenterStandard", "AutomatedAttendantVideo"}
    assert seen["Related reason"] > {"HuntGroup", "CallQueue", "ConsultativeTransfer", "CallForwardNoAnswer"}
    assert {record["Call outcome reason"] for record in records} == {"Normal", "NoAnswer", "UserBusy"}
    assert any(record["Call Recording Result"] for record in records)
    assert any(record["Redirect reason"] == "Deflection" for record in records)


def test_gaps_are_written_in_each_way_captured_records_do():
    records = [json.loads(each) for each in Traffic(Plan()).records(3000, MONDAY_TEN, MONDAY_TEN + timedelta(hours=1))]

    for name in ("Called line ID", "Calling line ID", "Public Calling IP Address", "Auto Attendant Key Pressed"):
        assert "NA" in {record[name] for record in records}, name
    assert {"na", ""} < {record["OS type"] for record in records}
