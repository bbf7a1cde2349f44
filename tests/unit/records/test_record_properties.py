"""Whatever a provider sends: read, written and read again, it is the same record, and nothing of it is lost."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cdrelay.records.fields import FIELDS, field_for
from cdrelay.records.values import Misfit, Value, is_gap, read_value
from cdrelay.records.wire import CallRecord, decode_object, encode_extra, encode_object, read_record, write_record
from tests.support.records import Number, encodings, json_text, meanings, wire_objects


def _decoded(wire: dict[str, Any]) -> dict[str, Any]:
    return decode_object(json_text(wire).encode())


def _told(record: CallRecord) -> tuple[Any, str | None]:
    """A record for comparison, in which 1, 1.0 and true differ."""
    return [(column, type(value), value) for column, value in sorted(record.values.items())], encode_extra(record.extra)


@given(wire_objects)
def test_what_is_written_reads_as_what_was_read(wire: dict[str, Any]) -> None:
    record = read_record(_decoded(wire))
    assert _told(read_record(write_record(record))) == _told(record)


@given(wire_objects)
def test_what_is_written_as_json_text_reads_as_what_was_read(wire: dict[str, Any]) -> None:
    record = read_record(_decoded(wire))
    assert _told(read_record(decode_object(encode_object(write_record(record))))) == _told(record)


@given(wire_objects)
@example({"Novelty": Number("-0E0")})
def test_the_written_form_is_written_again_byte_for_byte(wire: dict[str, Any]) -> None:
    written = encode_object(write_record(read_record(_decoded(wire))))
    assert encode_object(write_record(read_record(decode_object(written)))) == written


@given(wire_objects)
def test_the_written_form_has_all_fields_in_wire_order_and_then_the_rest_by_name(wire: dict[str, Any]) -> None:
    keys = list(write_record(read_record(_decoded(wire))))
    assert keys[:87] == [field.name for field in FIELDS]
    assert keys[87:] == sorted(keys[87:])


@given(wire_objects)
def test_every_value_that_is_no_gap_is_in_a_column_or_beside_them(wire: dict[str, Any]) -> None:
    decoded = _decoded(wire)
    record = read_record(decoded)
    for key, raw in decoded.items():
        field = field_for(key)
        if field is None:
            assert encode_object({key: record.extra[key]}) == encode_object({key: raw})
        elif not is_gap(field, raw):
            assert raw in _kept(record, key) or _typed(key, raw) in _kept(record, key)


def _kept(record: CallRecord, key: str) -> list[Any]:
    field = field_for(key)
    assert field is not None
    return [record.values.get(field.column), record.extra.get(field.name), record.extra.get(key)]


def _typed(key: str, raw: Any) -> Value:
    field = field_for(key)
    assert field is not None
    try:
        return read_value(field, raw)
    except Misfit:
        return "a value that nobody kept"


@given(st.data())
def test_every_encoding_reads_as_what_it_means(data: st.DataObject) -> None:
    meaning = data.draw(meanings())
    record = read_record(_decoded(data.draw(encodings(meaning))))
    assert _told(record) == _told(CallRecord(meaning, {}))


@given(st.data())
def test_two_encodings_of_one_record_are_written_alike(data: st.DataObject) -> None:
    meaning = data.draw(meanings())
    one, other = (read_record(_decoded(data.draw(encodings(meaning)))) for _ in range(2))
    assert encode_object(write_record(one)) == encode_object(write_record(other))


@given(wire_objects, st.randoms(use_true_random=False))
def test_the_order_of_keys_says_nothing(wire: dict[str, Any], random: Any) -> None:
    shuffled = list(wire.items())
    random.shuffle(shuffled)
    assert _told(read_record(_decoded(dict(shuffled)))) == _told(read_record(_decoded(wire)))


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1.5e-99999999999999999999"])
def test_a_number_beyond_any_arithmetic_does_not_stop_its_record(number: str) -> None:
    """Found here: the decimal module refuses such exponents, and the loader met an error that nobody expected."""
    record = read_record(decode_object(f'{{"Duration": {number}, "Novelty": {number}}}'.encode()))
    assert record == CallRecord({}, {"Duration": number, "Novelty": number})


def _deeper(levels: int, read: Callable[[], CallRecord]) -> CallRecord:
    return _deeper(levels - 1, read) if levels else read()


@pytest.mark.parametrize("key", ["Novelty", "Duration"])
def test_what_one_reader_could_read_every_other_can(key: str) -> None:
    """Found here: parsers count levels on the stack, so that a tick could not read what a loader had just stored."""
    nested = "[" * 800 + "]" * 800
    record = read_record(decode_object(f'{{"{key}": {nested}}}'.encode()))
    written = encode_object(write_record(record))
    assert record.extra == {key: nested}
    assert _deeper(500, lambda: read_record(decode_object(written))) == record


@pytest.mark.parametrize(("levels", "kind"), [(1, list), (64, list), (65, str)])
def test_structures_of_up_to_64_levels_stay_structures(levels: int, kind: type) -> None:
    record = read_record(decode_object(b'{"Novelty":' + b"[" * levels + b"]" * levels + b"}"))
    assert isinstance(record.extra["Novelty"], kind)


def test_an_unknown_fraction_comes_out_digit_for_digit() -> None:
    wire = write_record(read_record(decode_object(b'{"Novelty": 0.10000000000000000000000000010}')))
    assert encode_object(wire).endswith(b'"Novelty":0.10000000000000000000000000010}')


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"", b"{", b'{"a":NaN}', b"{} {}"])
def test_what_is_no_json_object_is_no_record(raw: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_object(raw)
