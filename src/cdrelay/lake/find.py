"""One record out of the whole lake, by its Report ID.

Nothing is sorted by it, so every file is looked at, in one column of it; a day narrows that down.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import duckdb

from cdrelay.contract.windows import Period
from cdrelay.lake.rows import as_wire
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable

_ROWS_AT_ONCE = 2_000_000

Progress = Callable[[int, int], None]
"""Told how many of how many records were looked at."""


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record as it is stored, without what is in it."""

    org_uuid: str
    report_id: str
    report_time: datetime
    release_time: datetime | None
    load_seq: int
    source: str
    channel: str
    payload: str
    received: datetime
    beside: Sequence[str]
    """The names of keys that no column holds: unknown ones, and fields whose value does not fit."""
    file: str


class Finder:
    """Looks through one table. All methods block and may be called from any thread."""

    def __init__(self, table: RecordTable, engine: duckdb.DuckDBPyConnection) -> None:
        self._table = table
        self._engine = engine

    def find(
        self, report_id: str, period: Period | None = None, progress: Progress = lambda done, of: None
    ) -> list[FoundRecord]:
        """The records of that id, one an organization at most, in one state of the table; newest files come first.

        Only among Report times in `period`, where it is given.
        """
        files = [
            file for file in self._table.snapshot().files if period is None or file.meets(period.start, period.end)
        ]
        total, done, found = sum(file.rows for file in files), 0, []
        for some in _portions(sorted(files, key=lambda file: file.last_report_time, reverse=True)):
            sql = statement("find_record", parquet=self._table.absolute(some))
            with closing(self._engine.cursor()) as cursor:
                found += [FoundRecord(*row) for row in cursor.execute(sql, {"report_id": report_id.lower()}).fetchall()]
            done += sum(file.rows for file in some)
            progress(done, total)
        return [one for one in found if period is None or period.start <= one.report_time < period.end]

    def as_wire(self, found: FoundRecord) -> bytes | None:
        """The JSON text of the wire; None when its file has gone meanwhile, and it is to be looked for again."""
        sql = statement("record_as_wire", parquet=[found.file], columns=self._table.columns)
        with closing(self._engine.cursor()) as cursor:
            try:
                cursor.execute(sql, {"report_id": found.report_id, "org_uuid": found.org_uuid})
            except duckdb.IOException:
                return None
            row = cursor.fetchone()
        return None if row is None else as_wire(*row)


def _portions(files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    portion: list[DataFile] = []
    for file in files:
        portion.append(file)
        if sum(one.rows for one in portion) >= _ROWS_AT_ONCE or len(portion) >= 500:
            yield portion
            portion = []
    if portion:
        yield portion
