"""How rows become a Parquet file: by the engine itself, or, where it is encrypted, by pyarrow.

The engine can read encrypted files, and write them only with an extension that would have to be downloaded.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.parquet.encryption import create_encryption_properties

from cdrelay.lake.encryption import LakeKeys
from cdrelay.lake.schema import EXTRA, KEY_COLUMNS, literal
from cdrelay.lake.spool import NoRoom
from cdrelay.lake.statements import key_of, statement

ROOM_BYTES = 64 * 2**20
"""No file is begun with less room: the largest that a load or a merge makes, as a rule."""
_ROWS_AT_ONCE = 2048
_WITH_BOUNDS = (*KEY_COLUMNS, "load_seq", EXTRA)


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is packed. Readers hold a row group a thread; small ones leave memory for sorting."""

    level: int = 3
    """Of zstd; 1 is fastest."""
    rows: int = 122_880
    """In a row group."""
    megabytes: int = 64
    """In a row group, unpacked."""


LOADED = Form(level=1, rows=8192, megabytes=32)
"""Of a load, which must be quick."""
REWRITTEN = Form()
"""Of a file of which some rows are left."""
MERGED = Form(rows=16_384, megabytes=16)
"""Of many files made one, and sorted for it."""


@dataclass(frozen=True, slots=True)
class RowsWritten:
    """What went into a file."""

    rows: int
    size: int
    """Of the file, in bytes."""
    bounds: Mapping[str, Mapping[str, str]]
    """By column: `null_count` and, where it has values, `min` and `max`, as text. At least of the keys and `extra`."""


def write_rows(
    cursor: duckdb.DuckDBPyConnection,
    select: str,
    target: Path,
    form: Form,
    keys: LakeKeys | None,
    room_bytes: int = ROOM_BYTES,
) -> RowsWritten:
    """Write the rows of a SELECT to `target`; its name says whether they are encrypted, and with which key.

    The file is not durable yet. Raises NoRoom, before anything is written, unless `room_bytes` are free: DuckDB 2.0.0
    now and then hangs for ever where a write fails for want of room, and what it holds then is not let go.
    """
    free = shutil.disk_usage(target.parent).free
    if free < room_bytes:
        raise NoRoom(f"{free} bytes are free on the disk of the lake; nothing is written below {room_bytes}")
    number = key_of(target.name)
    if number is None or keys is None:
        return _copy(cursor, select, target, form)
    return _encrypt(cursor, select, target, form, keys, number)


def _copy(cursor: duckdb.DuckDBPyConnection, select: str, target: Path, form: Form) -> RowsWritten:
    sql = statement(
        "copy_to_parquet",
        select=select,
        target=literal(str(target)),
        level=str(form.level),
        rows_in_group=str(form.rows),
        bytes_in_group=literal(f"{form.megabytes}MB"),
    )
    returned = cursor.execute(sql).fetchall()[0]
    return RowsWritten(returned[1], returned[2], {name.strip('"'): values for name, values in returned[4].items()})


def _encrypt(
    cursor: duckdb.DuckDBPyConnection, select: str, target: Path, form: Form, keys: LakeKeys, number: int
) -> RowsWritten:
    bounds = {name: _Bounds() for name in _WITH_BOUNDS}
    rows = 0
    reader = cursor.sql(select).to_arrow_reader(_ROWS_AT_ONCE)
    with pq.ParquetWriter(
        target,
        reader.schema,
        compression="zstd",
        compression_level=form.level,
        store_schema=False,
        encryption_properties=create_encryption_properties(keys.key(number)),
    ) as writer:
        for group in _groups(reader, form):
            rows += group.num_rows
            for name, one in bounds.items():
                one.widen(group.column(name))
            writer.write_table(group, row_group_size=group.num_rows)
    return RowsWritten(rows, target.stat().st_size, {name: one.as_texts() for name, one in bounds.items()})


def _groups(reader: pa.RecordBatchReader, form: Form) -> Iterator[pa.Table]:
    """The rows as row groups."""
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= form.rows or size >= form.megabytes * 2**20:
            yield pa.Table.from_batches(batches)
            batches, rows, size = [], 0, 0
    if batches:
        yield pa.Table.from_batches(batches)


class _Bounds:
    """The least and the greatest value of a column, and how many gaps it has."""

    def __init__(self) -> None:
        self._least: Any = None
        self._greatest: Any = None
        self._gaps = 0

    def widen(self, column: pa.ChunkedArray) -> None:
        self._gaps += column.null_count
        found = pc.min_max(column).as_py()
        if found["min"] is not None:
            self._least = found["min"] if self._least is None else min(self._least, found["min"])
            self._greatest = found["max"] if self._greatest is None else max(self._greatest, found["max"])

    def as_texts(self) -> dict[str, str]:
        if self._least is None:
            return {"null_count": str(self._gaps)}
        return {"null_count": str(self._gaps), "min": str(self._least), "max": str(self._greatest)}
