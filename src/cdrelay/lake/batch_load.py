"""One batch on its way into files: which of its records are new, and what they take the place of."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from cdrelay.lake.parquet import LOADED, REWRITTEN, RowsWritten, write_rows
from cdrelay.lake.prepare import Batch
from cdrelay.lake.schema import EXTRA, literal
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable
from cdrelay.lake.upkeep import SMALL_BYTES
from cdrelay.lake.written import Written
from cdrelay.records.identity import Plausible

_MISFIT = " misfit"
"""Stands in `extra` of a line with a value whose cast is not sure. It sorts before all JSON: the statistics show it."""


class BatchLoad:
    """One batch on its way into files; nothing is committed here."""

    def __init__(
        self,
        table: RecordTable,
        cursor: duckdb.DuckDBPyConnection,
        version_reach: timedelta,
        batch: Batch,
        plausible: Plausible,
        load_seq: int,
    ) -> None:
        """`version_reach` is how far apart the Report times of two versions of a record may lie."""
        self._table = table
        self._cursor = cursor
        self._reach = version_reach
        self._batch = batch
        self._plausible = plausible
        self._load_seq = load_seq

    def run(self, files: Sequence[DataFile]) -> tuple[list[Written], list[DataFile]]:
        """The new files, and the old ones they replace."""
        if not any(block.lines for block in self._batch.blocks):
            return [], []
        self._find_newest()
        self._find_stored(files)
        self._cursor.execute(statement("due"))
        written = self._write_due()
        rewritten, removed = self._rewrite(files)
        return written + rewritten, removed

    def _find_newest(self) -> None:
        self._cursor.register("arrived", self._batch.arrived)
        self._cursor.execute(statement("keys"), {"oldest": self._plausible.oldest, "newest": self._plausible.newest})
        self._read_again(self._cursor.execute(statement("unsure_lines")).fetchall())
        self._cursor.execute(statement("newest_in_batch"))

    def _read_again(self, lines: list[tuple[int, int]]) -> None:
        for block, row in lines:
            identity = self._batch.blocks[block].read_again(row, self._plausible)
            if identity is not None:
                self._cursor.execute(statement("replace_key"), {"block": block, "row": row, **asdict(identity)})
        if lines:
            self._cursor.register("arrived", self._batch.made_ready().arrived)

    def _find_stored(self, files: Sequence[DataFile]) -> None:
        """A version may be older or newer than the one that came, by up to the reach, whichever came first."""
        first, last = self._cursor.execute(statement("range_of_newest")).fetchall()[0]
        near: list[str] = []
        if first is not None:
            earliest, latest = first - self._reach, last + self._reach
            near = self._table.absolute(file for file in files if file.meets(earliest, latest))
        if near:
            # Times as literals, so that files and row groups are left out by their statistics.
            self._cursor.execute(
                statement("stored_versions", parquet=near, earliest=_time(earliest), latest=_time(latest))
            )
        else:
            self._cursor.execute(statement("no_stored_versions"))

    def _write_due(self) -> list[Written]:
        counts = self._cursor.execute(statement("due_by_block")).fetchall()
        for _day, block, lines, corrects in counts:
            payload = self._batch.blocks[block].payload
            payload.corrected += corrects
            payload.added += lines - corrects
        self._cursor.register("origins", self._origins())
        return [self._write_day(day) for day in sorted({row[0] for row in counts})]

    def _origins(self) -> pa.Table:
        envelopes = [block.payload.spooled.envelope for block in self._batch.blocks]
        return pa.table(
            {
                "block": pa.array(range(len(envelopes)), pa.int32()),
                "source": pa.array([envelope.source for envelope in envelopes], pa.string()),
                "channel": pa.array([envelope.channel for envelope in envelopes], pa.string()),
                "payload": pa.array([envelope.id for envelope in envelopes], pa.string()),
                "received": pa.array([envelope.received for envelope in envelopes], pa.timestamp("us", "UTC")),
            }
        )

    def _write_day(self, day: date) -> Written:
        """One file with what is due on a day."""
        with self._table.new_file(f"{day:%Y-%m-%d}", self._load_seq) as target:
            rows = self._write_parquet(day, target, unsure=self._table.columns.fragments["misfit"])
            if rows.bounds[EXTRA].get("min") == _MISFIT:
                # Some value is not in a form whose cast is sure: find out where, and read those records thoroughly.
                unsure = statement("unsure_values", columns=self._table.columns)
                self._read_again(self._cursor.execute(unsure, {"day": day}).fetchall())
                rows = self._write_parquet(day, target, unsure="false")
            return self._table.written(target, rows)

    def _write_parquet(self, day: date, target: Path, unsure: str) -> RowsWritten:
        select = statement(
            "due_rows",
            columns=self._table.columns,
            day=f"DATE '{day:%Y-%m-%d}'",
            load_seq=str(self._load_seq),
            unsure=unsure,
            mark=literal(_MISFIT),
        )
        return write_rows(self._cursor, select, target, LOADED, self._table.keys)

    def _rewrite(self, files: Sequence[DataFile]) -> tuple[list[Written], list[DataFile]]:
        by_path = dict(zip(self._table.absolute(files), files, strict=True))
        rewritten, removed = [], []
        for (path,) in self._cursor.execute(statement("files_to_rewrite")).fetchall():
            old = by_path[path]
            removed.append(old)
            with self._table.new_file(Path(path).parent.name, self._load_seq) as target:
                select = statement("rewrite_file", parquet=[path], columns=self._table.columns)
                form = LOADED if old.size < SMALL_BYTES else REWRITTEN  # a small one is merged later
                rows = write_rows(self._cursor, select, target, form, self._table.keys)
                if rows.rows:
                    rewritten.append(self._table.written(target, rows, since=old.written))
                else:
                    target.unlink()
        return rewritten, removed


def _time(moment: datetime) -> str:
    return f"TIMESTAMP WITH TIME ZONE '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
