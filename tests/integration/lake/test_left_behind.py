"""What is damaged, or was left behind by an interrupted load, holds up nothing and does not stay for ever."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdrelay.clock import SystemClock
from cdrelay.lake.files import write_durably
from cdrelay.lake.receipts import Drained
from cdrelay.lake.upkeep import MANY, compact
from cdrelay.lake.written import Written
from tests.support.lake_builder import LakeBuilder, record

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Opener = Callable[..., LakeBuilder]


def aged(path: Path) -> None:
    """Make a file two hours old."""
    moment = (SystemClock().now() - timedelta(hours=2)).timestamp()
    os.utime(path, (moment, moment))


def gone(number: int) -> Written:
    """A file of the table that is not there."""
    ends = {"min": "2026-11-24 12:00:00+00", "max": "2026-11-24 12:00:00+00", "null_count": "0"}
    names = {"min": "a", "max": "b", "null_count": "0"}
    loads = {"min": "1", "max": "1", "null_count": "0"}
    statistics = {"org_uuid": names, "report_id": names, "report_time": ends, "release_time": ends, "load_seq": loads}
    return Written(f"2026-11-24/gone-{number}.parquet", 100, 1, statistics)


def test_the_file_of_an_interrupted_load_goes_with_the_next_vacuum(lake: LakeBuilder) -> None:
    """It was passed over: without being asked to, delta-rs looks only at files that the log names."""
    lake.load(record("a", NOON))
    with lake.table.new_file("2026-11-24", 2) as path:
        path.write_bytes(b"half")
    aged(path)
    lake.table.vacuum()
    assert not path.exists()
    assert lake.lake.total() == len(lake.rows()) == 1


def test_the_file_of_a_load_under_way_stays(lake: LakeBuilder) -> None:
    with lake.table.new_file("2026-11-24", 2) as path:
        path.write_bytes(b"half")
    lake.table.vacuum()
    assert path.exists()


def test_the_lock_of_the_loader_outlives_a_vacuum(lake: LakeBuilder) -> None:
    """A lock on a file that is gone keeps nobody out."""
    lake.load(record("a", NOON))
    (lock,) = lake.table.folder.glob("*.lock")
    aged(lock)
    lake.table.vacuum()
    assert lock.exists()


def test_a_file_that_cannot_be_finished_leaves_its_room(lake: LakeBuilder) -> None:
    def fill() -> None:
        with lake.table.new_file("2026-11-24", 2) as path:
            path.write_bytes(b"half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert list(lake.table.folder.rglob("*.parquet")) == []


def test_upkeep_that_fails_keeps_no_record_out(lake: LakeBuilder) -> None:
    """It came after the load in the same call, so that a merge for which there was no room stopped the ticks."""
    lake.table.commit_load(1, [gone(number) for number in range(MANY)], [])
    assert lake.load(record("a", NOON - timedelta(days=4))) == Drained(1, 1, 1, 0, 0, 0)
    assert len(lake.table.snapshot().files) == MANY + 1


@pytest.mark.parametrize("content", [b"", b"{", b"{}\n{}", b"\xff\xfe\n", b'{"id":"a"}\n{"items":[]}'])
def test_a_damaged_file_in_the_spool_holds_up_no_other_and_is_kept(lake: LakeBuilder, content: bytes) -> None:
    damaged = lake.spool.folder / "20260101T000000000000-a.payload"
    damaged.write_bytes(content)
    assert lake.load(record("a", NOON)) == Drained(1, 1, 1, 0, 0, 0)
    assert lake.spool.waiting() == []
    assert damaged.with_suffix(".damaged").read_bytes() == content


def test_a_large_unreadable_body_is_put_aside_byte_for_byte(lake: LakeBuilder) -> None:
    body = os.urandom(7_000_001)
    lake.put_body(body)
    lake.loader.drain()
    assert [one["record"] for one in lake.aside()] == [body]


def test_a_file_is_written_in_pieces_as_it_would_be_at_once(tmp_path: Path) -> None:
    write_durably(tmp_path / "a", (piece for piece in (b"one ", b"", b"two")))
    write_durably(tmp_path / "b", b"one two")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"one two"


def test_a_file_that_was_merged_just_now_stays_however_old_it_is(lake: LakeBuilder) -> None:
    """A reader that began before the merge still reads it: what counts is when it was dropped, not when written."""
    for number in range(2):
        lake.load(record(number, NOON))
    old = [Path(path) for path in lake.table.absolute(lake.table.snapshot().files)]
    for path in old:
        aged(path)
    compact(lake.table, lake.engine, many=2)
    lake.table.vacuum()
    assert [path.exists() for path in old] == [True, True]


def test_a_misfit_is_found_beside_a_text_too_long_for_statistics(lake: LakeBuilder) -> None:
    lake.load(record("a", NOON, Duration="long"), record("b", NOON, Unknown="x" * 50_000))
    assert sorted((row["extra"] or "")[:12] for row in lake.rows()) == ['{"Duration":', '{"Unknown":"']
