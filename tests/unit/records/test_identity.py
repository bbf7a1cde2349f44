from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given

from cdrelay.records.identity import Identity, Plausible, RecordRefused, identify, read_identity
from cdrelay.records.wire import decode_object, read_record
from tests.support.records import RECORD_FILES, example, json_text, stored_records

PLAUSIBLE = Plausible(datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
MILLISECOND = timedelta(milliseconds=1)


def _either(raw: bytes, read: Any) -> Identity | str:
    try:
        found: Identity = read(raw)
    except RecordRefused as refusal:
        return refusal.field
    return found


def _thorough(raw: bytes) -> Identity:
    return identify(read_record(decode_object(raw)).values, PLAUSIBLE)


@given(stored_records())
def test_the_quick_and_the_thorough_reading_agree(wire: dict[str, Any]) -> None:
    raw = json_text(wire).encode()
    assert _either(raw, lambda text: read_identity(text, PLAUSIBLE)) == _either(raw, _thorough)


@pytest.mark.parametrize("name", RECORD_FILES)
def test_example_records_have_an_identity(name: str) -> None:
    raw = msgspec.json.encode(example(name))
    assert read_identity(raw, PLAUSIBLE) == _thorough(raw)


def _record(**changes: Any) -> bytes:
    names = {"org": "Org UUID", "report": "Report ID", "time": "Report time"}
    wire = example("captured_answered") | {names[key]: value for key, value in changes.items()}
    return msgspec.json.encode(wire)


@pytest.mark.parametrize("value", ["", "NA", "na", None, "42", 42, {"id": 1}, "f18c27ab5d043e9bb6f27a30c8d15e94", " "])
@pytest.mark.parametrize(("change", "field"), [("report", "Report ID"), ("org", "Org UUID"), ("time", "Report time")])
def test_a_record_without_a_usable_key_is_refused_by_the_name_of_the_field(
    change: str, field: str, value: object
) -> None:
    with pytest.raises(RecordRefused, match=f"^{field}: is missing") as refusal:
        read_identity(_record(**{change: value}), PLAUSIBLE)
    assert refusal.value.field == field


@pytest.mark.parametrize("field", ["Org UUID", "Report ID", "Report time"])
def test_a_record_that_lacks_a_key_is_refused(field: str) -> None:
    wire = example("captured_answered")
    del wire[field]
    with pytest.raises(RecordRefused, match=field):
        read_identity(msgspec.json.encode(wire), PLAUSIBLE)


@pytest.mark.parametrize("moment", [PLAUSIBLE.oldest, PLAUSIBLE.newest])
def test_both_ends_of_what_is_plausible_are_believed(moment: datetime) -> None:
    assert read_identity(_record(time=moment.isoformat()), PLAUSIBLE).report_time == moment


@pytest.mark.parametrize("moment", [PLAUSIBLE.oldest - MILLISECOND, PLAUSIBLE.newest + MILLISECOND])
def test_a_time_outside_what_is_plausible_is_not_believed(moment: datetime) -> None:
    with pytest.raises(RecordRefused, match="is not plausible"):
        read_identity(_record(time=moment.isoformat()), PLAUSIBLE)


def test_letter_case_of_a_uuid_makes_no_other_record() -> None:
    wire = example("captured_answered")
    shouted = wire | {name: wire[name].upper() for name in ("Org UUID", "Report ID")}
    assert read_identity(msgspec.json.encode(shouted), PLAUSIBLE) == read_identity(msgspec.json.encode(wire), PLAUSIBLE)


def test_bytes_that_are_no_utf8_are_refused_wherever_they_stand() -> None:
    """The parser passes over the values it need not read, so that a name in Latin-1 was found only by the loader."""
    raw = _record().replace(b"Tomas", b"Tom\xe9s")
    with pytest.raises(RecordRefused, match=r"^record: is no JSON object"):
        read_identity(raw, PLAUSIBLE)


@pytest.mark.parametrize("raw", [b"[]", b"7", b"null", b"", b"{", b"[" * 5_000, b'{"a":' * 5_000])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RecordRefused, match=r"^record: is no JSON object"):
        read_identity(raw, PLAUSIBLE)


def test_a_refusal_quotes_nothing_of_the_record() -> None:
    with pytest.raises(RecordRefused) as refusal:
        read_identity(_record(report="+14085550143"), PLAUSIBLE)
    assert "5550143" not in str(refusal.value)
