"""Records out of the lake into a file or a stream, and free questions in SQL, without touching what is stored."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb

from cdrelay.contract.windows import Period
from cdrelay.errors import CdrelayError
from cdrelay.lake.encryption import LakeKeys
from cdrelay.lake.engine import EngineLimits, open_engine
from cdrelay.lake.rows import records_of
from cdrelay.lake.schema import literal
from cdrelay.lake.scratch import own_scratch
from cdrelay.lake.statements import statement
from cdrelay.lake.store import Lake
from cdrelay.lake.table import RecordTable

Format = Literal["parquet", "csv", "ndjson"]
_OPTIONS = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER"}


class LakeMissing(CdrelayError):
    """A question to a lake that does not exist."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where it, or one of two, would lie."""
        super().__init__(
            f"there is no lake in {folder}: nothing was stored on this home yet, or a disk is not mounted;"
            " `cdrelay doctor` knows which"
        )


class QueryRefused(CdrelayError):
    """A question in SQL that the engine did not take; the message is the engine's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question in SQL: column names and rows as they come."""

    columns: Sequence[str]
    rows: Iterator[tuple[Any, ...]]


class Reader:
    """Reads a lake for the command line, beside a server that writes, and never waits for it."""

    def __init__(self, folder: Path, limits: EngineLimits, scratch: Path, keys: LakeKeys | None = None) -> None:
        """Raises LakeMissing: to read is no reason to make one. `keys` open its encrypted files.

        In `scratch` it has a folder of its own while it is open.
        """
        if not any(folder.glob("*/*")):
            raise LakeMissing(folder)
        self._table = RecordTable(folder, keys)
        with ExitStack() as closing:
            self._engine = open_engine(limits, closing.enter_context(own_scratch(scratch)))
            closing.callback(self._engine.close)
            if keys is not None:
                keys.serve(self._engine)
            self._closing = closing.pop_all()
        self._confined = False

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def export(self, target: Path, form: Format, period: Period | None, organization: str | None) -> int:
        """Write records to `target`, by Report time, and return how many.

        Parquet and CSV have the typed columns, NDJSON the wire format. Raises CdrelayError when the file cannot be
        written; what was begun of it is then removed.
        """
        files = self._table.snapshot().files
        if period is not None:
            files = tuple(file for file in files if file.meets(period.start, period.end))
        select = statement(
            "export_wire" if form == "ndjson" else "export_columns",
            parquet=self._table.absolute(files),
            columns=self._table.columns,
            start="NULL" if period is None else _time(period.start),
            end="NULL" if period is None else _time(period.end),
            organization="NULL" if organization is None else literal(organization),
        )
        try:
            if form == "ndjson":
                return self._write_lines(select, target)
            copy = statement("export_to", select=select, target=literal(str(target)), options=_OPTIONS[form])
            return int(self._engine.execute(copy).fetchall()[0][0])
        except BrokenPipeError:
            raise
        except (KeyboardInterrupt, RuntimeError):  # the latter is what the engine makes of Ctrl-C
            _remove(target)
            raise
        except (duckdb.Error, OSError) as error:
            _remove(target)
            if isinstance(error, OSError):
                why = error.strerror or str(error)
            else:
                why = (str(error) or type(error).__name__).splitlines()[0]
            # The engine says the same of a file it reads and one it writes; most often, the disk of the latter is full.
            raise CdrelayError(
                f"{target} could not be written: {why}. If it is the lake that cannot be read,"
                " `cdrelay doctor --deep` says which of its files"
            ) from error

    def _write_lines(self, select: str, target: Path) -> int:
        count = 0
        with target.open("wb") as file:
            for lot in records_of(self._engine, select, {}):
                file.writelines(record + b"\n" for (record,) in lot)
                count += len(lot)
        return count

    def organizations(self, beginning: str) -> set[str]:
        """Those that have any record and whose UUID begins so; looks through all of the lake."""
        return Lake(self._table, self._engine).organizations(beginning)

    def ask(self, sql: str) -> Answer:
        """Answer one question over the view `records`. Raises QueryRefused for what is no question, or no SQL.

        From the first question on nothing can be exported any more.
        """
        files = self._table.absolute(self._table.snapshot().files)
        self._engine.execute(statement("records_view", parquet=files, columns=self._table.columns))
        # The view needs the files of the lake; the rest of the machine is out of reach for the question.
        if not self._confined:
            self._engine.execute(statement("confine", folder=literal(str(self._table.folder))))
            self._confined = True
        try:
            questions = self._engine.extract_statements(sql)
            # EXPLAIN is none: with ANALYZE it does what it explains, a COPY into the lake for one.
            if len(questions) != 1 or questions[0].type != duckdb.StatementType.SELECT:
                raise QueryRefused("ask one question: SELECT …, over the table records")
            cursor = self._engine.execute(questions[0])
            return Answer([column[0] for column in cursor.description or ()], _answered(cursor))
        except duckdb.Error as error:
            raise QueryRefused(str(error)) from error


def _stream(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(2048):
        yield from rows


def _answered(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """The rows of an answer. Raises QueryRefused where a question goes wrong only while it is being answered."""
    try:
        yield from _stream(cursor)
    except duckdb.Error as error:
        raise QueryRefused(str(error)) from error


def _remove(target: Path) -> None:
    """What was begun of a file of ours; /dev/stdout is a link, and not ours."""
    if target.is_file() and not target.is_symlink():
        target.unlink()


def _time(moment: Any) -> str:
    return literal(moment.isoformat()) + "::TIMESTAMP WITH TIME ZONE"
