"""However many loads there are, the files on the disk stop growing."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdrelay.clock import ManualClock, SystemClock
from cdrelay.lake.load import TIDY_EVERY
from cdrelay.lake.upkeep import MANY
from tests.support.lake_builder import LakeBuilder, record

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LOADS = 150


def let_hours_pass(lake: LakeBuilder) -> None:
    """As far as the table can know: by the times of its files, and those in its log, which only it can write."""
    moment = (SystemClock().now() - timedelta(hours=3)).timestamp()
    for path in (lake.table.folder / "_delta_log").iterdir():
        if path.name != "_last_checkpoint":
            os.utime(path, (moment, moment))


def count(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


@pytest.mark.slow
def test_hundreds_of_small_loads_leave_a_bounded_number_of_files(lake: LakeBuilder, clock: ManualClock) -> None:
    counts, live = [], []
    for number in range(LOADS):
        lake.load(record(number, NOON - timedelta(days=number % 2)))
        if number % 25 == 24:
            let_hours_pass(lake)
            clock.advance(TIDY_EVERY)
            lake.loader.drain()
            lake.table.vacuum(at_once=True)
            counts.append(count(lake.folder))
            live.append(len(lake.table.snapshot().files))
    assert max(live) <= 2 * MANY + 2
    assert max(counts[len(counts) // 2 :]) <= max(counts[: len(counts) // 2]) + 5, counts
    assert max(counts) < 260
    assert lake.lake.total() == LOADS
    assert count(lake.folder / "scratch") <= 1
