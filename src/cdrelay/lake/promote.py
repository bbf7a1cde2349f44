"""A key that nobody documented becomes a column, old records included.

First the table gets the column, in its schema, where every process finds it: new records fill it from the next load on.
Then, file by file, what stands in `extra` of old records moves over; each file is a commit of its own, under the
loader's lock for that long and no longer. Whoever reads sees the same records before and after each. A kill leaves some
files done and others not; to promote the key again goes on. `load_seq` stays, so that no window changes.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass

import duckdb
import msgspec
import pyarrow as pa

from cdrelay.errors import CdrelayError
from cdrelay.lake.parquet import MERGED, write_rows
from cdrelay.lake.promoted import CannotPromote, column_for, divide, require_promotable, text_of
from cdrelay.lake.schema import EXTRA, typed_text
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable
from cdrelay.records.fields import Field, Kind
from cdrelay.records.wire import decode_object, encode_extra

_FILES_AT_ONCE = 64
_BYTES_AT_ONCE = 64 * 2**20
_ROWS_A_FETCH = 2048
_BREATH_SECONDS = 0.05
"""Between two files: a load that waits for the lock gets it."""

Progress = Callable[[int, int], None]
"""Told how many of how many files are done."""


class PromotionStopped(CdrelayError):
    """A file could not be read or written; what is done stays done."""

    def __init__(self, error: Exception) -> None:
        # The engine's messages may quote values of records.
        what = error.strerror if isinstance(error, OSError) else type(error).__name__
        super().__init__(f"promoting stopped in the middle: {what}; the same command goes on where it was")


@dataclass(frozen=True, slots=True)
class Fitting:
    """What the values of a key are that no column holds."""

    records: int
    """That have the key in `extra`."""
    fit: dict[Kind, int]
    """How many of the values fit a column of each kind."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What promoting a key did."""

    column: Field
    files: int
    """Files that were written anew."""
    records: int
    """Records whose value is in the column since."""
    left: int
    """Records whose value does not fit, and stays in `extra`."""


class Promoter:
    """Promotes keys of one table. Blocking."""

    def __init__(
        self,
        table: RecordTable,
        engine: duckdb.DuckDBPyConnection,
        exclusively: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """`exclusively` is the loader's."""
        self._table = table
        self._engine = engine
        self._exclusively = exclusively
        self.step: Callable[[str], None] = lambda name: None
        """Called with the name of each step once it is done: where a test kills the process."""

    def promoted(self) -> Sequence[Field]:
        """The columns that keys were given, the first first."""
        self._table.snapshot()
        return self._table.columns.promoted

    def fitting(self, key: str, progress: Progress = lambda done, of: None) -> Fitting:
        """How many records have the key, and how many values fit each kind; changes nothing."""
        files = self._table.snapshot().files
        kinds = {kind: Field(key, "", kind, "") for kind in Kind}
        fit = Counter(dict.fromkeys(Kind, 0))
        records = 0
        for done, file in enumerate(files, 1):
            for _org, _id, extra, _filled in self._holding(file, key, "false"):
                values = decode_object(extra.encode())
                if key in values:
                    records += 1
                    fit.update(kind for kind, field in kinds.items() if text_of(field, values[key]) is not None)
            progress(done, len(files))
        return Fitting(records, dict(fit))

    def require_seen(self, key: str, progress: Progress = lambda done, of: None) -> None:
        """Raise CannotPromote where no record has the key, and it has no column: a column stays for good."""
        self._table.snapshot()
        columns = self._table.columns
        if columns.promoted_as(key) is None:
            require_promotable(key, columns.promoted)
            if not self.fitting(key, progress).records:
                raise CannotPromote(
                    f"no record has the key {key!r}: is it written as on the wire? With --anyway it gets a column"
                )

    def promote(self, key: str, kind: Kind, progress: Progress = lambda done, of: None) -> Promotion:
        """Make a column of the key, or go on with what was begun; doing so again changes nothing.

        Raises CannotPromote and PromotionStopped. While it works, loads wait for one file at a time.
        """
        with self._exclusively():
            column = self._column(key, kind)
        self.step("column")
        checked: set[str] = set()
        files = records = left = 0
        while unchecked := [file for file in self._table.snapshot().files if file.path not in checked]:
            total = len(checked) + len(unchecked)
            for file in unchecked[:_FILES_AT_ONCE]:
                moved, stay, done = self._move(file, column)
                if done is not None:
                    checked.add(done)
                    left += stay
                files += bool(moved)
                records += moved
                progress(len(checked), total)
        return Promotion(column, files, records, left)

    def _column(self, key: str, kind: Kind) -> Field:
        """That of the key, which may be there already. Under the lock."""
        self._table.snapshot()
        columns = self._table.columns
        column = columns.promoted_as(key)
        if column is None:
            require_promotable(key, columns.promoted)
            column = Field(
                key, column_for(key, columns.types), kind, f"The key {key} of records, which is not documented."
            )
            self._table.add_column(column)
        elif column.kind is not kind:
            raise CannotPromote(f"{key!r} has the column {column.column} of type {column.kind.value} already")
        return column

    def _move(self, file: DataFile, column: Field) -> tuple[int, int, str | None]:
        """Move what is to be moved in one file: how many records, how many stay, and the path that is done then.

        None where there is no such path: more is to be done, or another one has changed the file meanwhile.
        """
        try:
            rows, stay, more = self._to_move(file, column)
            if not rows.num_rows:
                return 0, stay, file.path
            with self._exclusively():
                if file not in self._table.snapshot().files:
                    return 0, 0, None
                path = self._rewrite(file, column, rows)
        except (duckdb.Error, OSError) as error:
            if file not in self._table.snapshot().files:
                return 0, 0, None
            raise PromotionStopped(error) from error
        time.sleep(_BREATH_SECONDS)
        return rows.num_rows, stay, None if more else path

    def _to_move(self, file: DataFile, column: Field) -> tuple[pa.Table, int, bool]:
        """Ids, texts and what is left of `extra`; how many values stay; whether this is not all."""
        found: list[tuple[str, str, str, str | None]] = []
        size = stay = 0
        for org_uuid, report_id, extra, filled in self._holding(file, column.name, f'"{column.column}" IS NOT NULL'):
            values = decode_object(extra.encode())
            texts, rest = divide((column,), values)
            if column.name not in texts:
                stay += column.name in values
            elif not filled or len(rest) < len(values):
                found.append((org_uuid, report_id, texts[column.name], encode_extra(rest)))
                size += 2 * len(extra)
                if size > _BYTES_AT_ONCE:
                    return _as_table(found), 0, True
        return _as_table(found), stay, False

    def _holding(self, file: DataFile, key: str, filled: str) -> Iterator[tuple[str, str, str, bool]]:
        """The rows whose `extra` may hold the key: ids, `extra`, and what `filled` says."""
        sql = statement(
            "rows_with_key", parquet=self._table.absolute([file]), columns=self._table.columns, filled=filled
        )
        with closing(self._engine.cursor()) as cursor:
            cursor.execute(sql, {"fragment": msgspec.json.encode(key).decode() + ":"})
            while rows := cursor.fetchmany(_ROWS_A_FETCH):
                yield from rows

    def _rewrite(self, file: DataFile, column: Field, moved: pa.Table) -> str:
        """Put the same records into a new file, with what has moved. Under the lock; where it lies then."""
        columns = self._table.columns
        value = {column.column: typed_text(column, "m.text"), EXTRA: "m.extra"}
        replaced = (
            f'CASE WHEN m.report_id IS NULL THEN r."{name}" ELSE {value[name]} END AS "{name}"'
            if name in value
            else f'r."{name}"'
            for name in columns.types
        )
        select = statement(
            "rows_with_column",
            parquet=self._table.absolute([file]),
            columns=columns,
            replaced=", ".join(replaced),
        )
        with self._table.new_file(file.day, file.last_load) as target:
            with closing(self._engine.cursor()) as cursor:
                cursor.execute(statement("keep_as_written"))
                cursor.register("moved", moved)
                rows = write_rows(cursor, select, target, MERGED, self._table.keys)
            written = self._table.written(target, rows, since=file.written)
            self.step("written")
        self._table.commit_compaction([written], [file])
        self.step("committed")
        return written.path


def _as_table(found: Sequence[tuple[str, str, str, str | None]]) -> pa.Table:
    names = ("org_uuid", "report_id", "text", "extra")
    columns = zip(*found, strict=True) if found else ([] for _ in names)
    return pa.table({name: pa.array(list(column), pa.string()) for name, column in zip(names, columns, strict=True)})
