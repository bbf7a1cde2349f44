"""Parts of a window, and their bodies and ids."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cdrelay.publisher.deliveries import PackedBody, cut_parts, delivery_id, write_body

TICK = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)


@given(st.lists(st.binary(max_size=3)), st.integers(1, 7))
def test_parts_hold_every_record_once_in_order_and_none_is_empty_or_too_large(records: list[bytes], size: int) -> None:
    parts = list(cut_parts(records, size))
    assert [record for part in parts for record in part] == records
    assert all(len(part) == size for part in parts[:-1])
    assert all(parts)


def test_parts_are_read_one_at_a_time() -> None:
    read = 0

    def records() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"{}"

    parts = cut_parts(records(), 3)
    for number in (1, 2):
        next(parts)
        assert read == number * 3


def test_a_body_holds_the_records_as_they_are() -> None:
    assert write_body([]) == b'{"items":[]}'
    assert write_body([b'{"a": 1.50}', b'{"b":"\xc3\xa4"}']) == b'{"items":[{"a": 1.50},{"b":"\xc3\xa4"}]}'
    assert json.loads(write_body([b"{}"])) == {"items": [{}]}


@given(st.binary(max_size=2_000), st.integers(1, 500))
def test_a_packed_body_unpacks_to_the_same_bytes_at_once_and_in_pieces(content: bytes, size: int) -> None:
    packed = PackedBody.pack(content)
    assert packed == PackedBody.pack(content)
    assert packed.content() == content
    pieces = list(packed.pieces(size))
    assert b"".join(pieces) == content
    assert all(len(piece) <= size for piece in pieces)


def test_a_part_has_the_same_id_whenever_it_is_written_and_no_two_have_the_same() -> None:
    assert delivery_id("p", TICK, 1) == delivery_id("p", TICK, 1)
    later = TICK + timedelta(minutes=5)
    assert len({delivery_id(*key) for key in (("p", TICK, 1), ("p", TICK, 2), ("q", TICK, 1), ("p", later, 1))}) == 4
