"""Upkeep of the table: many small files of a day become one, old files go, and those that no recent state uses.

All of it is done by the loader, under its lock.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

import duckdb
import structlog

from cdrelay.errors import CdrelayError
from cdrelay.lake.parquet import MERGED, write_rows
from cdrelay.lake.retention import KeepTimes, Retention
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.statements import key_of, statement
from cdrelay.lake.table import RecordTable
from cdrelay.lake.written import Written

SMALL_BYTES = 32 * 2**20
"""A file below this is worth merging; above it, another merge would cost more than it saves."""
MANY = 32
"""So many small files of one day are merged. Each record is then rewritten a few times in its life at most."""
MERGED_BYTES = 64 * 2**20
"""So much is merged at once, or two files: a load, and with it a tick, waits for it."""


FEW = 2
"""So many are merged when it is done by hand."""


@dataclass(frozen=True, slots=True)
class UpkeepReport:
    """What an upkeep by hand did."""

    files_before: int
    files_after: int
    files_merged: int
    records_expired: int
    files_deleted: int
    """From the disk: those that no state uses which readers may still have."""
    bytes_after: int


_log = structlog.get_logger(__name__)


class Upkeep:
    """Looks after one table, for its loader and under the loader's lock."""

    def __init__(self, table: RecordTable, engine: duckdb.DuckDBPyConnection) -> None:
        self._table = table
        self._engine = engine
        self._retention = Retention(table, engine)
        self.failing: tuple[datetime, str] | None = None
        """Since when it has failed each time, and why it did lastly; None: it did not fail."""

    def keep_up(self, times: KeepTimes, now: datetime, *, tidying: bool = False) -> None:
        """Do what is due; `tidying` removes what went before from the disk.

        What fails, for want of room as a rule, is logged and waits for the next time: records are loaded without it,
        and ticks must not wait for it.
        """
        try:
            compact(self._table, self._engine)
            self._retention.expire(times, now)
            if tidying:
                self._table.vacuum()
            self.failing = None
        except (CdrelayError, OSError, duckdb.Error) as error:
            self.failing = (self.failing[0] if self.failing else now, type(error).__name__)
            _log.warning("upkeep.failed", error=type(error).__name__)

    def whole(self, times: KeepTimes, now: datetime) -> UpkeepReport:
        """Do all that is due, however long it takes, and say what it was. Raises CdrelayError, OSError, duckdb.Error.

        Again does nothing unless something became due.
        """
        before = self._table.snapshot()
        merged = expired = 0
        while step := compact(self._table, self._engine, many=FEW):
            merged += step
        while gone := self._retention.expire(times, now):
            expired += gone
        deleted = self._table.vacuum()
        self._table.shorten_log()
        after = self._table.snapshot()
        return UpkeepReport(
            files_before=len(before.files),
            files_after=len(after.files),
            files_merged=merged,
            records_expired=expired,
            files_deleted=deleted,
            bytes_after=sum(file.size for file in after.files),
        )


def compact(table: RecordTable, engine: duckdb.DuckDBPyConnection, many: int = MANY) -> int:
    """Merge the smallest files of every day that has `many` small ones; how many files went.

    To be called under the loader's lock. What would be too much for once is merged the next time.
    """
    by_day: dict[str, list[DataFile]] = defaultdict(list)
    for file in table.snapshot().files:
        if file.size < SMALL_BYTES:
            by_day[file.day].append(file)
    crowded = {day: smallest(files) for day, files in by_day.items() if len(files) >= many}
    for day, files in crowded.items():
        try:
            # One organization's calls lie together then.
            merged = _merge(table, engine, day, files, "ORDER BY org_uuid, report_time")
        except duckdb.OutOfMemoryException:
            merged = _merge(table, engine, day, files, "")  # a longer read of one organization, and nothing worse
        table.commit_compaction([merged], files)
    if crowded:
        table.vacuum()
    return sum(len(files) for files in crowded.values())


def _merge(
    table: RecordTable, engine: duckdb.DuckDBPyConnection, day: str, files: list[DataFile], order: str
) -> Written:
    select = statement("merged_rows", parquet=table.absolute(files), columns=table.columns, order=order)
    with table.new_file(day, max(file.last_load for file in files)) as target, closing(engine.cursor()) as cursor:
        rows = write_rows(cursor, select, target, MERGED, table.keys)
        return table.written(target, rows, since=max(file.written for file in files))


def smallest(files: list[DataFile]) -> list[DataFile]:
    """The smallest of these, as many as are merged at once: of MERGED_BYTES together, or two."""
    by_size = sorted(files, key=lambda file: file.size)
    sums = list(accumulate(file.size for file in by_size))
    return by_size[: max(2, bisect_right(sums, MERGED_BYTES))]


def encrypt_all(
    table: RecordTable, engine: duckdb.DuckDBPyConnection, exclusively: Callable[[], AbstractContextManager[None]]
) -> Iterator[int]:
    """Write every file anew that is not encrypted with the newest key; after each, how many are left.

    Loads go on in between. Killed at any moment, doing it again does the rest. The old files stay on the disk until
    `vacuum`. Raises CdrelayError when the table does not encrypt.
    """
    if table.keys is None or table.keys.newest() is None:
        raise CdrelayError("the lake does not encrypt; set encrypt_lake = true first")
    while True:
        with exclusively():
            newest = table.keys.newest()
            old = [file for file in table.snapshot().files if key_of(file.path) != newest]
            if not old:
                return
            table.commit_compaction([_merge(table, engine, old[0].day, old[:1], "")], old[:1])
        yield len(old) - 1
