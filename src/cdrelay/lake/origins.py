"""Where the records of one organization and period came from, and which they are: ids and times, never who called."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from cdrelay.contract.manifest import digest_of_sorted
from cdrelay.contract.windows import EPOCH, Period
from cdrelay.lake.rows import rows_of
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record: its id and time, and how it came here."""

    report_id: str
    report_time: datetime
    source: str
    channel: str
    payload: str
    received: datetime
    load_seq: int


@dataclass(frozen=True, slots=True)
class PayloadShare:
    """What one payload brought of the records that were asked for, their newest versions only."""

    payload: str
    source: str
    channel: str
    received: datetime
    records: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """Which records there are, of one state of the lake."""

    by_span: Mapping[datetime, int]
    """How many in each span, by its start; spans without any are left out."""
    digest: str
    """Of all their Report IDs, as `contract/manifest.digest_of` makes it."""

    @property
    def records(self) -> int:
        """How many in all."""
        return sum(self.by_span.values())


class Origins:
    """Reads one table. All methods block and may be called from any thread."""

    def __init__(self, table: RecordTable, engine: duckdb.DuckDBPyConnection) -> None:
        self._table = table
        self._engine = engine

    def records(self, org_uuid: str, period: Period, *, skip: int, most: int) -> list[StoredRecord]:
        """At most `most` records after the first `skip`, by Report time."""
        rows = self._rows("origins_of_records", org_uuid, period, skip=skip, most=most)
        return [StoredRecord(*row) for row in rows]

    def payloads(self, org_uuid: str, period: Period) -> list[PayloadShare]:
        """The payloads that brought the records, in the order they came."""
        return [PayloadShare(*row) for row in self._rows("payloads_of_records", org_uuid, period)]

    def inventory(self, org_uuid: str, period: Period, span: timedelta) -> Inventory:
        """All records of the period by id, counted by `span` (multiples since 1970)."""
        numbers: Counter[int] = Counter()

        def ids() -> Iterator[str]:
            microseconds = span // timedelta(microseconds=1)
            for report_id, number in self._rows("inventory", org_uuid, period, span_microseconds=microseconds):
                numbers[number] += 1
                yield report_id

        digest = digest_of_sorted(ids())
        return Inventory({EPOCH + number * span: count for number, count in sorted(numbers.items())}, digest)

    def _rows(self, name: str, org_uuid: str, period: Period, **parameters: Any) -> Iterator[tuple[Any, ...]]:
        files = self._table.snapshot().meeting(period.start, period.end)
        if not files:
            return iter(())
        asked = {"org_uuid": org_uuid, "start": period.start, "end": period.end, **parameters}
        return rows_of(self._engine, statement(name, parquet=self._table.absolute(files)), asked)
