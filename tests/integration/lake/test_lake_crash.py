"""Killed at any moment (TRAPS 16): nothing acknowledged is lost, nothing is twice, every payload has a receipt."""

import signal
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from cdrelay.control.database import DatabaseUnavailable
from cdrelay.lake.receipts import Drained
from tests.integration.lake.lake_processes import (
    NOW,
    SURVIVED,
    Kill,
    ReceiptFolder,
    drain,
    ended,
    receive,
    receive_on_a_full_disk,
    run,
    start,
)
from tests.support.lake_builder import LakeBuilder, record, report_id

KILLED = -signal.SIGKILL
Opener = Callable[..., LakeBuilder]


def stored_names(lake: LakeBuilder) -> list[str]:
    return [row["report_id"] for row in lake.rows()]


@pytest.mark.parametrize(
    "kill",
    [
        *(Kill(moment, 3) for moment in ("half written", "written", "synced", "committed", "acknowledged")),
        *(Kill("disk", count) for count in range(1, 12, 2)),
    ],
    ids=lambda kill: f"{kill.moment} {kill.count}",
)
def test_what_was_acknowledged_before_a_kill_is_stored(lake: LakeBuilder, kill: Kill) -> None:
    acknowledged = lake.folder / "acknowledged"
    acknowledged.mkdir()
    assert run(receive, lake.folder, list("abcd"), kill) == KILLED
    told = {path.name for path in acknowledged.iterdir()}
    lake.spool.sweep()
    lake.loader.drain()
    found = stored_names(lake)
    assert {report_id(name) for name in told} <= set(found) <= {report_id(name) for name in "abcd"}
    assert (len(found), list(lake.spool.folder.iterdir()), lake.aside()) == (len(set(found)), [], [])


def fill(lake: LakeBuilder) -> set[str]:
    """An old load, and payloads that add to it, correct it, repeat it and break in every way; the ids that wait."""
    lake.load(*(record(number, NOW - timedelta(hours=1)) for number in range(20)))
    return {
        lake.put(*(record(number, NOW) for number in range(5)), b"{}"),
        lake.put(*(record(number, NOW - timedelta(hours=1)) for number in range(15, 25))),
        lake.put(*(record(number, NOW - timedelta(days=1)) for number in range(20, 30))),
        lake.put_body(b"<html>"),
        lake.put(),
    }


def reference(open_lake: Opener) -> LakeBuilder:
    """The same without a kill."""
    lake = open_lake("reference")
    fill(lake)
    lake.loader.drain()
    return lake


def require_whole(lake: LakeBuilder, waited: set[str], undisturbed: LakeBuilder) -> None:
    """After the drain of a fresh process, the lake holds what it would hold had nobody been killed."""
    assert run(drain, lake.folder) == SURVIVED
    assert lake.contents() == undisturbed.contents()
    assert lake.spool.waiting() == []
    assert {one["record"] for one in lake.aside()} == {one["record"] for one in undisturbed.aside()}
    receipts = ReceiptFolder(lake.folder / "receipts").kept()
    assert receipts.keys() == waited
    assert sum(quarantined for _, quarantined in receipts.values()) == 2


@pytest.mark.parametrize(
    ("step", "batch_bytes"), [("written", 1), ("committed", 1), ("receipted", 1), ("removed", 1), ("committed", 2**20)]
)
def test_a_kill_after_any_step_of_a_load_costs_nothing(open_lake: Opener, step: str, batch_bytes: int) -> None:
    lake = open_lake()
    waited = fill(lake)
    assert run(drain, lake.folder, Kill(step), batch_bytes) == KILLED
    before = lake.rows()
    assert len({row["report_id"] for row in before}) == len(before), "twice for a reader between kill and restart"
    assert step == "removed" or len(lake.spool.waiting()) == len(waited)
    require_whole(lake, waited, reference(open_lake))


def test_a_kill_at_any_touch_of_a_file_costs_nothing(open_lake: Opener) -> None:
    """Each process starts on what the one before left, and comes a few touches further."""
    lake = open_lake()
    waited = fill(lake)
    codes, touches = [], 1
    while not codes or codes[-1] == KILLED:
        codes.append(run(drain, lake.folder, Kill("disk", touches), 500))
        rows = lake.rows()
        assert len({row["report_id"] for row in rows}) == len(rows)
        touches += 3
    assert len(codes) > 5, "it was killed often enough to mean something"
    assert codes[-1] == SURVIVED
    require_whole(lake, waited, reference(open_lake))


def test_kills_at_random_moments_of_a_large_drain_cost_nothing(open_lake: Opener) -> None:
    lake, random = open_lake(), Random(16)
    names: set[str] = set()
    waited: set[str] = set()
    killed = 0
    for round_number in range(25):
        for _ in range(3):
            some = [f"{random.randint(0, 4000)}" for _ in range(100)]
            names.update(some)
            waited.add(lake.put(*(record(name, NOW - timedelta(hours=int(name) % 30)) for name in some)))
        process = start(drain, lake.folder, None, 20_000)
        process.join(random.uniform(0.05, 0.3))
        process.kill()
        killed += ended(process) == KILLED
        assert round_number < 24 or killed > 12, "it was killed often enough to mean something"
    assert run(drain, lake.folder) == SURVIVED
    assert sorted(stored_names(lake)) == sorted({report_id(name) for name in names})
    assert ReceiptFolder(lake.folder / "receipts").kept().keys() == waited
    assert lake.spool.waiting() == []


def test_without_a_database_for_receipts_the_spool_keeps_its_files(open_lake: Opener) -> None:
    lake = open_lake()
    waited = fill(lake)

    def unavailable(_: object) -> None:
        raise DatabaseUnavailable("gone")

    broken = open_lake(keep_receipts=unavailable)
    with pytest.raises(DatabaseUnavailable):
        broken.loader.drain()
    assert len(lake.spool.waiting()) == len(waited)
    drained = lake.loader.drain()
    assert (drained.payloads, drained.added, lake.spool.waiting()) == (len(waited), 0, [])
    assert lake.contents() == reference(open_lake).contents()
    assert waited <= {receipt.envelope.id for receipt in lake.receipts}


LARGE = [record(number, NOW, User="".join(Random(number).choices("abcdefghijklmnop", k=400))) for number in range(2000)]


def test_a_disk_that_fills_up_during_a_load_costs_nothing(lake: LakeBuilder) -> None:
    lake.put(*LARGE)
    files = set(lake.table.folder.rglob("*.parquet"))
    assert run(drain, lake.folder, None, 2**20, 50_000) == 1
    assert (len(lake.spool.waiting()), lake.lake.total(), files) == (1, 0, set(lake.table.folder.rglob("*.parquet")))
    assert lake.loader.drain() == Drained(1, len(LARGE), len(LARGE), 0, 0, 0)


def test_a_disk_that_fills_up_at_the_commit_costs_nothing(lake: LakeBuilder) -> None:
    lake.put(record("a", NOW))
    assert run(drain, lake.folder, None, 2**20, 1) == 1
    assert (len(lake.spool.waiting()), lake.lake.total()) == (1, 0)
    assert lake.loader.drain() == Drained(1, 1, 1, 0, 0, 0)


def test_a_body_for_which_the_disk_has_no_room_leaves_no_trace(lake: LakeBuilder) -> None:
    assert run(receive_on_a_full_disk, lake.folder) == SURVIVED
    assert list(lake.spool.folder.iterdir()) == []
