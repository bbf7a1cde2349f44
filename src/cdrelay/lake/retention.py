"""How long records are kept: all for one time, and those of some organizations for a time of their own.

A file's turn comes when the youngest of its records, and the moment it came into the table, are past the time. So a
late record of an old call has the same time as any other, records may stay longer by as much as their file spans, and
a file is written anew once for each time that ends in it, not again and again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import duckdb

from cdrelay.lake.parquet import REWRITTEN, write_rows
from cdrelay.lake.schema import literals
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable
from cdrelay.lake.written import Written

_REWRITTEN_AT_ONCE = 8
_LOOKED_INTO_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class KeepTimes:
    """How long records are kept at least."""

    general: timedelta | None = None
    """None: for ever."""
    own: Mapping[str, timedelta] = field(default_factory=dict)
    """By organization; shorter or longer than the general time."""


KEEP_ALL = KeepTimes()


@dataclass(frozen=True, slots=True)
class _Turn:
    """What goes from a file."""

    file: DataFile
    others: frozenset[str]
    everybody: bool
    """Whether the general time is over: then only `others` stay. Otherwise only `others` go."""


class Retention:
    """Lets go of what is older than its time. It remembers where it looked for nothing, while the process runs."""

    def __init__(self, table: RecordTable, engine: duckdb.DuckDBPyConnection) -> None:
        self._table = table
        self._engine = engine
        self._done: set[_Turn] = set()

    def expire(self, times: KeepTimes, now: datetime) -> int:
        """Do a bounded step; how many records went. To be called under the loader's lock.

        Files that are past their time as a whole go at once; of others at most eight are written anew.
        """
        files = self._table.snapshot().files
        turns = [turn for file in files if (turn := _turn(file, times, now)) is not None]
        self._done &= set(turns)
        whole = [turn.file for turn in turns if turn.everybody and not turn.others]
        if whole:
            self._table.commit_expiry(whole)
        partly = [turn for turn in turns if turn.others and turn not in self._done][:_LOOKED_INTO_AT_ONCE]
        gone = sum(file.rows for file in whole) + self._rewrite(partly)
        if gone:
            self._table.vacuum()
        return gone

    def _rewrite(self, turns: Sequence[_Turn]) -> int:
        gone = steps = 0
        found = self._organizations([turn.file for turn in turns])
        for turn in turns:
            there = found[turn.file.path]
            going = sum(rows for org_uuid, rows in there.items() if (org_uuid in turn.others) is not turn.everybody)
            if not going:
                self._done.add(turn)
            elif steps < _REWRITTEN_AT_ONCE:
                steps += 1
                gone += going
                left = [self._without(turn)] if going < turn.file.rows else []
                self._table.commit_expiry([turn.file], left)
        return gone

    def _organizations(self, files: Sequence[DataFile]) -> dict[str, dict[str, int]]:
        """Rows by file and organization."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        paths = dict(zip(self._table.absolute(files), files, strict=True))
        if paths:
            with closing(self._engine.cursor()) as cursor:
                for path, org_uuid, rows in cursor.execute(statement("rows_in_files", parquet=[*paths])).fetchall():
                    found[paths[path].path][org_uuid] = rows
        return found

    def _without(self, turn: _Turn) -> Written:
        select = statement(
            "rows_of_some" if turn.everybody else "rows_of_others",
            parquet=self._table.absolute([turn.file]),
            columns=self._table.columns,
            organizations=literals(sorted(turn.others)),
        )
        file = turn.file
        with self._table.new_file(file.day, file.last_load) as target, closing(self._engine.cursor()) as cursor:
            rows = write_rows(cursor, select, target, REWRITTEN, self._table.keys)
            return self._table.written(target, rows, since=file.written)


def _turn(file: DataFile, times: KeepTimes, now: datetime) -> _Turn | None:
    over = {org_uuid for org_uuid, keep in times.own.items() if _past(file, now - keep)}
    if times.general is not None and _past(file, now - times.general):
        return _Turn(file, frozenset(times.own.keys() - over), everybody=True)
    return _Turn(file, frozenset(over), everybody=False) if over else None


def _past(file: DataFile, before: datetime) -> bool:
    return file.last_report_time < before and file.written < before.timestamp() * 1000
