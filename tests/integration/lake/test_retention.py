"""Records that have been kept long enough go from the table, and, when no reader can hold them, from the disk."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cdrelay.clock import ManualClock, SystemClock
from cdrelay.lake.load import TIDY_EVERY, LoadLimits
from tests.support.lake_builder import LakeBuilder, record

KEEP = timedelta(hours=72)


@pytest.fixture
def clock() -> ManualClock:
    """Starts at the machine's time, by which the table notes when a file was written."""
    return ManualClock(SystemClock().now())


@pytest.fixture
def lake(tmp_path: Path, clock: ManualClock) -> Iterator[LakeBuilder]:
    """A lake that keeps three days."""
    builder = LakeBuilder(tmp_path, clock, LoadLimits(keep=KEEP))
    yield builder
    builder.close()


def stored(lake: LakeBuilder) -> int:
    return lake.lake.total()


def test_records_are_kept_until_their_time_is_over_and_then_go(lake: LakeBuilder, clock: ManualClock) -> None:
    lake.load(record("old", clock.now()))
    clock.advance(KEEP)
    lake.load(record("new", clock.now()))
    assert stored(lake) == 2

    clock.advance(timedelta(minutes=1))
    lake.load(record("newer", clock.now()))

    assert [row["report_time"] >= clock.now() - KEEP for row in lake.rows()] == [True, True]


def test_a_late_record_of_an_old_call_is_not_gone_before_it_could_be_delivered(
    lake: LakeBuilder, clock: ManualClock
) -> None:
    lake.load(record("late", clock.now() - 2 * KEEP))
    lake.load(record("other", clock.now()))

    assert stored(lake) == 2


def test_a_lake_without_a_limit_keeps_everything(tmp_path: Path, clock: ManualClock) -> None:
    lake = LakeBuilder(tmp_path / "other", clock)
    lake.load(record("old", clock.now()))
    clock.advance(100 * KEEP)
    lake.load(record("new", clock.now()))
    lake.close()

    assert stored(lake) == 2


def test_expired_files_stay_for_readers_that_began_before(lake: LakeBuilder, clock: ManualClock) -> None:
    lake.load(record("old", clock.now()))
    before = lake.table.absolute(lake.table.snapshot().files)
    clock.advance(KEEP + timedelta(minutes=1))

    lake.load(record("new", clock.now()))

    assert stored(lake) == 1
    assert all(Path(file).exists() for file in before)


def let_an_hour_pass(lake: LakeBuilder) -> None:
    """As far as the table knows: when files went is in its log, by the machine's time."""
    (commit,) = (path for path in (lake.table.folder / "_delta_log").glob("*.json") if '"remove"' in path.read_text())
    earlier = re.sub(r'(?<="deletionTimestamp":)\d+', lambda at: str(int(at[0]) - 3_660_000), commit.read_text())
    commit.write_text(earlier)


def test_records_go_from_the_table_and_from_the_disk_though_no_others_come(
    lake: LakeBuilder, clock: ManualClock, tmp_path: Path
) -> None:
    lake.load(record("old", clock.now()))
    (path,) = lake.table.absolute(lake.table.snapshot().files)
    clock.advance(KEEP + timedelta(minutes=1))
    lake.loader.drain()
    assert stored(lake) == 0
    assert Path(path).exists()

    lake.close()
    let_an_hour_pass(lake)
    lake = LakeBuilder(tmp_path, clock, LoadLimits(keep=KEEP))
    lake.loader.drain()
    assert not Path(path).exists()
    lake.put(record("new", clock.now()))
    lake.loader.drain()
    assert stored(lake) == 1
    lake.close()


def test_the_table_is_looked_after_once_in_a_while_where_nothing_comes(lake: LakeBuilder, clock: ManualClock) -> None:
    lake.load(record("old", clock.now()))
    clock.advance(KEEP - timedelta(minutes=1))
    lake.loader.drain()
    clock.advance(timedelta(minutes=2))
    lake.loader.drain()
    assert stored(lake) == 1
    clock.advance(TIDY_EVERY)
    lake.loader.drain()
    assert stored(lake) == 0
