"""What goes wrong on request."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdrelay.records.fields import BY_NAME
from cdrelay.traffic import Faults, Plan, Traffic

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
TIME_SCALE = 60.0  # contract minutes pass in seconds


def traffic(faults: Faults | None = None) -> Traffic:
    plan = {"seed": 2, "organizations": 2, "records_per_second": 5.0, "shaped": False, "time_scale": TIME_SCALE}
    return Traffic(Plan(**plan, faults=faults or Faults()))


def between(source: Traffic, first: float, last: float) -> list[bytes]:
    return list(source.between(START + timedelta(seconds=first), START + timedelta(seconds=last)))


def read(records: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(record) for record in records]


def test_late_records_come_10_to_120_contract_minutes_after_they_ended_and_not_before():
    source = traffic(Faults(late=1.0))
    ended = set(between(traffic(), 0, 20))
    handed_over = {record: second for second in range(141) for record in between(source, second, second + 1)}

    assert ended <= set(handed_over)
    for record in ended:
        moment = datetime.fromisoformat(json.loads(record)["Report time"])
        ended_second = int((moment - START).total_seconds())
        assert 10 <= handed_over[record] - ended_second <= 120


def test_delays_differ():
    source = traffic(Faults(late=1.0))
    now = START + timedelta(seconds=200)
    ages = {
        (now - datetime.fromisoformat(record["Report time"])).seconds // 10
        for record in read(between(source, 200, 260))
    }

    assert len(ages) > 5


def test_duplicates_are_identical_and_come_after_the_first():
    source = traffic(Faults(duplicate=1.0))
    ended = between(traffic(), 0, 10)
    counts = Counter(between(source, 0, 60))

    assert all(counts[record] == 2 for record in ended)
    assert [record for record in between(source, 0, 1) if record in ended][: len(between(traffic(), 0, 1))]


def test_late_duplicates_come_twice_too():
    ended = between(traffic(), 0, 5)
    counts = Counter(between(traffic(Faults(late=1.0, duplicate=1.0)), 0, 200))

    assert all(counts[record] == 2 for record in ended)


def test_corrections_keep_the_id_and_change_duration_and_report_time():
    ended = read(between(traffic(), 0, 10))
    versions = defaultdict(list)
    for record in read(between(traffic(Faults(corrected=1.0)), 0, 80)):
        versions[record["Report ID"]].append(record)

    for record in ended:
        first, *later = versions[record["Report ID"]]
        assert first == record
        assert len(later) == (record["Answered"] == "true")
        for second in later:
            assert second["Report time"] > first["Report time"]
            assert second["Duration"] != first["Duration"]
            assert {key for key in first if first[key] != second[key]} == {"Report time", "Duration"}


def test_corrections_are_handed_over_at_their_report_time():
    times = [record["Report time"] for record in read(between(traffic(Faults(corrected=1.0)), 0, 60))]

    assert times == sorted(times)


def test_unknown_keys_are_added_to_what_the_record_was():
    for sound, record in zip(
        read(between(traffic(), 0, 20)), read(between(traffic(Faults(unknown_key=1.0)), 0, 20)), strict=True
    ):
        assert len(record.keys() - BY_NAME.keys()) == 1
        assert {key: record[key] for key in sound} == sound


def test_broken_records_are_broken_in_each_of_three_ways():
    ways = Counter()
    for record in read(between(traffic(Faults(broken=1.0)), 0, 60)):
        if not isinstance(record, dict):
            ways["no object"] += 1
        elif "Report ID" not in record:
            ways["no id"] += 1
        else:
            with pytest.raises(ValueError, match=r"Invalid isoformat string|out of range|must be in"):
                datetime.fromisoformat(record["Report time"])
            ways["impossible time"] += 1

    assert ways.keys() == {"no object", "no id", "impossible time"}


def test_turning_one_fault_up_leaves_sound_records_as_they_were():
    sound = set(between(traffic(), 0, 60))
    with_some = between(traffic(Faults(unknown_key=0.2)), 0, 60)
    share = sum(record not in sound for record in with_some) / len(with_some)

    assert len(with_some) == len(sound)
    assert share == pytest.approx(0.2, abs=0.08)


@pytest.mark.parametrize("name", ["late", "duplicate", "corrected", "unknown_key", "broken"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_what_is_no_probability_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Faults(**{name: value})
