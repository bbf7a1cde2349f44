"""A key that nobody documented becomes a column: old records and new ones, and nobody sees records change."""

import itertools
import json
import multiprocessing
import resource
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import deltalake
import pytest

from cdrelay.clock import ManualClock
from cdrelay.lake.cut import Cut
from cdrelay.lake.export import Reader
from cdrelay.lake.promote import Promoter, PromotionStopped
from cdrelay.lake.promoted import CannotPromote
from cdrelay.lake.upkeep import compact
from cdrelay.records.fields import Kind
from tests.integration.lake.lake_processes import NOW, Kill, run
from tests.support.lake_builder import ORG, SMALL, LakeBuilder, read_window, record

Opener = Callable[..., LakeBuilder]
KEY = "New 'key' of ü"
COLUMN = "new_key_of"
UUID = "0a1b2c3d-1111-4222-8333-444455556666"
ENDED = NOW - timedelta(hours=1)

VALUES: list[Any] = [
    "plain", "", "NA", " ", "true", "False", "TRUE", "5", "-7", "007", "7.0", "1e16", "1e+16", "2.5", "2.50", "-0",
    "-0.0", "9223372036854775807", "9223372036854775808", "NaN", "inf", "2026-03-02T14:03:41.223Z",
    "2026-03-02T14:03:41.223456Z", "2026-03-02T14:03:41Z", "2026-03-02 14:03:41.223", "2026-03-02T14:03:41.223000Z",
    "0999-01-01T00:00:00.000Z",
    "2026-02-30T00:00:00.000Z", UUID, UUID.upper(), "0.1", "123456789012345.25", "1e-7", "0.00001", 5, 5.5,
    -0.0, 10**30, True, False, None, [], {}, {"b": [1.10]}, "NUL \u0000", "📞 Zoë", 'quote " and \\',
]  # fmt: skip


def promoter(lake: LakeBuilder) -> Promoter:
    return Promoter(lake.table, lake.engine, lake.loader.exclusively)


def every_value() -> list[dict[str, Any]]:
    return [record(number, ENDED, **{KEY: value}) for number, value in enumerate(VALUES)]


def values_of(lake: LakeBuilder) -> list[tuple[Any, str | None]]:
    return [(row[COLUMN], row["extra"]) for row in lake.rows()]


@pytest.mark.parametrize("kind", Kind)
def test_old_records_new_ones_and_those_read_thoroughly_are_stored_alike(open_lake: Opener, kind: Kind) -> None:
    plain, old, new, thorough = (open_lake(name) for name in ("plain", "old", "new", "thorough"))
    plain.load(*every_value())
    old.load(*every_value())
    promoter(old).promote(KEY, kind)
    for lake in (new, thorough):
        promoter(lake).promote(KEY, kind)
    new.load(*every_value())
    thorough.load(*({"report id": one.pop("Report ID")} | one for one in every_value()))
    assert old.contents() == new.contents() == thorough.contents()
    assert old.everything() == new.everything() == plain.everything()
    given = [json.loads(text) for text in old.everything()]
    assert {json.dumps(one.get(KEY, "absent"), sort_keys=True) for one in given} == {
        json.dumps(value, sort_keys=True) for value in VALUES
    }
    assert sum(value is not None for value, _ in values_of(old)) > 0


def test_what_fits_leaves_extra_and_what_does_not_stays(lake: LakeBuilder) -> None:
    for number, value in enumerate(["5", "007", "many", 6]):
        lake.load(record(number, ENDED, **{KEY: value, "Other": "x"}))
    done = promoter(lake).promote(KEY, Kind.INTEGER)
    assert (done.column.column, done.files, done.records, done.left) == (COLUMN, 3, 3, 1)
    found = {(value, tuple(json.loads(extra or "{}"))) for value, extra in values_of(lake)}
    # Only "5" comes out of the column as it came: of the others extra keeps the form.
    assert found == {(5, ("Other",)), (7, (KEY, "Other")), (6, (KEY, "Other")), (None, (KEY, "Other"))}


def test_promoting_again_changes_nothing(lake: LakeBuilder) -> None:
    lake.load(*every_value())
    promoter(lake).promote(KEY, Kind.INTEGER)
    files, rows = lake.table.snapshot().files, lake.rows()
    again = promoter(lake).promote(KEY, Kind.INTEGER)
    assert (again.files, again.records) == (0, 0)
    assert (lake.table.snapshot().files, lake.rows()) == (files, rows)
    assert again.left == promoter(open_again(lake)).promote(KEY, Kind.INTEGER).left > 0


def open_again(lake: LakeBuilder) -> LakeBuilder:
    return LakeBuilder(lake.folder, lake.clock)


def test_loaders_and_readers_that_were_open_before_know_the_column(open_lake: Opener) -> None:
    lake, other = open_lake(), open_lake()
    lake.load(record("old", ENDED, **{KEY: "a"}))
    assert len(other.rows()) == 1
    promoter(lake).promote(KEY, Kind.TEXT)
    other.load(record("new", ENDED, **{KEY: "b"}))
    assert sorted(values_of(lake)) == sorted(values_of(other)) == [("a", None), ("b", None)]
    assert sorted(json.loads(text)[KEY] for text in other.everything()) == ["a", "b"]


def test_files_with_and_without_the_column_are_merged_and_corrected(open_lake: Opener) -> None:
    lake, plain = open_lake(), open_lake("plain")
    for each in (plain, lake):
        each.load(record("without", ENDED))
        each.load(*(record(name, ENDED, **{KEY: name}) for name in ("a", "b")))
        if each is lake:
            promoter(lake).promote(KEY, Kind.TEXT)
        each.load(record("a", ENDED + timedelta(minutes=1), **{KEY: "newer"}), record("c", ENDED, **{KEY: "c"}))
        each.load(record("without", ENDED + timedelta(minutes=1)))
        assert compact(each.table, each.engine, many=2)
    assert lake.everything() == plain.everything()
    assert sorted(str(value) for value, _ in values_of(lake)) == ["None", "b", "c", "newer"]


def test_no_window_changes_by_it(lake: LakeBuilder) -> None:
    for number in range(6):
        lake.load(record(number, ENDED + timedelta(minutes=number), **{KEY: str(number)} if number % 2 else {}))
    cuts = [Cut(seq, ENDED + timedelta(minutes=minutes)) for seq, minutes in ((1, 1), (3, 3), (6, 60))]
    before = [read_window(lake.lake, *pair, [ORG]) for pair in itertools.pairwise([None, *cuts])]
    loads = [row["load_seq"] for row in lake.rows()]
    promoter(lake).promote(KEY, Kind.INTEGER)
    assert [read_window(lake.lake, *pair, [ORG]) for pair in itertools.pairwise([None, *cuts])] == before
    assert [row["load_seq"] for row in lake.rows()] == loads
    assert lake.lake.last_load() == 6


def test_a_plain_delta_reader_sees_the_column(lake: LakeBuilder) -> None:
    lake.load(record("without", ENDED))
    lake.load(record("a", ENDED, **{KEY: "2026-03-02T14:03:41.223Z"}), record("b", ENDED, **{KEY: "no time"}))
    promoter(lake).promote(KEY, Kind.TIMESTAMP)
    lake.load(record("c", ENDED, **{KEY: "2026-03-02T14:03:41.223Z"}))
    table = deltalake.DeltaTable(str(lake.table.folder))
    column = table.to_pyarrow_table().column(COLUMN)
    assert (str(column.type), column.null_count, len(column)) == ("timestamp[us, tz=UTC]", 2, 4)
    (field,) = [field for field in table.schema().fields if field.name == COLUMN]
    assert KEY in field.metadata["comment"]


def test_questions_and_exports_have_the_column(lake: LakeBuilder, tmp_path: Path) -> None:
    lake.load(record("a", ENDED, **{KEY: "1"}), record("b", ENDED))
    promoter(lake).promote(KEY, Kind.INTEGER)
    with Reader(lake.table.folder, SMALL, tmp_path / "scratch") as reader:
        assert reader.export(tmp_path / "out.csv", "csv", None, None) == 2
        assert COLUMN in (tmp_path / "out.csv").read_text().splitlines()[0].split(",")
        assert reader.export(tmp_path / "out.ndjson", "ndjson", None, None) == 2
        exported = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
        assert sorted(one.get(KEY, "absent") for one in exported) == ["1", "absent"]
        assert list(reader.ask("SELECT sum(new_key_of) FROM records").rows) == [(1,)]


def test_a_dry_run_tells_how_many_values_fit_each_type_and_changes_nothing(lake: LakeBuilder) -> None:
    lake.load(*(record(number, ENDED, **{KEY: value}) for number, value in enumerate(["5", "2.5", "true", UUID, None])))
    lake.load(record("nested", ENDED, Other={KEY: "inner"}), record("none", ENDED))
    version = lake.table.snapshot().version
    fitting = promoter(lake).fitting(KEY)
    assert fitting.records == 5
    assert fitting.fit == {
        Kind.TEXT: 4, Kind.UUID: 1, Kind.TIMESTAMP: 0, Kind.BOOLEAN: 1, Kind.INTEGER: 1, Kind.NUMBER: 2,
    }  # fmt: skip
    assert lake.table.snapshot().version == version
    assert list(promoter(lake).promoted()) == []


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("Report ID", "documented field 'Report ID'"),
        ("reportId", "documented field 'Report ID'"),
        ("", "1 to 200 printable characters"),
        ("--", "1 to 200 printable characters"),
        ("a" * 201, "1 to 200 printable characters"),
        ("line\nfeed", "1 to 200 printable characters"),
        ('a "quote"', "neither double quotes"),
        ("back\\slash", "neither double quotes"),
        ("Own_Extra", "uses itself"),
        ("new key OF ü", "the same but for its spelling"),
    ],
)
def test_a_key_that_can_get_no_column_is_refused(lake: LakeBuilder, key: str, why: str) -> None:
    promoter(lake).promote(KEY, Kind.TEXT)
    with pytest.raises(CannotPromote, match=why):
        promoter(lake).promote(key, Kind.TEXT)


def test_another_type_for_a_column_that_is_there_is_refused(lake: LakeBuilder) -> None:
    promoter(lake).promote(KEY, Kind.TEXT)
    with pytest.raises(CannotPromote, match="of type text already"):
        promoter(lake).promote(KEY, Kind.INTEGER)


def test_columns_get_names_that_nobody_has(lake: LakeBuilder) -> None:
    keys = ["source", "Extra!", "42", "новый ключ", "ключ", "x" * 200, "load_seq", "Filename", "a.b", "order", "class"]
    values = {key: f"value of {key}" for key in keys}
    lake.load(record("old", ENDED, **values))
    names = [promoter(lake).promote(key, Kind.TEXT).column.column for key in keys]
    lake.load(record("new", ENDED, **values))
    assert names == [
        "source_2", "extra_2", "key_42", "key", "key_2", "x" * 60, "load_seq_2", "key_filename", "a_b", "key_order",
        "class",
    ]  # fmt: skip
    for row in lake.rows():
        assert {name: row[name] for name in names} == dict(zip(names, values.values(), strict=True))
        assert (row["source"], row["extra"]) == ("test", None)
    assert all(json.loads(text).items() >= values.items() for text in lake.everything())


# --- In other processes ----------------------------------------------------------------------------------------------


def promote_and_die(folder: Path, kill: Kill) -> None:
    """Promote, as a fresh process does."""
    lake = LakeBuilder(folder, ManualClock(NOW))
    promoting = promoter(lake)
    countdown = itertools.count(1)

    def step(name: str) -> None:
        if name == kill.moment and next(countdown) == kill.count:
            signal.raise_signal(signal.SIGKILL)

    promoting.step = step
    promoting.promote(KEY, Kind.INTEGER)


def fill(lake: LakeBuilder) -> None:
    for number in range(4):
        lake.load(record(number, ENDED, **{KEY: str(number)}), record(f"{number} no", ENDED, **{KEY: "no"}))


@pytest.mark.parametrize(
    "kill",
    [Kill("column"), Kill("written"), Kill("committed"), Kill("written", 3), Kill("committed", 4)],
    ids=lambda kill: f"{kill.moment} {kill.count}",
)
def test_a_kill_at_any_step_leaves_all_records_and_promoting_again_goes_on(open_lake: Opener, kill: Kill) -> None:
    lake, reference = open_lake(), open_lake("reference")
    for each in (lake, reference):
        fill(each)
    wire = lake.everything()
    assert run(promote_and_die, lake.folder, kill) == -signal.SIGKILL
    assert lake.everything() == wire
    lake.load(record("meanwhile", ENDED, **{KEY: "9"}))
    promoter(lake).promote(KEY, Kind.INTEGER)
    promoter(reference).promote(KEY, Kind.INTEGER)
    reference.load(record("meanwhile", ENDED, **{KEY: "9"}))
    assert lake.contents() == reference.contents()


def read_until(folder: Path, done: Any, answers: Any) -> None:
    """Read again and again, as a process of its own; what was different each time."""
    lake, seen = LakeBuilder(folder, ManualClock(NOW)), set()
    while True:
        last = done.is_set()
        seen.add(tuple(sorted(lake.everything())))
        if last:
            break
    answers.put(len(seen))


def test_a_reader_in_another_process_sees_the_same_records_all_the_while(lake: LakeBuilder) -> None:
    for number in range(12):
        lake.load(*(record(f"{number} {each}", ENDED, **{KEY: f"{each}"}) for each in range(50)))
    context = multiprocessing.get_context("forkserver")
    done, answers = context.Event(), context.Queue()
    reader = context.Process(target=read_until, args=(lake.folder, done, answers), daemon=True)
    reader.start()
    promoter(lake).promote(KEY, Kind.INTEGER)
    done.set()
    assert answers.get(timeout=60) == 1
    reader.join(60)
    assert {extra for _, extra in values_of(lake)} == {None}


def test_a_file_that_others_replace_and_delete_meanwhile_is_looked_at_again(lake: LakeBuilder) -> None:
    fill(lake)
    promoting = promoter(lake)

    def step(name: str) -> None:
        if name == "column":
            original = promoting._table.snapshot
            stale = original()

            def snapshot_then_merge() -> Any:
                promoting._table.snapshot = original  # type: ignore[method-assign]
                compact(lake.table, lake.engine, many=2)
                for file in stale.files:
                    (lake.table.folder / file.path).unlink()
                return stale

            promoting._table.snapshot = snapshot_then_merge  # type: ignore[method-assign]

    promoting.step = step
    done = promoting.promote(KEY, Kind.INTEGER)
    assert (done.files, done.records, done.left) == (1, 4, 4)


def test_a_full_disk_stops_it_and_it_goes_on_later(lake: LakeBuilder) -> None:
    fill(lake)
    assert run(promote_on_a_full_disk, lake.folder) == 0
    assert promoter(lake).promote(KEY, Kind.INTEGER).records == 4


def promote_on_a_full_disk(folder: Path) -> None:
    """Anything but PromotionStopped is an exit code other than 0."""
    promoting = promoter(LakeBuilder(folder, ManualClock(NOW)))
    promoting.step = lambda name: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    with pytest.raises(PromotionStopped):
        promoting.promote(KEY, Kind.INTEGER)


def test_a_load_gets_its_turn_between_two_files(open_lake: Opener) -> None:
    lake, other = open_lake(), open_lake()
    for number in range(12):
        lake.load(record(number, ENDED, **{KEY: str(number)}))
    other.put(record("between", ENDED, **{KEY: "99"}))
    happened: list[str] = []

    def load() -> None:
        other.loader.drain()
        happened.append("loaded")

    loading, promoting = Thread(target=load), promoter(lake)

    def step(name: str) -> None:
        if name == "written" and not loading.ident:
            loading.start()  # the lock is held now
        happened.append(name)

    promoting.step = step
    promoting.promote(KEY, Kind.INTEGER)
    loading.join(60)
    assert happened.count("committed") == 12
    assert happened.index("loaded") < len(happened) - 1, "it waited for the last file"
    assert (99, None) in values_of(lake)
