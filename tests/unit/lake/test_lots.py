"""Records of several recipients as one text."""

import pyarrow as pa
import pytest

from cdrelay.lake.lots import Lot


def lot(*rows: tuple[int, str, bytes]) -> Lot:
    recipients, report_ids, texts = zip(*rows, strict=True)
    return Lot(pa.array(recipients, pa.int32()), pa.array(report_ids), pa.array(texts, pa.large_binary()))


def given(one: Lot) -> dict[int, tuple[list[str], bytes]]:
    return {recipient: (one.report_ids[start:end], bytes(one.text(start, end))) for recipient, start, end in one.runs()}


def test_the_records_of_a_recipient_come_together() -> None:
    one = lot((1, "a", b"{1}"), (0, "b", b"{}"), (1, "c", b"{333}"), (0, "a", b"{22}"))
    assert given(one) == {0: (["b", "a"], b"{},{22}"), 1: (["a", "c"], b"{1},{333}")}


def test_of_one_recipient_the_order_stays() -> None:
    one = lot((7, "b", b"{1}"), (7, "a", b"{22}"), (7, "c", b"{}"))
    assert given(one) == {7: (["b", "a", "c"], b"{1},{22},{}")}
    assert list(one.records()) == [b"{1}", b"{22}", b"{}"]


@pytest.mark.parametrize(
    ("start", "end", "text"), [(0, 1, b"{1}"), (0, 2, b"{1},{22}"), (1, 3, b"{22},{}"), (2, 3, b"{}")]
)
def test_any_part_can_be_cut(start: int, end: int, text: bytes) -> None:
    assert lot((7, "b", b"{1}"), (7, "a", b"{22}"), (7, "c", b"{}")).text(start, end) == text


def test_columns_that_are_a_part_of_longer_ones_are_read_as_they_are() -> None:
    recipients, report_ids = pa.array([9, 0, 0, 9], pa.int32()), pa.array(["x", "a", "b", "y"])
    texts = pa.array([b"no", b"{1}", b"{22}", b"no"], pa.large_binary())
    one = Lot(*(column.slice(1, 2) for column in (recipients, report_ids, texts)))
    assert given(one) == {0: (["a", "b"], b"{1},{22}")}
