"""The questions that the halves ask of the lake. Each sees one state of it; none blocks a load or waits for one."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import msgspec

from cdrelay.contract.history import HistoryQuery, PageMark
from cdrelay.contract.windows import EPOCH, Period
from cdrelay.lake.cut import Cut
from cdrelay.lake.statements import statement
from cdrelay.lake.table import DataFile, RecordTable
from cdrelay.records.wire import decode_object, encode_object, with_extra

_ROWS_AT_ONCE = 2048
_NOTHING_BEFORE = Cut(0, EPOCH)
# The finest difference of two moments in the table.
_MOMENT = timedelta(microseconds=1)

Moment = Literal["report_time", "received"]
"""The time that selects and orders: when the call was completed, or when the record came in."""


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A page of records."""

    records: Iterator[bytes]
    """Each as the JSON text of the wire."""
    following: PageMark | None
    """Where the next page starts; None on the last."""


class Lake:
    """Reads one table. All methods block and may be called from any thread."""

    def __init__(self, table: RecordTable, engine: duckdb.DuckDBPyConnection) -> None:
        self._table = table
        self._engine = engine

    @property
    def folder(self) -> Path:
        """Where the Delta table lies, for other engines to read it."""
        return self._table.folder

    def last_load(self) -> int:
        """The number of the last committed load; 0 before the first."""
        return self._table.snapshot().last_load

    def total(self) -> int:
        """Records stored."""
        return sum(file.rows for file in self._table.snapshot().files)

    def count_by_organization(self, period: Period) -> dict[str, int]:
        """Records of each organization that has any, by Report time in the period."""
        rows = self._rows(self._meeting(period), "count_by_organization", start=period.start, end=period.end)
        return dict(rows)

    def count_by_step(self, period: Period, step: timedelta) -> list[tuple[datetime, int]]:
        """Records for each `step` of the period that has any, oldest first."""
        return list(self._rows(self._meeting(period), "count_by_step", start=period.start, end=period.end, step=step))

    def read_organization(self, org_uuid: str, period: Period) -> Iterator[bytes]:
        """One organization's records of a period, each as the JSON text of the wire, by Report time."""
        files = self._meeting(period)
        return as_wire(self._by_time(files, "read_organization", period.start, period.end, org_uuid=org_uuid))

    def read_page(self, org_uuid: str, query: HistoryQuery, moment: Moment = "report_time") -> RecordPage:
        """One page of an organization's records, by `moment` and Report ID.

        Following the pages gives every record once that was there all the while. The end of the page is looked up
        first, so that the next one is known before the first record is sent and no page need be held in memory.
        """
        period, limit, after = query.period, query.limit, query.after or PageMark(query.period.start)
        start = max(period.start, after.moment)
        files = list(self._table.snapshot().files)
        asked: dict[str, Any] = {"org_uuid": org_uuid, "locations": list(query.locations)}
        asked |= {"after_moment": after.moment, "after_id": after.report_id}
        met, bounds = _met(files, moment, start, period.end), {"start": start, "end": period.end}
        ends = list(self._rows(met, "page_ends", {"moment": moment}, skip=limit - 1, **bounds, **asked))
        last, more = (*ends, None, None)[:2]
        following = PageMark(*last) if last and more else None
        until = following or PageMark(period.end)
        end = following.moment + _MOMENT if following else period.end
        asked |= {"last_moment": until.moment, "last_id": until.report_id}
        return RecordPage(as_wire(self._by_time(files, "read_page", start, end, moment, **asked)), following)

    def read_window(self, before: Cut | None, now: Cut, organizations: Collection[str]) -> Iterator[bytes]:
        """What is due at `now` and was not at `before`, as JSON texts of the wire, by Report time.

        Late records (loaded since, ended long ago) and corrected ones (loaded anew) are among them by themselves. The
        same two cuts give the same records as long as no newer version of one has come.
        """
        before = before or _NOTHING_BEFORE
        files = [
            file
            for file in self._table.snapshot().files
            if file.first_load <= now.load_seq
            and file.first_report_time < now.cutoff
            and (file.last_load > before.load_seq or file.last_report_time >= before.cutoff)
        ]
        return as_wire(
            self._by_time(
                files,
                "read_window",
                min((file.first_report_time for file in files), default=EPOCH),
                now.cutoff,
                organizations=list(organizations),
                now_seq=now.load_seq,
                before_seq=before.load_seq,
                before_cutoff=before.cutoff,
            )
        )

    def _meeting(self, period: Period) -> list[DataFile]:
        return [file for file in self._table.snapshot().files if file.meets(period.start, period.end)]

    def _by_time(
        self,
        files: list[DataFile],
        name: str,
        start: datetime,
        end: datetime,
        moment: Moment = "report_time",
        **parameters: Any,
    ) -> Iterator[tuple[Any, ...]]:
        """Rows by `moment` in [start, end); where that is more than the engine can hold, one half after the other.

        So few records are that large that asking again costs nothing otherwise.
        """
        met = _met(files, moment, start, end)
        rows = self._rows(met, name, {"moment": moment}, start=start, end=end, **parameters)
        try:
            first = next(rows, None)
        except duckdb.OutOfMemoryException:
            middle = start + (end - start) / 2
            if not start < middle < end:
                raise
        else:
            if first is not None:
                yield first
                yield from rows
            return
        yield from self._by_time(met, name, start, middle, moment, **parameters)
        yield from self._by_time(met, name, middle, end, moment, **parameters)

    def _rows(
        self, files: list[DataFile], name: str, pieces: dict[str, str] | None = None, **parameters: Any
    ) -> Iterator[tuple[Any, ...]]:
        if not files:
            return
        cursor = self._engine.cursor()
        try:
            text = statement(name, parquet=self._table.absolute(files), **(pieces or {}))
            cursor.execute(text, parameters)
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                yield from rows
        finally:
            cursor.close()


def _met(files: list[DataFile], moment: Moment, start: datetime, end: datetime) -> list[DataFile]:
    """The files that may hold records of the period. Times of receipt are not in the log: the engine looks itself."""
    return files if moment == "received" else [file for file in files if file.meets(start, end)]


def as_wire(rows: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
    """The JSON text of the wire from rows of (documented fields as JSON, extra)."""
    for text, extra in rows:
        if extra is None:
            yield text.encode()
        else:
            yield encode_object(with_extra(msgspec.json.decode(text), decode_object(extra.encode())))
