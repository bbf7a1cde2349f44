"""Some organizations' records are kept shorter or longer than others'; what is past its time leaves the disk too."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cdrelay.clock import ManualClock, SystemClock
from cdrelay.lake.load import TIDY_EVERY, Duties, LoadLimits
from tests.support.lake_builder import ORG, OTHER_ORG, LakeBuilder, record

DAY = timedelta(days=1)
THIRD_ORG = "88888888-2222-4333-8444-555555555555"
ORGANIZATIONS = (ORG, OTHER_ORG, THIRD_ORG)
Opener = Callable[..., LakeBuilder]


@pytest.fixture
def clock() -> ManualClock:
    """Starts at the machine's time, by which the table notes when a file was written."""
    return ManualClock(SystemClock().now())


@pytest.fixture
def keeping(tmp_path: Path, clock: ManualClock) -> Iterator[LakeBuilder]:
    """Ten days for all, two for OTHER_ORG, thirty for THIRD_ORG."""
    own = {OTHER_ORG: 2 * DAY, THIRD_ORG: 30 * DAY}
    builder = LakeBuilder(tmp_path, clock, LoadLimits(keep=10 * DAY), duties=Duties(own_times=lambda: own))
    yield builder
    builder.close()


def load_a_day(lake: LakeBuilder, clock: ManualClock, name: object = "a") -> None:
    lake.load(*(record((org, name, number), clock.now(), org) for org in ORGANIZATIONS for number in range(3)))


def after(lake: LakeBuilder, clock: ManualClock, time: timedelta) -> dict[str, int]:
    """Records of each organization after a time in which the loader looked after the table."""
    clock.advance(time)
    lake.loader.drain()
    rows = lake.rows()
    return {org: sum(row["org_uuid"] == org for row in rows) for org in ORGANIZATIONS}


def test_each_organization_has_its_own_time(keeping: LakeBuilder, clock: ManualClock) -> None:
    load_a_day(keeping, clock)
    assert list(after(keeping, clock, DAY).values()) == [3, 3, 3]
    assert list(after(keeping, clock, DAY + TIDY_EVERY).values()) == [3, 0, 3]
    assert list(after(keeping, clock, 7 * DAY).values()) == [3, 0, 3]
    assert list(after(keeping, clock, DAY).values()) == [0, 0, 3]
    assert list(after(keeping, clock, 19 * DAY).values()) == [0, 0, 3]
    assert list(after(keeping, clock, 2 * DAY).values()) == [0, 0, 0]
    assert not keeping.table.snapshot().files


def test_what_is_past_its_time_leaves_the_disk_too(keeping: LakeBuilder, clock: ManualClock) -> None:
    load_a_day(keeping, clock)
    after(keeping, clock, 3 * DAY)
    old = [path for path in keeping.table.folder.glob("2*/*.parquet") if OTHER_ORG.encode() in path.read_bytes()]
    assert len(old) == 1, "a reader may still need it"
    keeping.table.vacuum(at_once=True)
    paths = list(keeping.table.folder.glob("2*/*.parquet"))
    assert len(paths) == 1
    assert not any(OTHER_ORG.encode() in path.read_bytes() for path in paths)


def test_a_file_is_looked_into_once_and_written_anew_once_a_time(
    keeping: LakeBuilder, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_a_day(keeping, clock)
    states = []
    for _ in range(12):
        after(keeping, clock, DAY)
        states.append(keeping.table.snapshot().files)
    assert len(set(states)) == 3

    looked: list[object] = []
    monkeypatch.setattr(type(keeping.table), "absolute", lambda self, files: looked.extend(files) or [])
    after_nothing = keeping.loader.drain()
    clock.advance(DAY)
    keeping.loader.drain()
    assert (after_nothing.records, looked) == (0, [])


def test_a_late_record_of_an_old_call_has_the_same_time_as_any_other(keeping: LakeBuilder, clock: ManualClock) -> None:
    keeping.load(record("late", clock.now() - 20 * DAY, OTHER_ORG))
    assert after(keeping, clock, DAY)[OTHER_ORG] == 1
    assert after(keeping, clock, DAY + TIDY_EVERY)[OTHER_ORG] == 0


def test_writing_a_file_anew_gives_no_one_a_second_life(keeping: LakeBuilder, clock: ManualClock) -> None:
    """ORG's records came with the others': ten days after that they go, though their file was written anew since."""
    load_a_day(keeping, clock)
    assert after(keeping, clock, 9 * DAY)[OTHER_ORG] == 0
    assert after(keeping, clock, DAY + TIDY_EVERY)[ORG] == 0


def test_with_no_general_time_only_those_with_one_of_their_own_go(tmp_path: Path, clock: ManualClock) -> None:
    lake = LakeBuilder(tmp_path, clock, duties=Duties(own_times=lambda: {OTHER_ORG: 2 * DAY}))
    load_a_day(lake, clock)
    assert list(after(lake, clock, 300 * DAY).values()) == [3, 0, 3]
    lake.close()


def test_many_files_are_done_in_bounded_steps(keeping: LakeBuilder, clock: ManualClock) -> None:
    for number in range(12):
        load_a_day(keeping, clock, number)
    clock.advance(3 * DAY)
    keeping.loader.drain()
    left = [sum(row["org_uuid"] == OTHER_ORG for row in keeping.rows())]
    clock.advance(TIDY_EVERY)
    keeping.loader.drain()
    left.append(sum(row["org_uuid"] == OTHER_ORG for row in keeping.rows()))
    assert left == [12, 0], "eight files in a step"


def test_by_hand_all_of_it_is_done_at_once(keeping: LakeBuilder, clock: ManualClock) -> None:
    for number in range(12):
        load_a_day(keeping, clock, number)
    clock.advance(3 * DAY)
    report = keeping.loader.keep_up()
    assert (report.records_expired, report.files_after) == (36, 1)
    assert keeping.loader.keep_up().records_expired == 0


def test_a_time_that_is_taken_back_applies_no_longer(tmp_path: Path, clock: ManualClock) -> None:
    own = {THIRD_ORG: 30 * DAY}
    lake = LakeBuilder(tmp_path, clock, LoadLimits(keep=10 * DAY), duties=Duties(own_times=lambda: dict(own)))
    load_a_day(lake, clock)
    assert list(after(lake, clock, 11 * DAY).values()) == [0, 0, 3]
    own.clear()
    assert list(after(lake, clock, TIDY_EVERY).values()) == [0, 0, 0]
    lake.close()
