"""Erasing a person from what a store holds: its lake, its spool, its quarantine and bodies that wait elsewhere.

The lake is gone through file by file. Each is written anew with what is left of the person's records, and takes the
place of the old one in one commit. Killed at any moment, what is done stays done, and going through it again does the
rest. The loader keeps to the same list of persons from before the first step, so that nothing comes in behind.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from cdrelay.lake.files import write_durably
from cdrelay.lake.forgotten import Forgotten
from cdrelay.lake.parquet import REWRITTEN, write_rows
from cdrelay.lake.payload import BodyTooLarge, BodyUnreadable, Buffer, split, unpack
from cdrelay.lake.schema import EXTRA, literal
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.spool import ContentEncoding, Spool
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable
from cdrelay.records.fields import Field
from cdrelay.records.personal import KNOWN_BY, PERSONAL
from cdrelay.records.wire import CallRecord, decode_object, encode_extra

_AT_ONCE = 20_000
"""So many records of one file are changed in one step; those that are left over in the next."""
_KEYS = ("org_uuid", "report_id", "report_time")

Exclusively = Callable[[], AbstractContextManager[None]]
"""The loader's lock."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far an erasure is."""

    records: int
    """Changed by this step."""
    files_left: int


class LakeEraser:
    """Erases one person, who is the only one in `forgotten`, from one table."""

    def __init__(
        self, table: RecordTable, engine: duckdb.DuckDBPyConnection, exclusively: Exclusively, forgotten: Forgotten
    ) -> None:
        self._table = table
        self._engine = engine
        self._exclusively = exclusively
        self._forgotten = forgotten
        (self._person,) = forgotten.persons

    def count(self) -> int:
        """How many records would be changed. Changes nothing and waits for no load."""
        return sum(len(rows) for file in self._concerned() for rows in self._left_in(file, most=None))

    def run(self) -> Iterator[Step]:
        """Erase, a step at a time; each is durable when it is given. Loads go on between two steps."""
        done: set[str] = set()
        while True:
            with self._exclusively():
                waiting = [file for file in self._concerned() if file.path not in done]
                if not waiting:
                    return
                records = self._erase_from(waiting[0], done)
            yield Step(records, len(waiting) - 1)

    def purge(self) -> None:
        """Delete the files from the disk that no present state uses. To be called when no reader can need them."""
        with self._exclusively():
            self._table.vacuum(at_once=True)

    def _concerned(self) -> list[DataFile]:
        files = self._table.snapshot().files
        return [file for file in files if file.first_report_time < self._person.before]

    def _erase_from(self, file: DataFile, done: set[str]) -> int:
        left = next(self._left_in(file, most=_AT_ONCE), None)
        if left is None:
            done.add(file.path)
            return 0
        select = statement(
            "rows_without_the_person",
            parquet=self._table.absolute([file]),
            columns=self._table.columns,
            replaced=self._replaced(),
        )
        with self._table.new_file(file.day, file.last_load) as target, closing(self._engine.cursor()) as cursor:
            cursor.register("left_of", left)
            rows = write_rows(cursor, select, target, REWRITTEN, self._table.keys)
            self._table.commit_expiry([file], [self._table.written(target, rows, since=file.written)])
            if len(left) < _AT_ONCE:
                done.add(target.relative_to(self._table.folder).as_posix())
        return len(left)

    def _left_in(self, file: DataFile, most: int | None) -> Iterator[pa.Table]:
        """What is left of records that tell of the person: their keys, and all columns that may change."""
        columns = self._personal()
        pieces = {
            "personal": ", ".join(f'CAST("{field.column}" AS VARCHAR)' for field in columns),
            "known_by": ", ".join(f'CAST("{field.column}" AS VARCHAR)' for field in self._known_by()),
            "organization": "NULL" if self._person.org_uuid is None else literal(self._person.org_uuid),
            "most": "NULL" if most is None else str(most),
        }
        parquet, before = self._table.absolute([file]), {"before": self._person.before}
        with closing(self._engine.cursor()) as cursor:
            sql = statement("personal_values", parquet=parquet, columns=self._table.columns, **pieces)
            told, told_extra = self._told(cursor.execute(sql, before))
            if not told and not told_extra:
                return
            sql = statement("rows_that_tell", parquet=parquet, columns=self._table.columns, **pieces)
            cursor.execute(sql, before | {"told": told, "told_extra": told_extra})
            while rows := cursor.fetchmany(_AT_ONCE):
                left = [one for row in rows if (one := self._left_of(row, columns)) is not None]
                if left:
                    yield pa.Table.from_pylist(left, schema=self._schema(columns))

    def _told(self, cursor: duckdb.DuckDBPyConnection) -> tuple[list[str], list[str]]:
        """The person's own among all values of a file, and the texts of `extra` that may hold one."""
        told, told_extra = [], []
        while rows := cursor.fetchmany(2048):
            told += [value for value, _ in rows if value is not None and self._forgotten.known(value)]
            told_extra += [extra for _, extra in rows if extra is not None and self._in_extra(extra)]
        return told, told_extra

    def _in_extra(self, extra: str) -> bool:
        return self._forgotten.erase(CallRecord({}, decode_object(extra.encode()))) is not None

    def _left_of(self, row: Sequence[Any], columns: Sequence[Field]) -> dict[str, Any] | None:
        values = dict(zip((*_KEYS, "direction"), row[:4], strict=True))
        extra = decode_object(row[-1].encode()) if row[-1] is not None else {}
        beside: dict[str, Any] = {}
        for field, value in zip(columns, row[4:-1], strict=True):
            if value is not None:
                (values if field.side else beside)[field.column if field.side else field.name] = value
        left = self._forgotten.erase(CallRecord(values, beside | extra))
        if left is None:
            return None
        changed = {field.column: left.values.get(field.column) for field in columns if field.side}
        changed |= {field.column: left.extra.get(field.name) for field in columns if field.name in beside}
        kept = {key: value for key, value in left.extra.items() if key in extra}
        return dict(zip(_KEYS, row[:3], strict=True)) | changed | {EXTRA: encode_extra(kept)}

    def _personal(self) -> list[Field]:
        return [*PERSONAL, *self._table.columns.promoted]

    def _known_by(self) -> list[Field]:
        return [*KNOWN_BY, *self._table.columns.promoted]

    @staticmethod
    def _schema(columns: Sequence[Field]) -> pa.Schema:
        texts = [(name, pa.string()) for name in (*(field.column for field in columns), EXTRA)]
        return pa.schema(
            [
                ("org_uuid", pa.string()),
                ("report_id", pa.string()),
                ("report_time", pa.timestamp("us", "UTC")),
                *texts,
            ]
        )

    def _replaced(self) -> str:
        """The select list in which the columns that may change are those of `left_of`, where it has the row."""
        changing = {field.column for field in self._personal()} | {EXTRA}
        return ", ".join(
            f'CASE WHEN l.report_id IS NULL THEN r."{name}" ELSE TRY_CAST(l."{name}" AS {kind}) END AS "{name}"'
            if name in changing
            else f'r."{name}"'
            for name, kind in self._table.columns.types.items()
        )


def erase_bodies(folder: Path, forgotten: Forgotten, unpacked_limit: int, *, change: bool = True) -> int:
    """Erase from the payloads in a folder such as the spool, those that could not be read too; from how many.

    A body that is changed is no longer what was signed, so its signature goes as well. Without `change` they are only
    counted. Under the loader's lock.
    """
    touched = 0
    for path in (path for ending in ("payload", "damaged") for path in sorted(folder.glob(f"*.{ending}"))):
        with suppress(FileNotFoundError):  # the oldest of what is kept aside may go at any time
            left = _left_of_payload(path, forgotten, unpacked_limit)
            touched += left is not None
            if change and left is not None:
                write_durably(path, left)
    return touched


def _left_of_payload(path: Path, forgotten: Forgotten, unpacked_limit: int) -> tuple[bytes, ...] | None:
    """What the file of a payload is to hold; None: what it holds."""
    try:
        spooled = Spool.open(path)
    except msgspec.MsgspecError:
        content = path.read_bytes()
        left = forgotten.erase_json(content)
        return None if left == content else (left,)
    envelope = spooled.envelope
    body = erased_body(
        spooled.body(), forgotten, unpacked_limit, encoding=envelope.content_encoding, lines=envelope.lines
    )
    if body is None:
        return None
    plain = msgspec.structs.replace(envelope, content_encoding="", signature=None)
    return msgspec.json.encode(plain), b"\n", body


def erased_body(
    body: Buffer, forgotten: Forgotten, unpacked_limit: int, *, encoding: ContentEncoding = "", lines: bool = False
) -> bytes | None:
    """A body, unpacked, without what it holds of the persons; None when it holds nothing."""
    try:
        raws = split(unpack(body, encoding, unpacked_limit), lines=lines)
    except (BodyUnreadable, BodyTooLarge):
        content = bytes(body)
        left = forgotten.erase_json(content)
        return None if left == content else left
    records = [forgotten.erase_json(raw) for raw in raws]
    if all(left == bytes(raw) for left, raw in zip(records, raws, strict=True)):
        return None
    return b"\n".join(records) if lines else b'{"items":[' + b",".join(records) + b"]}"
