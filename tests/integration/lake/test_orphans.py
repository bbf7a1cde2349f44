"""What crashes and power cuts leave behind goes away or is mended; the log does not grow."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep

import pytest
from deltalake import DeltaTable

from cdrelay.clock import SystemClock
from cdrelay.lake.log_repair import LakeUnreadable, Payloads, repair_log
from cdrelay.lake.table import RecordTable
from cdrelay.lake.upkeep import compact
from tests.integration.lake import lake_processes
from tests.integration.lake.lake_processes import Kill, drain
from tests.support.lake_builder import LakeBuilder, record

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Opener = Callable[..., LakeBuilder]


def age(folder: Path, time: timedelta = timedelta(hours=3)) -> None:
    """Let the disk think that its files are older."""
    moment = (SystemClock().now() - time).timestamp()
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (moment, moment))


def parquet(lake: LakeBuilder) -> set[str]:
    return {path.relative_to(lake.table.folder).as_posix() for path in lake.table.folder.glob("2*/*.parquet")}


def log_of(lake: LakeBuilder) -> Path:
    return lake.table.folder / "_delta_log"


def newest_entry(lake: LakeBuilder) -> Path:
    return max(log_of(lake).glob("*.json"))


def test_the_files_of_a_load_that_was_killed_go_by_upkeep(lake: LakeBuilder) -> None:
    lake.load(record("a", NOON))
    lake.put(record("b", NOON), record("c", NOON - timedelta(days=2)))
    assert lake_processes.run(drain, lake.folder, Kill("written")) == -9
    assert len(parquet(lake)) == 3
    (log_of(lake) / "_commit_x.json.tmp").write_bytes(b"half")
    age(lake.table.folder)
    assert lake.loader.keep_up().files_deleted == 2
    assert parquet(lake) == {file.path for file in lake.table.snapshot().files}
    assert not list(log_of(lake).glob("*.tmp"))
    assert not (lake.table.folder / "2026-11-22").exists(), "nor is its empty folder left"
    assert lake.loader.drain().added == 2


@pytest.mark.parametrize("torn", [b"", b"\0" * 900, b'{"commitInfo":{"timest'], ids=["empty", "zeros", "half"])
def test_a_log_that_ends_in_a_power_cut_is_mended_and_the_load_is_done_again(
    lake: LakeBuilder, open_lake: Opener, torn: bytes
) -> None:
    lake.load(record("a", NOON))
    lake.put(record("b", NOON))
    assert lake_processes.run(drain, lake.folder, Kill("committed")) == -9
    assert newest_entry(lake).name.endswith("2.json")
    newest_entry(lake).write_bytes(torn)

    after = open_lake()
    assert after.lake.total() == 1
    assert after.loader.drain().added == 1
    assert after.lake.total() == len(after.rows()) == 2


def test_a_torn_checkpoint_is_passed_over(lake: LakeBuilder, open_lake: Opener) -> None:
    lake.load(record("a", NOON))
    lake.table.shorten_log()
    lake.load(record("b", NOON))
    (checkpoint,) = log_of(lake).glob("*.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    assert open_lake().lake.total() == 2
    assert not checkpoint.exists()


def test_a_torn_checkpoint_that_nothing_else_stands_for_stays(lake: LakeBuilder, open_lake: Opener) -> None:
    """Its older entries are deleted: without it no state could be read, and there would be nothing left to mend."""
    for number in range(3):
        lake.load(record(number, NOON))
    age(log_of(lake))
    lake.table.shorten_log()
    lake.load(record("later", NOON))
    (checkpoint,) = log_of(lake).glob("*.checkpoint.parquet")
    assert len(list(log_of(lake).glob("*.json"))) < 4
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(LakeUnreadable, match="no state"):
        open_lake()
    assert checkpoint.exists()


def test_who_only_reads_leaves_a_torn_log_to_others(lake: LakeBuilder) -> None:
    lake.put(record("a", NOON))
    torn = log_of(lake) / f"{1:020d}.json"
    torn.write_bytes(b"")
    with pytest.raises(LakeUnreadable, match="doctor"):
        RecordTable(lake.table.folder)
    assert torn.exists()


def test_a_torn_pointer_to_the_checkpoint_is_passed_over(lake: LakeBuilder, open_lake: Opener) -> None:
    lake.load(record("a", NOON))
    lake.table.shorten_log()
    lake.load(record("b", NOON))
    (log_of(lake) / "_last_checkpoint").write_bytes(b"")
    assert open_lake().lake.total() == 2


def test_a_whole_log_is_left_as_it_is(lake: LakeBuilder) -> None:
    lake.load(record("a", NOON))
    lake.table.shorten_log()
    before = sorted((path.name, path.read_bytes()) for path in log_of(lake).iterdir())
    assert repair_log(lake.table.folder, Payloads(lake.spool.folder, lambda last_load: [])) == []
    assert sorted((path.name, path.read_bytes()) for path in log_of(lake).iterdir()) == before


def test_the_log_is_summed_up_and_its_old_entries_go(lake: LakeBuilder, open_lake: Opener) -> None:
    other = open_lake()
    other.table.snapshot()
    for number in range(40):
        lake.load(record(number, NOON))
        if number == 35:
            lake.table.shorten_log()
            age(log_of(lake))
    lake.table.shorten_log()
    assert len(list(log_of(lake).iterdir())) < 20
    assert other.lake.total() == lake.lake.total() == open_lake().lake.total() == 40


def test_a_table_from_before_gets_the_shorter_log_too(lake: LakeBuilder) -> None:
    table = DeltaTable(str(lake.table.folder))
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 1 days"})
    lake.load(record("a", NOON))
    lake.table.shorten_log()
    lake.load(record("b", NOON))
    found = DeltaTable(str(lake.table.folder)).metadata().configuration
    assert found["delta.logRetentionDuration"] == "interval 3600 seconds"
    assert lake.lake.total() == 2


def test_old_versions_of_merged_files_go_when_no_reader_can_need_them(lake: LakeBuilder, open_lake: Opener) -> None:
    for number in range(5):
        lake.load(record(number, NOON))
    compact(lake.table, lake.engine, many=2)
    assert len(parquet(lake)) == 6
    lake.loader.keep_up()
    assert len(parquet(lake)) == 6, "a reader of the last hour"
    lake.table.vacuum(at_once=True)
    assert len(parquet(lake)) == 1
    assert RecordTable(lake.table.folder).snapshot().files == lake.table.snapshot().files


def test_how_long_readers_have_is_set_and_a_table_from_before_follows(lake: LakeBuilder, open_lake: Opener) -> None:
    for number in range(5):
        lake.load(record(number, NOON))
    compact(lake.table, lake.engine, many=2)
    hasty = open_lake(readers=timedelta(seconds=1))
    sleep(1.1)
    assert hasty.loader.keep_up().files_deleted == 5
    assert parquet(hasty) == {file.path for file in hasty.table.snapshot().files}
    sleep(1.1)
    hasty.loader.keep_up()
    assert len(list(log_of(lake).glob("*.json"))) < 5
    assert hasty.lake.total() == open_lake().lake.total() == 5


def test_the_files_of_another_process_are_no_orphans_however_long_one_did_not_look(
    lake: LakeBuilder, open_lake: Opener
) -> None:
    lake.load(record("a", NOON))
    open_lake().load(record("b", NOON))
    age(lake.table.folder)
    lake.table.vacuum()
    assert lake.lake.total() == len(lake.rows()) == 2
