"""The fast way into the lake and the thorough one store the same: whatever form a record comes in, one meaning."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdrelay.clock import ManualClock
from cdrelay.records.fields import BY_COLUMN, FIELDS, Kind
from cdrelay.records.identity import Plausible, RecordRefused, identify
from cdrelay.records.values import Value, write_timestamp
from cdrelay.records.wire import CallRecord, decode_object, encode_object, read_record, write_record
from tests.support.lake_builder import LakeBuilder, document, record, report_id
from tests.support.records import json_text, meanings, stored_records

ENDED = datetime(2026, 3, 2, 14, 3, 41, 223000, tzinfo=UTC)
PLAUSIBLE = Plausible(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
Opener = Callable[..., LakeBuilder]

TIMES = [
    "2026-03-02T14:03:41.223Z",
    "2026-03-02T14:03:41.223456Z",
    "2026-03-02 14:03:41.223",
    "2026-03-02T14:03:41Z",
    "2026-03-02T16:03:41.223+02:00",
    "2026-03-02T24:00:00.000Z",
    "2026-03-02T23:59:60.000Z",
    "2026-02-30T00:00:00.000Z",
    "2026-03-02T 4:03:41.223Z",
    "2026-03-02  4:03:41.223",
    "2026-03-02 14:03:41.+23",
    "2026-03-02 14:03:41.-23",
    "2026-03-02 14:03:41.22 ",
    " 026-03-02T14:03:41.223Z",
    "-026-03-02T14:03:41.223Z",
    "0000-03-02T14:03:41.223Z",
    "0001-01-01T00:00:00.000Z",
    "0999-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999999Z",
    "٢٠٢٦-03-02T14:03:41.223Z",
    "infinity",
    "epoch",
    "",
    "NA",
]
NUMBERS = [
    0, 7, -7, "7", "+7", "007", " 7", "7 ", "7.0", 7.0, 7.5, "7e0", "1e3", -0.0, "-0", "0x10", "1_000", "NaN", "inf",
    2**63 - 1, 2**63, -(2**63), str(2**63), 10**30, "99999999999999999999", True, "true", None, "", "na", [1], {"a": 1},
]  # fmt: skip
TEXTS = [
    "plain", " spaced ", "NUL \u0000 inside", "\u0000", "📞 Zoë Åström", "\U0010ffff", "\ufeff", "\u2028",
    'quote " and \\ ', "line\nfeed\r\n", "NA", "na", "Na", "null", "true", 5, 5.50, -0.0, 1e300, True, False, None,
    [], {}, {"b": [1.10]}, "x" * 2**20,
]  # fmt: skip


def stored(open_lake: Opener, name: str, records: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rows that these records make in a lake of their own."""
    lake = open_lake(name)
    lake.load(*records)
    return lake.contents()


def canonical(raw: bytes) -> bytes:
    return encode_object(write_record(read_record(decode_object(raw))))


def expected(raw: bytes) -> dict[str, Any]:
    """The row that the thorough reading makes of a record."""
    read = read_record(decode_object(raw))
    extra = dict(read.extra)
    return {field.column: read.values.get(field.column) for field in FIELDS} | {"extra": extra or None}


def as_expected(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"extra": None if row["extra"] is None else decode_object(row["extra"].encode())}


def parsed(texts: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """What the texts say, keys in their order; engines differ in the letters of `\\u000f`."""
    return sorted((tuple(decode_object(text).items()) for text in texts), key=str)


def variants(key: str, values: Sequence[Any]) -> list[bytes]:
    """A record for each value, all at once, so that each is read beside well-formed ones."""
    return [
        json.dumps(record((key, number), ENDED) | {key: value}, ensure_ascii=False).encode()
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("Release time", TIMES),
        ("Duration", NUMBERS),
        ("Site timezone", NUMBERS),
        ("Caller Reputation Score", [*NUMBERS, "0.1", "1e-7", "1e16", "1e22", "5e-324", "123456789.123456789", "-0.0"]),
        ("Answered", ["true", "false", "True", "t", "1", "yes", "on", 1, True, False, "NA"]),
        ("User", TEXTS),
        ("Final local SessionID", TEXTS),
    ],
)
def test_each_value_is_stored_as_the_thorough_reading_has_it(open_lake: Opener, key: str, values: list[Any]) -> None:
    records = variants(key, values)
    rows = stored(open_lake, "as it came", records)
    assert {row["report_id"]: as_expected(row) for row in rows} == {
        expected(raw)["report_id"]: expected(raw) for raw in records
    }


def test_a_report_time_is_believed_where_the_thorough_reading_believes_it(open_lake: Opener) -> None:
    lake = open_lake()
    plausible = Plausible(lake.clock.now() - lake.limits.max_age, lake.clock.now() + lake.limits.max_ahead)
    raws = [json.dumps(record(time, ENDED) | {"Report time": time}).encode() for time in TIMES]
    lake.load(*raws)
    believed, aside = {}, set()
    for number, raw in enumerate(raws):
        try:
            identity = identify(read_record(decode_object(raw)).values, plausible)
            believed[identity.report_id] = identity.report_time
        except RecordRefused:
            aside.add(number)
    assert {row["report_id"]: row["report_time"] for row in lake.rows()} == believed
    assert {one["index"] for one in lake.aside()} == aside
    assert len(believed) > 3


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(objects=st.lists(stored_records(), min_size=1, max_size=12))
def test_any_json_is_stored_like_its_canonical_form(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, Any]]
) -> None:
    came = [json_text(each).encode("utf-8", "surrogatepass") for each in objects]
    clock = ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
    one, other = (LakeBuilder(tmp_path_factory.mktemp(name), clock) for name in ("came", "canonical"))
    try:
        one.load(*came)
        other.load(*(canonical(raw) for raw in came))
        assert one.contents() == other.contents()
        assert {each["index"] for each in one.aside()} == {each["index"] for each in other.aside()}
    finally:
        one.close()
        other.close()


@settings(max_examples=10)
@given(told=st.lists(meanings(), min_size=1, max_size=8))
def test_what_a_record_means_comes_out_again(
    tmp_path_factory: pytest.TempPathFactory, told: list[dict[str, Value]]
) -> None:
    texts = []
    for number, values in enumerate(told):
        identity = read_record(record(number, ENDED)).values
        texts.append(encode_object(write_record(CallRecord({**values, **identity}, {}))))
    lake = LakeBuilder(tmp_path_factory.mktemp("meant"), ManualClock(datetime(2026, 11, 24, tzinfo=UTC)))
    try:
        lake.load(*texts)
        assert parsed(lake.everything()) == parsed(texts)
    finally:
        lake.close()


def test_a_key_that_comes_twice_counts_as_one_record_with_one_identity(open_lake: Opener) -> None:
    """The parser keeps the last of two equal keys, the engine the first: such a row once was stored under one id and
    looked up under the other, so that each repeat was stored again."""
    last = record("last", ENDED)
    raw = f'{{"Report ID":"{report_id("first")}",{json.dumps(last)[1:]}'.encode()
    lake = open_lake()
    assert [lake.load(raw).added for _ in range(2)] == [1, 0]
    assert [row["report_id"] for row in lake.rows()] == [report_id("last")]


@pytest.mark.parametrize("key", ["Org UUID", "Report time"])
def test_another_part_of_the_identity_may_come_twice_too(open_lake: Opener, key: str) -> None:
    others = {"Org UUID": "22222222-2222-4333-8444-555555555555", "Report time": "2026-03-01T00:00:00.000Z"}
    raw = f'{{"{key}":"{others[key]}",{json.dumps(record("a", ENDED))[1:]}'.encode()
    lake = open_lake()
    assert [lake.load(raw).added for _ in range(2)] == [1, 0]
    assert as_expected(lake.contents()[0]) == expected(raw)


@pytest.mark.parametrize("way", ["document", "printed", "gzip", "lines", "lines with CRLF and blanks", "bare", "data"])
def test_each_way_to_send_records_stores_the_same(open_lake: Opener, way: str) -> None:
    records = [record("a", ENDED, User="Zoë"), record("b", ENDED, New=[1, "2"]), record("c", ENDED, Duration="x")]
    texts = [json.dumps(each, ensure_ascii=False).encode() for each in records]
    lake = open_lake("sent")
    match way:
        case "document":
            lake.put(*texts)
        case "printed":
            lake.put_body(json.dumps({"items": records}, indent=2).replace("\n", "\r\n").encode())
        case "gzip":
            lake.put_gzip(document(texts))
        case "lines":
            lake.put_lines(b"\n".join(texts))
        case "lines with CRLF and blanks":
            lake.put_lines(b"\r\n \n" + b"\r\n\r\n".join(texts) + b"\n")
        case "bare":
            lake.put_body(b"[" + b",\n".join(texts) + b"]")
        case "data":
            lake.put_body(b'{"data":' + document(texts) + b"}")
    lake.loader.drain()
    assert lake.contents() == stored(open_lake, "canonical", [canonical(text) for text in texts])
    assert len(lake.contents()) == 3


def test_one_odd_record_among_many_is_told_apart(open_lake: Opener) -> None:
    """The usual form is tested for many records at once; the odd one must not take its neighbours' places."""
    records = [record(number, ENDED, User=str(number)) for number in range(5000)]
    records[2500] |= {"Unseen": 1}
    records[4999] |= {"Duration": "long"}
    lake = open_lake()
    lake.load(*records)
    found = {row["user"]: (row["report_id"], row["extra"]) for row in lake.rows()}
    odd = {2500: '{"Unseen":1}', 4999: '{"Duration":"long"}'}
    assert found == {str(number): (report_id(number), odd.get(number)) for number in range(5000)}


def test_every_kind_of_field_is_written_canonically(open_lake: Opener) -> None:
    values: dict[Kind, Any] = {
        Kind.TEXT: "text", Kind.UUID: report_id("u"), Kind.TIMESTAMP: write_timestamp(ENDED),
        Kind.BOOLEAN: "true", Kind.INTEGER: "12", Kind.NUMBER: "0.5",
    }  # fmt: skip
    full = {field.name: values[field.kind] for field in BY_COLUMN.values()} | record("a", ENDED)
    lake = open_lake()
    lake.load(full)
    assert lake.everything() == [canonical(json.dumps(full).encode())]
