"""Some records of one state of the table, and who has a claim to them: one pass, however many recipients there are.

The lake knows no partners. Whoever asks numbers the recipients and says what each may have, as claims; which claims
there can be follows from the parties, which are the organizations and holders that the records are of.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict

import duckdb
import pyarrow as pa

from cdrelay.contract.windows import Period
from cdrelay.lake.cut import NOTHING_BEFORE, Cut
from cdrelay.lake.lots import Lot
from cdrelay.lake.rows import columns_of, rows_of
from cdrelay.lake.snapshot import DataFile
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable

# The fields of a claim by the names they have in SQL, where a record's columns must stay apart from them.
_CLAIMS = {
    "recipient": ("recipient", pa.int32()),
    "claimed_org": ("org_uuid", pa.string()),
    "claimed_holder": ("holder_uuid", pa.string()),
    "claimed_workspace": ("workspace", pa.bool_()),
    "claimed_from": ("starts_at", pa.timestamp("us", "UTC")),
    "claimed_until": ("ends_at", pa.timestamp("us", "UTC")),
}

_Key = tuple[int, str, str]
"""Recipient, organization, Report ID."""


@dataclass(frozen=True, slots=True)
class Party:
    """Whose records they are."""

    org_uuid: str
    holder_uuid: str
    """The User UUID; empty where there is none, and where holders are not looked at."""
    workspace: bool
    """Whether the holder is a workspace (User type `Place`). The records of one holder may differ in that."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A recipient may have the records of a party with a Report time in [starts_at, ends_at).

    The claims of one recipient to one party do not overlap: a record would be given twice.
    """

    recipient: int
    org_uuid: str
    holder_uuid: str
    workspace: bool
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """What the recipients may have."""

    claims: Sequence[Claim]
    by_holder: bool
    """Whether holders matter; if not, the holder of every claim is empty, and none is a workspace."""

    def as_table(self) -> pa.Table:
        """As the engine reads them."""
        return pa.table(
            {
                name: pa.array([getattr(one, field) for one in self.claims], kind)
                for name, (field, kind) in _CLAIMS.items()
            }
        )


class Whose(TypedDict):
    """The SQL expressions of a row's party, as claims name it, and the condition that a claim is one to the row."""

    holder: str
    workspace: str
    claim_to_it: str


def whose(*, by_holder: bool) -> Whose:
    """The pieces of statements that ask whose a record is."""
    holder, workspace = (statement(name if by_holder else f"any_{name}") for name in ("holder", "workspace"))
    claim_to_it = statement("claim_to_it", holder=holder, workspace=workspace)
    return Whose(holder=holder, workspace=workspace, claim_to_it=claim_to_it)


class Selection:
    """What a predicate selects of the table as it was when this was made. Blocking; may be asked again and again."""

    def __init__(
        self,
        table: RecordTable,
        engine: duckdb.DuckDBPyConnection,
        files: Sequence[DataFile],
        predicate: str,
        bounds: Mapping[str, Any],
    ) -> None:
        """`predicate` names one of conditions.sql, `bounds` are its parameters."""
        self._table = table
        self._engine = engine
        self._files = list(files)
        self._predicate = predicate
        self._bounds = dict(bounds)

    def parties(self, *, by_holder: bool) -> list[Party]:
        """Those that the records are of, each once."""
        return [Party(*row) for row in self._rows("parties", None, by_holder=by_holder)]

    def records(self, claims: Claims) -> Iterator[Lot]:
        """Every record to which there is a claim, for everyone who has one.

        In no particular order, some at a time, because a window has hundreds of thousands.
        """
        if self._files:
            start = min(file.first_report_time for file in self._files)
            end = max(file.last_report_time for file in self._files) + timedelta.resolution
            yield from self._records(claims, start, end, frozenset())

    def _records(self, claims: Claims, start: datetime, end: datetime, given: frozenset[_Key]) -> Iterator[Lot]:
        """Those of a time but for those that were given already.

        Where that is more than the engine can hold, one half after the other; so few records are that large that asking
        again costs nothing otherwise.
        """
        mine: list[Sequence[pa.Array]] = []
        try:
            asked = self._question("claimed_records", claims, by_holder=claims.by_holder, start=start, end=end)
            for keys, texts in () if asked is None else columns_of(self._engine, *asked):
                fresh = [number for number, key in enumerate(_keys(keys)) if key not in given] if given else None
                recipients, _, report_ids, records = _rows_of([*keys, texts], fresh)
                if len(records):
                    yield Lot(recipients, report_ids, records)
                mine.append(keys)
        except duckdb.OutOfMemoryException:
            middle = start + (end - start) / 2
            if not start < middle < end:
                raise
        else:
            return
        given = given.union(*map(_keys, mine))
        yield from self._records(claims, start, middle, given)
        yield from self._records(claims, middle, end, given)

    def count(self, claims: Claims) -> dict[tuple[int, str], int]:
        """How many records of each organization each recipient has a claim to; none are left out."""
        rows = self._rows("claimed_counts", claims, by_holder=claims.by_holder)
        return {(recipient, org_uuid): number for recipient, org_uuid, number in rows}

    def _rows(self, name: str, claims: Claims | None, *, by_holder: bool) -> Iterator[tuple[Any, ...]]:
        asked = self._question(name, claims, by_holder=by_holder)
        return iter(()) if asked is None else rows_of(self._engine, *asked)

    def _question(
        self, name: str, claims: Claims | None, *, by_holder: bool, **more: Any
    ) -> tuple[str, dict[str, Any], dict[str, pa.Table]] | None:
        """A statement, its parameters and its tables; None where nothing can answer it."""
        if not self._files or (claims is not None and not claims.claims):
            return None
        text = statement(
            name,
            parquet=self._table.absolute(self._files),
            columns=self._table.columns,
            selected=statement(self._predicate),
            **whose(by_holder=by_holder),
        )
        tables = {} if claims is None else {"claims": claims.as_table()}
        return text, self._bounds | more, tables


def _keys(columns: Sequence[pa.Array]) -> Iterator[_Key]:
    return zip(*(column.to_pylist() for column in columns), strict=True)


def _rows_of(columns: Sequence[pa.Array], numbers: Sequence[int] | None) -> list[pa.Array]:
    """These rows; None: all."""
    return list(columns) if numbers is None else [column.take(pa.array(numbers, pa.int64())) for column in columns]


def select_window(table: RecordTable, engine: duckdb.DuckDBPyConnection, before: Cut | None, now: Cut) -> Selection:
    """What is due at `now` and was not at `before`.

    Late records (loaded since, ended long ago) and corrected ones (loaded anew) are among them by themselves. The same
    two cuts select the same records as long as no newer version of one has come.
    """
    before = before or NOTHING_BEFORE
    files = [
        file
        for file in table.snapshot().files
        if file.first_load <= now.load_seq
        and file.first_report_time < now.cutoff
        and (file.last_load > before.load_seq or file.last_report_time >= before.cutoff)
    ]
    bounds = {
        "now_seq": now.load_seq,
        "now_cutoff": now.cutoff,
        "before_seq": before.load_seq,
        "before_cutoff": before.cutoff,
    }
    return Selection(table, engine, files, "in_window", bounds)


def select_period(table: RecordTable, engine: duckdb.DuckDBPyConnection, period: Period) -> Selection:
    """What has a Report time in the period."""
    files = [file for file in table.snapshot().files if file.meets(period.start, period.end)]
    return Selection(table, engine, files, "in_period", {"period_start": period.start, "period_end": period.end})
