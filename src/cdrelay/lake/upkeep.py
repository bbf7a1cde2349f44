"""Upkeep of the table: many small files of a day become one, old files go, and those that no recent state uses.

All of it is done by the loader, under its lock.
"""

from bisect import bisect_right
from collections import defaultdict
from contextlib import closing
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb
import structlog

from cdrelay.errors import CdrelayError
from cdrelay.lake.schema import literal
from cdrelay.lake.statements import statement
from cdrelay.lake.table import DataFile, RecordTable

SMALL_BYTES = 32 * 2**20
"""A file below this is worth merging; above it, another merge would cost more than it saves."""
MANY = 32
"""So many small files of one day are merged. Each record is then rewritten a few times in its life at most."""
MERGED_BYTES = 64 * 2**20
"""So much is merged at once, or two files: a load, and with it a tick, waits for it."""


_log = structlog.get_logger(__name__)


def keep_up(
    table: RecordTable, engine: duckdb.DuckDBPyConnection, keep_from: datetime | None, *, tidying: bool = False
) -> None:
    """Do what is due, and let go of what is older than `keep_from`; `tidying` removes what went before from the disk.

    What fails, for want of room as a rule, is logged and waits for the next time: records are loaded without it, and
    ticks must not wait for it.
    """
    try:
        compact(table, engine)
        if keep_from is not None:
            expire(table, keep_from)
        if tidying:
            table.vacuum()
    except (CdrelayError, OSError, duckdb.Error) as error:
        _log.warning("upkeep.failed", error=type(error).__name__)


def compact(table: RecordTable, engine: duckdb.DuckDBPyConnection, many: int = MANY) -> int:
    """Merge the smallest files of every day that has `many` small ones; how many files went.

    To be called under the loader's lock. What would be too much for once is merged the next time.
    """
    by_day: dict[str, list[DataFile]] = defaultdict(list)
    for file in table.snapshot().files:
        if file.size < SMALL_BYTES:
            by_day[file.path.partition("/")[0]].append(file)
    crowded = {day: smallest(files) for day, files in by_day.items() if len(files) >= many}
    for day, files in crowded.items():
        with table.new_file(day, max(file.last_load for file in files)) as target:
            paths = table.absolute(files)
            try:
                # One organization's calls lie together then.
                returned = _merge(engine, paths, target, "ORDER BY org_uuid, report_time")
            except duckdb.OutOfMemoryException:
                returned = _merge(engine, paths, target, "")  # a longer read of one organization, and nothing worse
            merged = table.written(target, returned)
        table.commit_compaction([merged], files)
    if crowded:
        table.vacuum()
    return sum(len(files) for files in crowded.values())


def _merge(engine: duckdb.DuckDBPyConnection, paths: list[str], target: Path, order: str) -> tuple[Any, ...]:
    sql = statement("compact_files", parquet=paths, target=literal(str(target)), order=order)
    with closing(engine.cursor()) as cursor:
        returned: tuple[Any, ...] = cursor.execute(sql).fetchall()[0]
        return returned


def smallest(files: list[DataFile]) -> list[DataFile]:
    """The smallest of these, as many as are merged at once: of MERGED_BYTES together, or two."""
    by_size = sorted(files, key=lambda file: file.size)
    sums = list(accumulate(file.size for file in by_size))
    return by_size[: max(2, bisect_right(sums, MERGED_BYTES))]


def expire(table: RecordTable, before: datetime) -> int:
    """Let go of the files all of whose calls ended, and that were written, before a moment; how many records went.

    A late record of an old call thus stays until whoever is due it had the same time as for any other. A file goes as a
    whole: records may stay longer than asked for, by as much as their file spans, never shorter.
    """
    old = [
        file
        for file in table.snapshot().files
        if file.last_report_time < before and file.written < before.timestamp() * 1000
    ]
    if old:
        table.commit_expiry(old)
        table.vacuum()
    return sum(file.rows for file in old)
