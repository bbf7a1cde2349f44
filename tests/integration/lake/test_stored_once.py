"""Each record once, in its newest version, whichever way the versions come."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdrelay.clock import ManualClock
from cdrelay.lake.load import LoadLimits
from cdrelay.lake.receipts import Drained
from tests.support.lake_builder import ORG, OTHER_ORG, LakeBuilder, record, report_id

EARLIER = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

APART = {
    "a microsecond": (EARLIER, EARLIER + MICROSECOND),
    "over midnight": (MIDNIGHT - MICROSECOND, MIDNIGHT),
    "48 hours": (EARLIER - timedelta(hours=48), EARLIER),
}


def versions(lake: LakeBuilder) -> list[tuple[str, datetime, str]]:
    return [(row["report_id"], row["report_time"], row["user"]) for row in lake.rows()]


@pytest.mark.parametrize("apart", APART.values(), ids=APART)
def test_a_newer_version_replaces_the_stored_one(lake: LakeBuilder, apart: tuple[datetime, datetime]) -> None:
    older, newer = apart
    lake.load(record("a", older, User="old"), record("beside", older, User="other"))
    assert lake.load(record("a", newer, User="new")) == Drained(1, 1, 0, 1, 0, 0)
    assert sorted(versions(lake)) == sorted([(report_id("a"), newer, "new"), (report_id("beside"), older, "other")])


@pytest.mark.parametrize("apart", APART.values(), ids=APART)
def test_an_older_version_that_comes_later_is_passed_over(lake: LakeBuilder, apart: tuple[datetime, datetime]) -> None:
    older, newer = apart
    lake.load(record("a", newer, User="new"))
    assert lake.load(record("a", older, User="old")) == Drained(1, 1, 0, 0, 1, 0)
    assert versions(lake) == [(report_id("a"), newer, "new")]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("apart", APART.values(), ids=APART)
def test_of_two_versions_in_one_batch_the_newer_is_stored(
    lake: LakeBuilder, apart: tuple[datetime, datetime], order: tuple[int, int]
) -> None:
    both = (record("a", apart[0], User="old"), record("a", apart[1], User="new"))
    for which in order:
        lake.put(both[which])
    assert lake.loader.drain() == Drained(2, 2, 1, 0, 1, 0)
    assert versions(lake) == [(report_id("a"), apart[1], "new")]


def test_the_same_time_again_is_no_change(lake: LakeBuilder) -> None:
    lake.load(record("a", EARLIER, User="first"))
    assert lake.load(record("a", EARLIER, User="second")) == Drained(1, 1, 0, 0, 1, 0)
    assert versions(lake) == [(report_id("a"), EARLIER, "first")]
    assert lake.table.snapshot().last_load == 1


def test_of_equal_versions_in_one_body_the_first_is_stored(lake: LakeBuilder) -> None:
    assert lake.load(*(record("a", EARLIER, User=str(number)) for number in range(50))) == Drained(1, 50, 1, 0, 49, 0)
    assert versions(lake) == [(report_id("a"), EARLIER, "0")]


def test_a_corrected_row_has_the_number_of_the_load_that_corrected_it(lake: LakeBuilder) -> None:
    lake.load(record("a", EARLIER), record("b", EARLIER))
    lake.load(record("a", EARLIER + MICROSECOND))
    assert {row["report_id"]: row["load_seq"] for row in lake.rows()} == {report_id("a"): 2, report_id("b"): 1}


def test_the_same_report_id_in_two_organizations_is_two_records(lake: LakeBuilder) -> None:
    lake.load(record("a", EARLIER), record("a", EARLIER, org=OTHER_ORG))
    assert [row["org_uuid"] for row in lake.rows()] == [ORG, OTHER_ORG]


def test_one_id_in_two_spellings_is_one_record(lake: LakeBuilder) -> None:
    lake.load(record("a", EARLIER))
    loud = record("a", EARLIER + MICROSECOND, User="loud")
    assert lake.load(loud | {"Report ID": loud["Report ID"].upper(), "Org UUID": ORG.upper()}).corrected == 1
    assert versions(lake) == [(report_id("a"), EARLIER + MICROSECOND, "loud")]


def test_a_batch_over_many_days_goes_into_the_folder_of_each(lake: LakeBuilder) -> None:
    lake.load(*(record(days, EARLIER - timedelta(days=days)) for days in range(5)))
    assert sorted(file.path.partition("/")[0] for file in lake.table.snapshot().files) == [
        "2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24",
    ]  # fmt: skip


def test_a_payload_over_several_batches_is_loaded_whole(open_lake: Callable[..., LakeBuilder]) -> None:
    lake = open_lake(limits=LoadLimits(batch_bytes=1000))
    lake.put(*(record(number, EARLIER) for number in range(5000)))
    lake.put(record(4999, EARLIER + MICROSECOND), record("beside", EARLIER))
    assert lake.loader.drain() == Drained(2, 5002, 5001, 1, 0, 0)
    assert [receipt.records for receipt in lake.receipts] == [5000, 2]
    assert lake.spool.waiting() == []


one_version = st.tuples(st.integers(0, 3), st.integers(-4, 4), st.integers(0, 2))
"""Which record, how many times 13 hours from noon, and in which load."""


@settings(max_examples=12)
@given(st.lists(one_version, min_size=1, max_size=25))
def test_any_order_of_versions_leaves_the_newest_of_each(
    tmp_path_factory: pytest.TempPathFactory, came: list[tuple[int, int, int]]
) -> None:
    lake = LakeBuilder(tmp_path_factory.mktemp("any"), ManualClock(EARLIER + timedelta(days=3)))
    moment = {step: EARLIER + step * timedelta(hours=12) for step in range(-4, 5)}
    newest: dict[str, datetime] = {}
    for load in range(3):
        for name, step, _ in filter(lambda each: each[2] == load, came):
            if step in range(-2, 3):  # at most 48 hours apart
                lake.put(record(name, moment[step], User=str(step)))
                newest[report_id(name)] = max(newest.get(report_id(name), moment[step]), moment[step])
        lake.loader.drain()
    assert {row["report_id"]: row["report_time"] for row in lake.rows()} == newest
    assert len(lake.rows()) == len(newest)
    assert all(moment[int(row["user"])] == row["report_time"] for row in lake.rows())
    lake.close()
