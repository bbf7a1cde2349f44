"""The questions that the halves ask of the lake. Each sees one state of it; none blocks a load or waits for one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa

from cdrelay.contract.history import HistoryQuery, PageMark
from cdrelay.contract.windows import Period
from cdrelay.lake.cut import Cut
from cdrelay.lake.find import Finder
from cdrelay.lake.origins import Origins
from cdrelay.lake.rows import records_of, rows_of
from cdrelay.lake.selection import Claim, Claims, Selection, select_period, select_window, whose
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable

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

    @property
    def origins(self) -> Origins:
        """Which records there are, and where they came from."""
        return Origins(self._table, self._engine)

    @property
    def finder(self) -> Finder:
        """One record out of everything."""
        return Finder(self._table, self._engine)

    def last_load(self) -> int:
        """The number of the last committed load; 0 before the first."""
        return self._table.snapshot().last_load

    def total(self) -> int:
        """Records stored."""
        return sum(file.rows for file in self._table.snapshot().files)

    def count_by_organization(self, period: Period, source: str | None = None) -> dict[str, int]:
        """Records of each organization that has any, by Report time in the period; with a source, those it brought."""
        asked: dict[str, Any] = {"start": period.start, "end": period.end} | ({"source": source} if source else {})
        name = "count_by_organization_of_source" if source else "count_by_organization"
        rows = self._rows(self._meeting(period), name, "report_time", None, **asked)
        return dict(rows)

    def organizations(self, beginning: str) -> set[str]:
        """Those that have any record and whose UUID begins so; looks through all of the lake."""
        files = list(self._table.snapshot().files)
        rows = self._rows(files, "organizations_beginning", "report_time", None, beginning=beginning)
        return {org_uuid for (org_uuid,) in rows}

    def report_ids(self, org_uuid: str, period: Period) -> set[str]:
        """The Report IDs of one organization's records, by Report time in the period, in lower case."""
        bounds = {"start": period.start, "end": period.end}
        rows = self._rows(self._meeting(period), "report_ids", "report_time", None, org_uuid=org_uuid, **bounds)
        return {report_id for (report_id,) in rows}

    def read_organization(self, org_uuid: str, period: Period, claims: Claims | None = None) -> Iterator[bytes]:
        """One organization's records of a period, each as the JSON text of the wire, in no particular order.

        With the `claims` of one recipient to records of the organization, only those to which there is one. Sorted
        they would have to be held before the first can be given; `read_page` sorts, a page at a time.
        """
        if claims is None:
            mine = Claim(0, org_uuid, "", workspace=False, starts_at=period.start, ends_at=period.end)
            claims = Claims([mine], by_holder=False)
        for lot in self.period(period).records(claims):
            yield from lot.records()

    def read_page(
        self, org_uuid: str, query: HistoryQuery, moment: Moment = "report_time", claims: Claims | None = None
    ) -> RecordPage:
        """One page of an organization's records, by `moment` and Report ID; with `claims` as `read_organization`.

        Following the pages gives every record once that was there all the while. The end of the page is looked up
        first, so that the next one is known before the first record is sent and no page need be held in memory.
        """
        period, limit, after = query.period, query.limit, query.after or PageMark(query.period.start)
        start = max(period.start, after.moment)
        files = list(self._table.snapshot().files)
        asked: dict[str, Any] = {"org_uuid": org_uuid, "locations": list(query.locations)}
        asked |= {"after_moment": after.moment, "after_id": after.report_id}
        met, bounds = _met(files, moment, start, period.end), {"start": start, "end": period.end}
        ends = list(self._rows(met, "page_ends", moment, claims, skip=limit - 1, **bounds, **asked))
        last, more = (*ends, None, None)[:2]
        following = PageMark(*last) if last and more else None
        until = following or PageMark(period.end)
        end = following.moment + _MOMENT if following else period.end
        asked |= {"last_moment": until.moment, "last_id": until.report_id}
        return RecordPage(self._by_time(files, "read_page", start, end, moment, claims, **asked), following)

    def window(self, before: Cut | None, now: Cut) -> Selection:
        """What is due at `now` and was not at `before`, of the state the table is in now."""
        return select_window(self._table, self._engine, before, now)

    def period(self, period: Period) -> Selection:
        """What has a Report time in the period, of the state the table is in now."""
        return select_period(self._table, self._engine, period)

    def _meeting(self, period: Period) -> list[DataFile]:
        return self._table.snapshot().meeting(period.start, period.end)

    def _by_time(
        self,
        files: list[DataFile],
        name: str,
        start: datetime,
        end: datetime,
        moment: Moment = "report_time",
        claims: Claims | None = None,
        **parameters: Any,
    ) -> Iterator[bytes]:
        """Records by `moment` in [start, end); where that is more than the engine can hold, one half after the other.

        So few records are that large that asking again costs nothing otherwise.
        """
        met = _met(files, moment, start, end)
        asked = self._question(met, name, moment, claims, start=start, end=end, **parameters)
        lots = iter(()) if asked is None else records_of(self._engine, *asked)
        try:
            first = next(lots, None)
        except duckdb.OutOfMemoryException:
            middle = start + (end - start) / 2
            if not start < middle < end:
                raise
        else:
            for lot in chain([] if first is None else [first], lots):
                yield from (record for (record,) in lot)
            return
        yield from self._by_time(met, name, start, middle, moment, claims, **parameters)
        yield from self._by_time(met, name, middle, end, moment, claims, **parameters)

    def _rows(
        self, files: list[DataFile], name: str, moment: Moment, claims: Claims | None, **parameters: Any
    ) -> Iterator[tuple[Any, ...]]:
        asked = self._question(files, name, moment, claims, **parameters)
        return iter(()) if asked is None else rows_of(self._engine, *asked)

    def _question(
        self, files: list[DataFile], name: str, moment: Moment, claims: Claims | None, **parameters: Any
    ) -> tuple[str, dict[str, Any], dict[str, pa.Table]] | None:
        """A statement, its parameters and its tables; None where nothing can answer it."""
        if not files or (claims is not None and not claims.claims):
            return None
        if claims is None:
            claimed, tables = statement("all_of_them"), {}
        else:
            claimed = statement("only_claimed", **whose(by_holder=claims.by_holder))
            tables = {"claims": claims.as_table()}
        text = statement(
            name,
            parquet=self._table.absolute(files),
            columns=self._table.columns,
            moment=moment,
            claimed=claimed,
        )
        return text, parameters, tables


def _met(files: list[DataFile], moment: Moment, start: datetime, end: datetime) -> list[DataFile]:
    """The files that may hold records of the period. Times of receipt are not in the log: the engine looks itself."""
    return files if moment == "received" else [file for file in files if file.meets(start, end)]
