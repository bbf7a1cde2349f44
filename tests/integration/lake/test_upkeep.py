"""Upkeep changes where records lie and no answer; statistics enclose what lies there."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from cdrelay.contract.windows import Period
from cdrelay.lake.cut import Cut
from cdrelay.lake.parquet import REWRITTEN, write_rows
from cdrelay.lake.schema import literals
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.table import RecordTable
from cdrelay.lake.upkeep import MANY, compact, smallest
from cdrelay.records.fields import FIELDS, Kind
from tests.support.lake_builder import ORG, OTHER_ORG, LakeBuilder, read_window, record, report_id

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAYS = Period(NOON - timedelta(days=3), NOON + timedelta(days=1))
MICROSECOND = timedelta(microseconds=1)


def filled(lake: LakeBuilder) -> None:
    """Two days in eight loads, with a corrected record, a late one, an odd one and microseconds."""
    for number in range(6):
        ended = NOON + number * timedelta(minutes=1, microseconds=1)
        lake.load(record(number, ended), record(("other", number), ended - timedelta(days=1), org=OTHER_ORG))
    lake.load(record(0, NOON + timedelta(minutes=9)), record("late", NOON - timedelta(hours=5)))
    lake.load(record("odd", NOON, New=[1, 2.50], Duration="long"))


def answers(lake: LakeBuilder) -> dict[str, Any]:
    """What the lake says to every question."""
    cuts = [Cut(seq, NOON + timedelta(minutes=minutes)) for seq, minutes in ((1, -60), (3, 2), (6, 4), (8, 60))]
    return {
        "total": lake.lake.total(),
        "last load": lake.lake.last_load(),
        "counts": lake.lake.count_by_organization(DAYS),
        "reads": [sorted(lake.lake.read_organization(org, DAYS)) for org in (ORG, OTHER_ORG)],
        "windows": [
            read_window(lake.lake, before, now, [ORG, OTHER_ORG])
            for before, now in zip([None, *cuts], cuts, strict=False)
        ],
        "rows": lake.rows(),
    }


def test_merging_files_changes_no_answer(lake: LakeBuilder) -> None:
    filled(lake)
    before = answers(lake)
    assert compact(lake.table, lake.engine, many=2) == 13
    assert len(lake.table.snapshot().files) == 2
    assert answers(lake) == before


def test_another_process_sees_the_merged_files_too(lake: LakeBuilder, open_lake: Callable[..., LakeBuilder]) -> None:
    other = open_lake()
    filled(lake)
    before = answers(other)
    compact(lake.table, lake.engine, many=2)
    assert answers(other) == before


def test_records_come_in_after_a_merge_as_before(lake: LakeBuilder) -> None:
    filled(lake)
    compact(lake.table, lake.engine, many=2)
    assert lake.load(record(1, NOON + timedelta(hours=1)), record("odd", NOON)).corrected == 1
    assert [row["load_seq"] for row in lake.rows() if row["report_id"] == report_id(1)] == [9]


def test_days_with_few_files_are_left_alone(lake: LakeBuilder) -> None:
    filled(lake)
    before = lake.table.snapshot()
    assert compact(lake.table, lake.engine) == 0
    assert lake.table.snapshot() == before


def test_a_drain_merges_a_day_once_it_has_many_files(lake: LakeBuilder) -> None:
    for number in range(MANY):
        lake.load(record(number, NOON))
    assert len(lake.table.snapshot().files) == 1
    assert (lake.lake.total(), lake.lake.last_load()) == (MANY, MANY)


def test_vacuum_leaves_the_present_readable_and_recent_files_in_place(lake: LakeBuilder) -> None:
    filled(lake)
    old = lake.table.absolute(lake.table.snapshot().files)
    before = answers(lake)
    compact(lake.table, lake.engine, many=2)
    lake.table.vacuum()
    assert answers(lake) == before
    assert all((lake.table.folder / path).exists() for path in old), "a reader of an hour ago may still use them"


def test_a_long_log_with_checkpoints_is_read_whole(lake: LakeBuilder) -> None:
    """The checkpoint comes every 50 commits; a table opened anew starts from it."""
    for _ in range(51):
        lake.table.commit_load(lake.lake.last_load() + 1, [], [])
    lake.load(record("a", NOON))
    assert (lake.folder / "lake/_delta_log/_last_checkpoint").exists()
    fresh = RecordTable(lake.table.folder).snapshot()
    assert (fresh.last_load, sum(file.rows for file in fresh.files)) == (52, 1)


def logged(lake: LakeBuilder) -> list[dict[str, Any]]:
    """The statistics of the files in the log, as any reader of Delta Lake finds them."""
    logs = sorted((lake.table.folder / "_delta_log").glob("*.json"))
    actions = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    return [json.loads(action["add"]["stats"]) for action in actions if "add" in action]


def test_statistics_enclose_times_between_two_milliseconds(lake: LakeBuilder) -> None:
    first, last = NOON + 1999 * MICROSECOND, NOON + 60_000_001 * MICROSECOND
    lake.load(record("first", first), record("last", last))
    (statistics,) = logged(lake)
    low, high = (datetime.fromisoformat(statistics[end]["report_time"]) for end in ("minValues", "maxValues"))
    assert (first - low, high - last) == (999 * MICROSECOND, 999 * MICROSECOND)
    (file,) = lake.table.snapshot().files
    assert (file.first_report_time, file.last_report_time) == (low, high)


def test_statistics_on_a_millisecond_are_exact(lake: LakeBuilder) -> None:
    lake.load(record("a", NOON), record("b", NOON))
    (statistics,) = logged(lake)
    assert (
        statistics["minValues"]["report_time"] == statistics["maxValues"]["report_time"] == "2026-11-24T12:00:00.000Z"
    )
    assert (statistics["numRecords"], statistics["minValues"]["load_seq"]) == (2, 1)


def test_a_column_of_gaps_has_no_bounds_and_is_counted(lake: LakeBuilder) -> None:
    lake.load({key: value for key, value in record("a", NOON).items() if key != "Release time"})
    (statistics,) = logged(lake)
    assert statistics["nullCount"]["release_time"] == 1
    assert "release_time" not in statistics["minValues"]


def test_the_ends_of_the_calendar_have_bounds_that_can_be_read(lake: LakeBuilder) -> None:
    """The last microsecond of year 9999 has no millisecond above it; reaching for one stopped every drain."""
    ends = {"Release time": "9999-12-31T23:59:59.999999Z"}, {"Release time": "0001-01-01T00:00:00.000Z"}
    lake.load(*(record(number, NOON) | end for number, end in enumerate(ends)))
    (statistics,) = logged(lake)
    assert statistics["minValues"]["release_time"] == "0001-01-01T00:00:00.000Z"
    assert "release_time" not in statistics["maxValues"]
    assert RecordTable(lake.table.folder).snapshot().files[0].rows == 2


def test_files_are_left_out_by_their_times(lake: LakeBuilder) -> None:
    for days in range(3):
        lake.load(record(days, NOON - timedelta(days=days)))
    snapshot, hour = lake.table.snapshot(), timedelta(hours=1)
    met = snapshot.meeting(NOON - timedelta(days=1), NOON - timedelta(days=1) + hour)
    assert [file.day for file in met] == ["2026-11-23"]
    assert {file.day for file in snapshot.meeting(NOON - timedelta(days=1), NOON)} == {"2026-11-23", "2026-11-24"}
    assert not snapshot.meeting(NOON + MICROSECOND, NOON + hour)
    assert len(snapshot.meeting(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))) == 3


def test_a_question_opens_only_the_files_of_its_period(lake: LakeBuilder) -> None:
    """Shown by taking the other days' files away: an answer that needed them would fail."""
    for days in (2, 1, 0):
        lake.load(record(days, NOON - timedelta(days=days)))
    for file in lake.table.snapshot().files:
        if not file.path.startswith("2026-11-24"):
            (lake.table.folder / file.path).unlink()
    today = Period(NOON - timedelta(hours=1), NOON + timedelta(hours=1))
    assert lake.lake.count_by_organization(today) == {ORG: 1}
    assert len(list(read_window(lake.lake, Cut(2, NOON), Cut(3, NOON + timedelta(hours=1)), [ORG]))) == 1


def test_a_load_looks_only_at_files_within_the_reach_of_versions(lake: LakeBuilder) -> None:
    for days in (0, 3):
        lake.load(record(days, NOON - timedelta(days=days)))
    for file in lake.table.snapshot().files:
        if not file.path.startswith("2026-11-24"):
            (lake.table.folder / file.path).unlink()
    assert lake.load(record(0, NOON), record("new", NOON)).added == 1


def test_a_busy_day_is_merged_within_the_memory_of_the_engine(lake: LakeBuilder) -> None:
    """There was no memory to sort with: no merge of such a day ever came to its end, and with it failed each drain, and
    each tick, of that day."""
    full = {field.name: f"{field.name} of a call" for field in FIELDS if field.kind is Kind.TEXT}
    lake.load(*(full | record(number, NOON) for number in range(2000)))
    (one,) = lake.table.absolute(lake.table.snapshot().files)
    written = []
    for _ in range(8):
        with lake.table.new_file("2026-11-24", 2) as target, closing(lake.engine.cursor()) as cursor:
            select = (
                "SELECT r.* REPLACE (uuid()::VARCHAR AS report_id)"  # noqa: S608 - paths of this test
                f" FROM read_parquet({literals([one])}) AS r, range(20)"
            )
            written.append(lake.table.written(target, write_rows(cursor, select, target, REWRITTEN, None)))
    lake.table.commit_load(2, written, [])
    assert compact(lake.table, lake.engine, many=4) == 9
    assert lake.lake.total() == 8 * 40_000 + 2000


def sized(megabytes: int) -> DataFile:
    return DataFile(f"2026-11-24/{megabytes}.parquet", megabytes * 2**20, 1, 0, NOON, NOON, 1, 1)


def test_no_more_is_merged_at_once_than_a_tick_can_wait_for() -> None:
    files = smallest([sized(megabytes) for megabytes in (20, 30, 25, 1, 30, 2)])
    assert files == [sized(megabytes) for megabytes in (1, 2, 20, 25)]


def test_two_files_are_merged_however_large() -> None:
    assert smallest([sized(60), sized(80), sized(70)]) == [sized(60), sized(70)]
