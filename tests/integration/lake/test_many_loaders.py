"""Several loaders on one spool and one lake: a lock lets one at a time, and a fence stands behind the lock."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from cdrelay.lake.load import LoadLimits
from cdrelay.lake.receipts import Drained
from cdrelay.lake.table import Overtaken, RecordTable
from tests.integration.lake.lake_processes import SURVIVED, ReceiptFolder, drain, ended, start
from tests.support.lake_builder import LakeBuilder, record, report_id

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
Opener = Callable[..., LakeBuilder]


def fill(lake: LakeBuilder, payloads: int) -> tuple[set[str], set[str]]:
    """Payloads whose records overlap; the ids of the payloads and of the records."""
    random, waited, ids = Random(7), set(), set()
    for _ in range(payloads):
        names = random.sample(range(300), 40)
        waited.add(lake.put(*(record(name, NOON + timedelta(minutes=random.randint(0, 9))) for name in names)))
        ids.update(report_id(name) for name in names)
    return waited, ids


def test_two_loaders_of_one_process_store_each_record_once(open_lake: Opener) -> None:
    one, other = open_lake(), open_lake()
    waited, ids = fill(one, 12)
    with ThreadPoolExecutor(2) as threads:
        drained = list(threads.map(lambda lake: lake.loader.drain(), (one, other)))
    assert Counter(row["report_id"] for row in one.rows()) == Counter(ids)
    assert sum(each.payloads for each in drained) == len(waited)
    assert {receipt.envelope.id for receipt in one.receipts + other.receipts} == waited


def test_one_loader_may_be_called_from_several_threads(lake: LakeBuilder) -> None:
    waited, ids = fill(lake, 12)
    with ThreadPoolExecutor(4) as threads:
        drained = list(threads.map(lambda _: lake.loader.drain(), range(4)))
    assert sum((each for each in drained), Drained()).payloads == len(waited)
    assert Counter(row["report_id"] for row in lake.rows()) == Counter(ids)


def test_several_processes_store_each_record_once_while_payloads_come(lake: LakeBuilder) -> None:
    waited, ids = fill(lake, 10)
    processes = [start(drain, lake.folder, None, 5_000) for _ in range(3)]
    more, more_ids = fill(lake, 10)
    assert [ended(process) for process in processes] == [SURVIVED] * 3
    assert ended(start(drain, lake.folder)) == SURVIVED
    assert Counter(row["report_id"] for row in lake.rows()) == Counter(ids | more_ids)
    assert ReceiptFolder(lake.folder / "receipts").kept().keys() == waited | more
    assert lake.spool.waiting() == []


def test_a_load_number_can_be_committed_once(lake: LakeBuilder) -> None:
    first, second = RecordTable(lake.table.folder), RecordTable(lake.table.folder)
    first.commit_load(1, [], [])
    with pytest.raises(Overtaken):
        second.commit_load(1, [], [])
    assert lake.lake.last_load() == 1


def test_a_loader_that_lost_its_lock_is_overtaken_and_loses_nothing(open_lake: Opener) -> None:
    """The lock of a network file system can be lost; the other loader's commit then comes in between."""
    lake, other = open_lake(), open_lake()
    lake.load(record("before", NOON))
    lake.put(record("a", NOON))
    overtaking = iter([other.table])

    def overtake(step: str) -> None:
        if step == "written" and (table := next(overtaking, None)):
            table.commit_load(table.snapshot().last_load + 1, [], [])

    lake.loader.step = overtake
    with pytest.raises(Overtaken):
        lake.loader.drain()
    assert (len(lake.spool.waiting()), lake.lake.total(), lake.lake.last_load()) == (1, 1, 2)
    assert lake.loader.drain() == Drained(1, 1, 1, 0, 0, 0)
    assert lake.lake.last_load() == 3


def test_two_loaders_cannot_both_replace_one_file(open_lake: Opener) -> None:
    lake, other = open_lake(), open_lake()
    lake.load(record("a", NOON))
    (file,) = lake.table.snapshot().files
    other.table.snapshot()
    lake.table.commit_load(2, [], [file])
    with pytest.raises(Overtaken):
        other.table.commit_load(2, [], [file])


def test_another_process_sees_a_load_at_once(open_lake: Opener) -> None:
    lake, other = open_lake(), open_lake()
    seen = []
    for number in range(3):
        lake.load(record(number, NOON))
        seen.append((other.lake.total(), other.lake.last_load()))
    assert seen == [(1, 1), (2, 2), (3, 3)]


def test_progress_is_told_after_each_batch(open_lake: Opener) -> None:
    lake = open_lake(limits=LoadLimits(batch_bytes=1))
    for name in "abc":
        lake.put(record(name, NOON))
    told: list[int] = []
    lake.loader.drain(lambda so_far: told.append(so_far.added))
    assert sorted(told) == told
    assert told[-1] == 3


def test_a_drain_of_an_empty_spool_does_nothing(lake: LakeBuilder) -> None:
    assert lake.loader.drain() == Drained()  # the first one of a process looks after the table
    before = sorted(lake.folder.rglob("*"))
    assert lake.loader.drain() == Drained()
    assert sorted(lake.folder.rglob("*")) == before


def test_a_receipt_tells_what_became_of_a_payload(lake: LakeBuilder) -> None:
    lake.load(record("old", NOON), record("same", NOON))
    name = lake.put(record("old", NOON + timedelta(minutes=1)), record("same", NOON), record("new", NOON), b"{}")
    lake.loader.drain()
    receipt = lake.receipts[-1]
    told = (receipt.records, receipt.added, receipt.corrected, receipt.repeated, receipt.quarantined)
    assert (receipt.envelope.id, told, receipt.load_seq) == (name, (4, 1, 1, 1, 1), 2)
    assert receipt.loaded == lake.clock.now()
