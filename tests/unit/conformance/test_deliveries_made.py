"""The bodies that the kit delivers."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count

from cdrelay.conformance.calls import (
    Calls,
    body_of,
    named,
    newer,
    oddly_spaced,
    plain_utf8,
    with_odd_types,
    with_unknown_keys,
)
from cdrelay.records.fields import BY_NAME
from cdrelay.records.wire import read_record

END = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
RECORDS = Calls().ended_before(END, 10)


def test_no_two_questions_give_the_same_calls_even_while_time_passes() -> None:
    calls = Calls()
    asked = [
        calls.ended_before(END + timedelta(milliseconds=ms), 20) for ms, _ in zip(count(), range(50), strict=False)
    ]
    asked += [calls.ended_before(END, 20) for _ in range(50)]

    ids = [record["Report ID"] for records in asked for record in records]
    assert len(set(ids)) == len(ids) == 2_000


def test_records_of_several_organizations_ended_before_the_end() -> None:
    records = Calls().ended_before(END, 200)

    assert max(record["Report time"] for record in records) < "2026-11-24T12:00:00.000Z"
    assert len({record["Org UUID"] for record in records}) > 1


def test_an_oddly_written_body_means_the_same_and_is_not_what_a_serialiser_writes() -> None:
    body = oddly_spaced(RECORDS)

    assert json.loads(body) == json.loads(body_of(RECORDS))
    assert body not in {json.dumps(json.loads(body), indent=indent).encode() for indent in (None, 1, 2, 3, 4)}


def test_a_name_is_the_same_in_both_ways_to_write_it() -> None:
    records = named(RECORDS, "Zoë 📞")

    assert json.loads(plain_utf8(records)) == json.loads(body_of(records))
    assert "Zoë 📞".encode() in plain_utf8(records)
    assert body_of(records).isascii()


def test_a_newer_version_has_the_same_id_and_a_later_report_time() -> None:
    for first, second in zip(RECORDS, newer(RECORDS), strict=True):
        assert second["Report ID"] == first["Report ID"]
        assert second["Report time"] > first["Report time"]
        assert second["Duration"] > first["Duration"]


def test_unknown_keys_are_unknown_and_leave_the_others_alone() -> None:
    for first, second in zip(RECORDS, with_unknown_keys(RECORDS), strict=True):
        assert second.items() >= first.items()
        assert not (second.keys() - first.keys()) & BY_NAME.keys()


def test_odd_types_stay_within_what_a_reader_of_both_forms_understands() -> None:
    for record in with_odd_types(RECORDS):
        assert read_record(record).extra == {}
