"""What cannot be stored is put aside with the reason, and takes nothing else with it (TRAPS 10 to 13)."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdrelay.contract.windows import Period
from cdrelay.lake.load import LoadLimits
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.receipts import Drained
from tests.support.lake_builder import ORG, LakeBuilder, document, record, report_id

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = Period(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
DEEP = 100_000


def days(lake: LakeBuilder) -> set[str]:
    """The folders of days that there are."""
    return {path.name for path in lake.table.folder.iterdir() if path.is_dir() and path.name != "_delta_log"}


def test_a_key_nobody_has_seen_comes_out_again(lake: LakeBuilder) -> None:
    new = {"Новое поле": {"a": [1, 2.50, "x", None, True]}, "Zzz": "1", "": 0}
    lake.load(record("a", NOON) | new)
    (read,) = lake.read(DAY)
    assert {key: read[key] for key in new} == new


def test_a_report_time_years_off_goes_aside_and_makes_no_day(lake: LakeBuilder) -> None:
    times = (
        "1970-01-01T00:00:00.000Z",
        "2016-11-24T12:00:00.000Z",
        "2026-11-24T18:00:00.001Z",
        "2027-11-24T12:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00.000Z",
        "12026-11-24T12:00:00.000Z",
        "-2026-11-24T12:00:00.000Z",
    )
    lake.load(record("good", NOON), *(record(time, NOON) | {"Report time": time} for time in times))
    assert sorted((one["index"], one["field"]) for one in lake.aside()) == [(n, "Report time") for n in range(1, 9)]
    assert days(lake) == {"2026-11-24"}


@pytest.mark.parametrize("moment", [NOON - timedelta(days=400) + timedelta(hours=5), NOON + timedelta(hours=6)])
def test_the_ends_of_what_is_plausible_are_believed(lake: LakeBuilder, moment: datetime) -> None:
    assert lake.load(record("a", moment)) == Drained(1, 1, 1, 0, 0, 0)


NO_IDENTITY: list[tuple[dict[str, Any], str]] = [
    ({"Report ID": None}, "Report ID"),
    ({"Report ID": ""}, "Report ID"),
    ({"Report ID": "NA"}, "Report ID"),
    ({"Report ID": "42"}, "Report ID"),
    ({"Report ID": 42}, "Report ID"),
    ({"Report ID": report_id("a").replace("-", "")}, "Report ID"),
    ({"Report ID": "{" + report_id("a") + "}"}, "Report ID"),
    ({"Report ID": " " + report_id("a")}, "Report ID"),
    ({"Org UUID": None}, "Org UUID"),
    ({"Org UUID": "Y2lzY29zcGFyazovL3VzL09SR0FOSVpBVElPTi8xMTEx"}, "Org UUID"),
    ({"Report time": None}, "Report time"),
    ({"Report time": 1795521600}, "Report time"),
    ({"Report time": "yesterday"}, "Report time"),
]


def test_a_record_without_identity_goes_aside_with_the_field(lake: LakeBuilder) -> None:
    broken = [record("a", NOON) | change for change, _ in NO_IDENTITY]
    assert lake.load(*broken, record("b", NOON)) == Drained(1, len(broken) + 1, 1, 0, 0, len(broken))
    told = [(one["index"], one["field"]) for one in lake.aside()]
    assert sorted(told) == [(number, field) for number, (_, field) in enumerate(NO_IDENTITY)]


BROKEN = [
    b'{"Report ID":"\xff"}',
    b'{"\xff":1}',
    b"[1,2]",
    b'"record"',
    b"null",
]


def test_a_broken_record_goes_aside_as_it_came(lake: LakeBuilder) -> None:
    mixed = [each for number, broken in enumerate(BROKEN) for each in (broken, record(number, NOON))]
    assert lake.load(*mixed) == Drained(1, 2 * len(BROKEN), len(BROKEN), 0, 0, len(BROKEN))
    assert {one["index"]: one["record"] for one in lake.aside()} == dict(zip(range(0, 99, 2), BROKEN, strict=False))


def test_a_name_cut_in_the_middle_of_an_emoji_costs_no_record(lake: LakeBuilder) -> None:
    cut = json.dumps(record("a", NOON, User="Zoë 📞"))[:-8] + '"}'
    assert "ud83d" in cut
    lake.put(cut.encode(), record("b", NOON))
    lake.put_lines(cut.replace(report_id("a"), report_id("c")).encode())
    assert lake.loader.drain() == Drained(2, 3, 3, 0, 0, 0)
    assert {one["User"] for one in lake.read(DAY)} == {"Zoë \ufffd", ""}


def test_a_broken_line_takes_no_other_with_it(lake: LakeBuilder) -> None:
    deep = [b'{"a":' * DEEP + b"1" + b"}" * DEEP, b"[" * DEEP, b'{"User":' + b"[" * DEEP]
    broken = [*BROKEN, b"{", *deep]
    good = [json.dumps(record(number, NOON)).encode() for number in range(len(broken))]
    lake.put_lines(b"\n".join(each for pair in zip(broken, good, strict=True) for each in pair))
    assert lake.loader.drain() == Drained(1, 2 * len(broken), len(broken), 0, 0, len(broken))
    assert {one["index"]: one["record"] for one in lake.aside()} == dict(zip(range(0, 99, 2), broken, strict=False))


def test_of_ten_thousand_records_one_broken_the_others_are_stored(lake: LakeBuilder) -> None:
    records: list[Any] = [record(number, NOON) for number in range(10_000)]
    records[7_777] = b'{"Report ID":"' + report_id(7_777).encode() + b'"}'
    lake.put(*records)
    assert lake.loader.drain() == Drained(1, 10_000, 9_999, 0, 0, 1)
    assert lake.lake.count_by_organization(DAY) == {ORG: 9_999}
    assert [(one["index"], one["record"]) for one in lake.aside()] == [(7_777, records[7_777])]


def test_an_odd_value_in_a_large_batch_needs_no_more_memory_than_the_engine_has(lake: LakeBuilder) -> None:
    """Looking for the odd value once parsed the JSON anew for each of 150 tests; from 5,000 lines on the engine ran out
    of memory, and the spool was never drained again."""
    records = [record(number, NOON, User="x" * 500) for number in range(10_000)]
    records[-1]["Duration"] = "long"
    assert lake.load(*records).added == 10_000


def test_an_unreadable_body_goes_aside_whole_and_the_drain_goes_on(lake: LakeBuilder) -> None:
    name = lake.put_body(b"<html>Bad gateway</html>")
    lake.put(record("a", NOON))
    assert lake.loader.drain() == Drained(2, 2, 1, 0, 0, 1)
    assert lake.spool.waiting() == []
    (one,) = lake.aside()
    assert (one["payload"], one["field"], one["record"]) == (name, "body", b"<html>Bad gateway</html>")
    assert [receipt.quarantined for receipt in lake.receipts] == [1, 0]


@pytest.mark.parametrize(
    "body", [b"", b'{"data":' * DEEP, b"[" * DEEP, b'{"items":[{"a":' + b"[" * DEEP + b"]" * DEEP + b"}]}", b"\xff\xfe"]
)
def test_no_body_stops_the_drain(lake: LakeBuilder, body: bytes) -> None:
    lake.put_body(body)
    lake.put(record("a", NOON))
    assert lake.loader.drain().added == 1
    assert [one["record"] for one in lake.aside()] == [body]


def test_a_gzip_bomb_goes_aside_as_it_came(open_lake: Callable[..., LakeBuilder]) -> None:
    lake = open_lake(limits=LoadLimits(unpacked_bytes=10_000))
    bomb = gzip.compress(document([record("a", NOON, User="0" * 10_000_000)]))
    lake.put_body(bomb, content_encoding="gzip")
    lake.put_gzip(document([record("b", NOON)]))
    assert lake.loader.drain() == Drained(2, 2, 1, 0, 0, 1)
    assert [one["record"] for one in lake.aside()] == [bomb]


def test_a_payload_of_nothing_but_refused_records_needs_no_load(lake: LakeBuilder) -> None:
    lake.load(b"{}", b"{}")
    assert (lake.lake.last_load(), lake.spool.waiting(), len(lake.aside())) == (0, [], 2)


def test_a_payload_without_records_is_received_and_gone(lake: LakeBuilder) -> None:
    assert lake.load() == Drained(1, 0, 0, 0, 0, 0)
    assert (lake.spool.waiting(), len(lake.receipts), lake.aside()) == ([], 1, [])


def test_putting_a_payload_aside_again_replaces_it(lake: LakeBuilder) -> None:
    for _ in range(2):
        lake.put_body(document([b"{}", record("a", NOON)]), id="the-same")
        lake.loader.drain()
    assert [one["payload"] for one in lake.aside()] == ["the-same"]


def test_quarantine_lists_no_more_than_asked_for(lake: LakeBuilder, tmp_path: Path) -> None:
    lake.load(*[b"{}"] * 5)
    assert len(lake.quarantine.list(3)) == 3
    assert Quarantine(tmp_path / "empty").list() == []
