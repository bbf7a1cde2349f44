"""Records of a megabyte (TRAPS 13), as many as fill a body: the engine's memory is a few times one of them, not all."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from cdrelay.contract.windows import Period
from cdrelay.lake.cut import Cut
from cdrelay.lake.receipts import Drained
from cdrelay.lake.selection import Claim, Claims
from cdrelay.records.identity import RECORD_BYTES
from tests.support.lake_builder import ORG, LakeBuilder, read_window, record, report_id

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = Period(NOON, NOON + timedelta(hours=1))
MEGABYTE = 2**20
MANY = 64
TEXT = "".join(Random(13).choices("abcdefghijklmnop", k=MEGABYTE))
"""Nothing that a compression makes small."""


def large(number: int, **more: Any) -> dict[str, Any]:
    return record(number, NOON + number * timedelta(milliseconds=37)) | more


def value(number: int) -> str:
    return TEXT[number:] + TEXT[:number]


def load(lake: LakeBuilder, key: str) -> Drained:
    return lake.load(*(large(number, **{key: value(number)}) for number in range(MANY)))


@pytest.mark.parametrize("key", ["User", "Duration", "A key nobody knows"])
def test_many_large_records_are_loaded_and_read(lake: LakeBuilder, key: str) -> None:
    """The engine took 2,048 lines at once whatever they weighed, ran out of memory, and no payload behind this one was
    ever loaded; a tick waits for the load, and so none came."""
    assert load(lake, key) == Drained(1, MANY, MANY, 0, 0, 0)
    read = lake.read(HOUR)
    assert [one["Report ID"] for one in read] == [report_id(number) for number in range(MANY)]
    assert all(one[key] == value(number) for number, one in enumerate(read))


def test_a_window_of_many_large_records_is_read_in_order_and_whole(lake: LakeBuilder) -> None:
    load(lake, "User")
    cuts = Cut(0, NOON), Cut(lake.lake.last_load(), HOUR.end)
    found = [text.partition(b'"Report ID":"')[2][:36].decode() for text in read_window(lake.lake, *cuts, [ORG])]
    assert found == [report_id(number) for number in range(MANY)]


def test_what_comes_after_large_records_is_loaded(open_lake: Callable[..., LakeBuilder]) -> None:
    lake = open_lake()
    lake.put(*(large(number, User=value(number)) for number in range(40)))
    lake.put(record("behind", NOON))
    assert lake.loader.drain().added == 41


def test_a_record_larger_than_any_goes_aside_and_the_others_are_stored(lake: LakeBuilder) -> None:
    too_large = large(1, User="x" * RECORD_BYTES)
    assert lake.load(large(0), too_large, large(2)) == Drained(1, 3, 2, 0, 0, 1)
    (aside,) = lake.aside()
    assert (aside["index"], aside["field"]) == (1, "record")
    assert len(aside["record"]) > RECORD_BYTES


def test_a_record_of_just_the_size_is_stored(lake: LakeBuilder) -> None:
    rest = len(str(large(1, User="")).replace("': '", "':'"))
    assert lake.load(large(1, User="x" * (RECORD_BYTES - rest - 100))) == Drained(1, 1, 1, 0, 0, 0)


def test_what_was_given_before_the_memory_ran_out_is_given_once(lake: LakeBuilder) -> None:
    small = [record(f"small {number}", NOON + number * timedelta(milliseconds=1)) for number in range(3_000)]
    lake.load(*small)
    load(lake, "User")
    window = lake.lake.window(Cut(0, NOON), Cut(lake.lake.last_load(), HOUR.end))
    claims = Claims([Claim(number, ORG, "", False, NOON, HOUR.end) for number in range(3)], by_holder=False)
    given = Counter(
        (recipient, name)
        for lot in window.records(claims)
        for recipient, start, end in lot.runs()
        for name in lot.report_ids[start:end]
    )
    assert set(given.values()) == {1}
    assert len(given) == 3 * (len(small) + MANY)
