"""A person goes from a record with their whole side; the others, and everything that counts, stay."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.records.fields import BY_COLUMN, FIELDS, Kind
from cdrelay.records.personal import ERASED, KNOWN_BY, PERSONAL, erased, erased_json, forms_of, tells_of
from cdrelay.records.wire import CallRecord, encode_object, read_record, write_record
from tests.support.records import RECORD_FILES, example

USER = "47f0d0c2-f05a-44cc-870d-7a3daf859c6c"


def knowing(*texts: str):
    known = frozenset().union(*map(forms_of, texts))
    return lambda text: not known.isdisjoint(forms_of(text))


def call(direction: str, **more: object) -> CallRecord:
    values = {
        "direction": direction,
        "user": "Alice Reed",
        "user_uuid": USER,
        "user_number": "+14085550101",
        "device_mac": "6C710D8ABC10",
        "calling_number": "+14085550101" if direction == "ORIGINATING" else "+14155550177",
        "calling_line_id": "Alice Reed" if direction == "ORIGINATING" else "Bob Stone",
        "called_number": "+14155550177" if direction == "ORIGINATING" else "+14085550101",
        "called_line_id": "Bob Stone" if direction == "ORIGINATING" else "Alice Reed",
        "duration": 36,
        "report_id": "0a0c2eb7-f1f6-3326-86f9-565d2e11553d",
        "correlation_id": "8e8e1dc7-4f25-4595-b9c7-26237f824535",
        "start_time": datetime(2026, 3, 2, 14, tzinfo=UTC),
        "redirecting_number": "+14085550150",
    }
    return CallRecord(values | more, {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+14085550101", "+1 (408) 555-0101"),
        ("+14085550101", "0014085550101"),
        ("+14085550101", "tel:+1-408-555-0101"),
        ("+14085550101", "sip:+14085550101@example.com;user=phone"),
        ("alice@example.com", "SIP:Alice@Example.com"),
        ("Alice Reed", "  alice   REED "),
        ("6C710D8ABC10", "6c:71:0d:8a:bc:10"),
        (USER, USER.upper()),
        (USER, USER.replace("-", "")),
    ],
)
def test_a_value_is_known_however_it_is_written(one: str, other: str) -> None:
    assert forms_of(one) & forms_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("+14085550101", "+14085550102"), ("Alice Reed", "Alice Reedy"), ("101", "+14085550101"), ("x1", "x1")],
)
def test_other_values_and_those_too_short_are_not_taken_for_it(one: str, other: str) -> None:
    assert not forms_of(one) & forms_of(other)


@pytest.mark.parametrize("known", ["alice reed", "+1 408 555 0101", USER, "6c:71:0d:8a:bc:10"])
@pytest.mark.parametrize(("direction", "own"), [("ORIGINATING", "calling"), ("TERMINATING", "called")])
def test_the_owner_of_a_record_goes_with_the_side_they_were_on(known: str, direction: str, own: str) -> None:
    record = call(direction)
    left = erased(record, knowing(known))
    assert left is not None
    changed = {column for column in record.values if left.values.get(column) != record.values[column]}
    assert changed == {"user", "user_uuid", "user_number", "device_mac", f"{own}_number", f"{own}_line_id"}
    assert left.values["user"] == ERASED
    assert "user_uuid" not in left.values


def test_the_other_party_goes_and_the_owner_stays() -> None:
    record = call("TERMINATING")
    left = erased(record, knowing("Bob Stone"))
    assert left is not None
    assert {c for c in record.values if left.values.get(c) != record.values[c]} == {"calling_number", "calling_line_id"}


def test_of_keys_nobody_documented_nothing_is_left_in_a_record_that_is_touched() -> None:
    record = CallRecord(
        {"duration": 36}, {"Caller nick": {"deep": ["sip:alice@example.com"]}, "Colour": "red", "Duration": "long"}
    )
    left = erased(record, knowing("alice@example.com"))
    assert left is not None
    assert left.extra == {"Caller nick": ERASED, "Colour": ERASED, "Duration": "long"}
    assert left.values == {"duration": 36}


def test_a_record_of_others_is_not_touched() -> None:
    assert erased(call("ORIGINATING"), knowing("Carol Jones", "+14085550199")) is None


@pytest.mark.parametrize("name", RECORD_FILES)
def test_whatever_tells_of_a_person_in_a_real_record_is_gone_and_the_rest_is_there(name: str) -> None:
    record = read_record(example(name))
    for field in KNOWN_BY:
        value = record.values.get(field.column)
        if not isinstance(value, str):
            continue
        knows = knowing(value)
        left = erased(record, knows)
        assert left is not None, field.column
        assert erased(left, knows) is None, "again finds nothing"
        assert not tells_of(encode_object({f.name: left.values.get(f.column) for f in KNOWN_BY}), knows)
        kept = {f.column for f in FIELDS if not f.side}
        assert {c: left.values.get(c) for c in kept} == {c: record.values.get(c) for c in kept}


@given(st.sampled_from([field.column for field in PERSONAL]))
def test_a_record_that_was_erased_reads_as_itself(column: str) -> None:
    record = call("ORIGINATING", **{column: USER if BY_COLUMN[column].kind is Kind.UUID else "+14085550101"})
    left = erased(record, knowing("+14085550101", USER))
    assert left is not None
    assert read_record(json.loads(encode_object(write_record(left)))) == left


def test_of_what_is_no_record_nothing_is_left_where_it_tells_of_the_person() -> None:
    knows = knowing("+14085550101")
    broken = b'{"Calling number": "+1408555\\u00300101" ... "+14085550101", "x"'
    assert erased_json(broken, lambda record: None, knows) == ERASED.encode()
    assert erased_json(b"<html>4085550101</html>", lambda record: None, knows) == b"<html>4085550101</html>"
    assert erased_json(b"<html>14085550101</html>", lambda record: None, knows) == ERASED.encode()


def test_no_count_duration_time_or_id_of_the_record_is_personal() -> None:
    assert not {field.column for field in PERSONAL} & {"report_id", "correlation_id", "org_uuid", "site_uuid"}
    assert {field.kind for field in PERSONAL} == {Kind.TEXT, Kind.UUID}
