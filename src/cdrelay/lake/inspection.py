"""Looking a lake over without changing anything of it: its log, its files and, if that is wanted, every row."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from cdrelay.errors import CdrelayError
from cdrelay.lake.encryption import LakeKeys
from cdrelay.lake.log_repair import LakeUnreadable, torn_ends
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable


class LakeInspection:
    """One lake. Opening it changes nothing, other than opening it for use."""

    def __init__(self, folder: Path, keys: LakeKeys | None) -> None:
        """Raises LakeUnreadable, also where the end of the log is torn."""
        self._folder = folder
        torn = torn_ends(folder)
        if torn:
            raise LakeUnreadable(f"the end of the log is torn: {torn[0].name}")
        try:
            if not DeltaTable.is_deltatable(str(folder)):
                raise LakeUnreadable("there is no log")
            self.table = RecordTable(folder, keys)
        except (DeltaError, OSError, ValueError) as error:
            raise LakeUnreadable("the log cannot be read") from error

    def damaged_files(self) -> list[tuple[str, str]]:
        """The files of the present state that are not on the disk as the log says, each with what is wrong."""
        return [(file.path, wrong) for file in self.table.snapshot().files if (wrong := self._wrong(file))]

    def _wrong(self, file: DataFile) -> str:
        try:
            size = (self._folder / file.path).stat().st_size
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        return "" if size == file.size else f"has {size} bytes instead of {file.size}"

    def damaged_rows(self, engine: duckdb.DuckDBPyConnection, latest: datetime) -> Iterator[tuple[str, str]]:
        """Reads every file: those with another number of rows or implausible times; `latest` is the last plausible."""
        for file in self.table.snapshot().files:
            try:
                wrong = self._wrong(file) or self._wrong_rows(engine, file, latest)
            except (duckdb.Error, CdrelayError) as error:
                wrong = f"cannot be read: {type(error).__name__}"
            yield file.path, wrong

    def _wrong_rows(self, engine: duckdb.DuckDBPyConnection, file: DataFile, latest: datetime) -> str:
        sql = statement("rows_and_times", parquet=self.table.absolute([file]), columns=self.table.columns)
        with closing(engine.cursor()) as cursor:
            rows, elsewhere, future, _ = cursor.execute(sql, {"day": file.day, "latest": latest}).fetchall()[0]
        if rows != file.rows:
            return f"has {rows} records instead of {file.rows}"
        return f"has {elsewhere + future} records with a wrong Report time" if elsewhere + future else ""

    def stored_twice(self, engine: duckdb.DuckDBPyConnection) -> int:
        """How many records there are more than once. Raises duckdb.Error where a file cannot be read."""
        files = self.table.snapshot().files
        if not files:
            return 0
        sql = statement("stored_twice", parquet=self.table.absolute(files), columns=self.table.columns)
        with closing(engine.cursor()) as cursor:
            return int(cursor.execute(sql).fetchall()[0][0])
