"""From bodies to records: which shapes are read, and what is refused."""

import gzip
import zlib

import pytest

from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable, split, unpack

TWO = b'[{"a":1},{"b":[2]}]'
DEEP = 100_000


def texts(body: bytes, *, lines: bool = False) -> list[bytes]:
    return [bytes(raw) for raw in split(body, lines=lines)]


@pytest.mark.parametrize(
    "body",
    [
        TWO,
        b'{"items":%b}' % TWO,
        b'{"data":{"items":%b}}' % TWO,
        b'{"data":%b}' % TWO,
        b'{"id":"1","resource":"cdr","data":{"orgId":"2","items":%b},"created":null}' % TWO,
        b'\r\n {\n  "items" : \n%b\n}\n' % TWO,
        b'{"data":\n [{"a":1},{"b":[2]}]\n}',
    ],
)
def test_each_shape_of_a_body_gives_its_records(body: bytes) -> None:
    assert texts(body) == [b'{"a":1}', b'{"b":[2]}']


def test_items_go_before_data() -> None:
    assert texts(b'{"data":[{"a":2}],"items":[{"a":1}]}') == [b'{"a":1}']


@pytest.mark.parametrize("body", [b"[]", b'{"items":[]}', b'{"data":[]}', b'{"data":{"items":[]}}'])
def test_an_empty_list_is_no_records(body: bytes) -> None:
    assert texts(body) == []


def test_a_record_keeps_its_bytes() -> None:
    record = '{ "Site" : "Zoë 📞",\n\t"x":"\\u0000" }'.encode()
    assert texts(b'{"items":[ %b ]}' % record) == [record]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<html>Bad gateway</html>",
        b"null",
        b'"items"',
        b"{}",
        b'{"records":[]}',
        b'{"items":{}}',
        b'{"items":null}',
        b'{"data":null}',
        b'{"data":"text"}',
        b'{"data":{}}',
        b'{"data":{"data":[{"a":1}]}}',
        b'{"data":{"data":{"items":[{"a":1}]}}}',
        b'{"items":[{"a":1}',
        b'{"items":[{"a":1}]} more',
        b'{"items":[{"a":1},]}',
        b'{"\xff":1}',
    ],
)
def test_what_is_no_list_of_records_is_unreadable(body: bytes) -> None:
    with pytest.raises(BodyUnreadable):
        split(body, lines=False)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":' * DEEP + b"[]" + b"}" * DEEP,
        b'{"items":[' + b"[" * DEEP + b"]" * DEEP + b"]}",
        b'{"items":[{"a":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}]}",
        b'{"x":' + b"[" * DEEP + b"]" * DEEP + b',"items":[]}',
        b"[" * DEEP,
    ],
)
def test_a_body_nested_past_all_measure_is_unreadable(body: bytes) -> None:
    with pytest.raises(BodyUnreadable):
        split(body, lines=False)


def test_why_a_body_is_unreadable_quotes_none_of_it() -> None:
    with pytest.raises(BodyUnreadable) as refusal:
        split(b'{"items":[{"Calling number":"+15551234567"}', lines=False)
    assert "5551234567" not in str(refusal.value)


def test_lines_may_end_in_any_way_and_be_empty() -> None:
    assert texts(b'\n{"a":1}\r\n\r\n  \n\t{"b":2}  \n\n{"c":3}', lines=True) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        (rb"\ud83d", rb"\ufffd"),
        (rb"\uDE00 x", rb"\ufffd x"),
        (rb"\ud83d\ud83d\ude00", rb"\ufffd\ud83d\ude00"),
        (rb"\uD83D\uDE00", rb"\uD83D\uDE00"),
        (rb"\\ud83d", rb"\\ud83d"),
        (rb"\\\ud83d", rb"\\\ufffd"),
        (rb"\ud7ff\ue000", rb"\ud7ff\ue000"),
    ],
)
@pytest.mark.parametrize("lines", [False, True])
def test_half_of_a_surrogate_pair_becomes_the_replacement_character(came: bytes, kept: bytes, lines: bool) -> None:
    record = b'{"User":"%b"}'
    body = record % came if lines else b"[%b]" % (record % came)
    assert texts(body, lines=lines) == [record % kept]


def test_a_broken_line_is_one_record() -> None:
    assert texts(b'{"a":1}\n{"broken\n[[[\n', lines=True) == [b'{"a":1}', b'{"broken', b"[[["]


def test_a_body_without_compression_is_itself() -> None:
    assert unpack(TWO, "", limit=1) is TWO


def test_gzip_of_several_members_is_one_body() -> None:
    assert unpack(gzip.compress(b"ab") + gzip.compress(b"") + gzip.compress(b"cd"), "gzip", limit=4) == b"abcd"


@pytest.mark.parametrize("size", [999, 1000])
def test_a_body_up_to_the_limit_is_unpacked(size: int) -> None:
    assert len(unpack(gzip.compress(bytes(size)), "gzip", limit=1000)) == size


def test_a_body_past_the_limit_is_too_large() -> None:
    with pytest.raises(BodyTooLarge):
        unpack(gzip.compress(bytes(1001)), "gzip", limit=1000)


def test_members_are_limited_together() -> None:
    with pytest.raises(BodyTooLarge):
        unpack(gzip.compress(bytes(600)) * 2, "gzip", limit=1000)


@pytest.mark.parametrize(
    "body",
    [
        b'{"items":[]}',
        gzip.compress(TWO, mtime=0)[:-1],
        gzip.compress(TWO, mtime=0) + b"more",
        zlib.compress(TWO),
        gzip.compress(TWO, mtime=0)[:-5] + b"\x00" * 5,
    ],
)
def test_what_is_no_whole_gzip_is_unreadable(body: bytes) -> None:
    with pytest.raises(BodyUnreadable):
        unpack(body, "gzip", limit=1000)
