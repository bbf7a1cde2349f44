"""Bodies of deliveries: what they hold, and that they come out of their packing as they went in."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.callbacks.bodies import PackedBody, PlainBody
from cdrelay.contract.manifest import digest_of
from cdrelay.publisher.delivery.bodies import Body, BodyWriter, Packers


def body_of(*records: tuple[str, bytes], frame_bytes: int = 100_000, at_once: int = 1) -> Body:
    with ThreadPoolExecutor(2) as threads:
        writer = BodyWriter(Packers(threads), frame_bytes)
        for start in range(0, len(records), at_once):
            report_ids, texts = zip(*records[start : start + at_once], strict=True)
            writer.add(report_ids, memoryview(b",".join(texts)))
        assert writer.records == len(records)
        return writer.finish()


@pytest.mark.parametrize("frame_bytes", [1, 7, 100_000])
def test_a_body_holds_the_records_as_they_are_whatever_frames_it_is_packed_in(frame_bytes: int) -> None:
    body = body_of(("B", b'{"a": 1.50}'), ("a", b'{"b":"\xc3\xa4"}'), frame_bytes=frame_bytes)
    assert body.packed().content() == b'{"items":[{"a": 1.50},{"b":"\xc3\xa4"}]}'
    assert (body.size, body.records) == (len(body.packed().content()), 2)
    assert body.digest == digest_of(["a", "b"])


@pytest.mark.parametrize("frame_bytes", [1, 50, 1_000_000])
@pytest.mark.parametrize("at_once", [1, 2, 40, 100])
def test_however_many_come_at_once_the_body_is_the_same(frame_bytes: int, at_once: int) -> None:
    records = [(str(number), b'{"Report ID":"%d"}' % number) for number in range(100)]
    body = body_of(*records, frame_bytes=frame_bytes, at_once=at_once)
    assert body.packed().content() == b'{"items":[' + b",".join(text for _, text in records) + b"]}"
    assert (body.size, body.digest) == (len(body.packed().content()), digest_of([one for one, _ in records]))


def test_whoever_brings_more_than_is_packed_waits() -> None:
    with ThreadPoolExecutor(2) as threads, ThreadPoolExecutor(1) as bringing:
        going, packers = Event(), Packers(threads)
        blocked = [threads.submit(going.wait, 20) for _ in range(2)]
        brought = bringing.submit(lambda: [packers.pack(b"x") for _ in range(100)])
        with pytest.raises(TimeoutError):
            brought.result(0.2)
        going.set()
        assert len([one.result(20) for one in brought.result(20)]) == 100
        assert all(one.result(20) for one in blocked)


def test_a_body_without_records_is_an_empty_list() -> None:
    body = body_of()
    assert (body.packed().content(), body.size, body.records) == (b'{"items":[]}', 12, 0)
    assert json.loads(body.packed().content()) == {"items": []}


@given(st.binary(max_size=2_000), st.integers(1, 500))
def test_a_packed_body_unpacks_to_the_same_bytes_at_once_and_in_pieces(content: bytes, size: int) -> None:
    packed = PackedBody.pack(content)
    assert packed == PackedBody.pack(content)
    assert packed.content() == content
    for body in (packed, PlainBody(content)):
        pieces = list(body.pieces(size))
        assert b"".join(pieces) == content
        assert all(0 < len(piece) <= size for piece in pieces)


@given(st.data())
def test_a_damaged_body_is_found_out(data: st.DataObject) -> None:
    packed = body_of(*((str(uuid4()), b"{}") for _ in range(50))).packed().packed
    broken = PackedBody(packed[: data.draw(st.integers(1, len(packed) - 1))])
    with pytest.raises(OSError, match=r"Truncated|ZSTD"):
        broken.content()
