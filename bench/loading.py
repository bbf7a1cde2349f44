"""Loading: from spool to committed lake, against DuckDB's own `COPY (SELECT … FROM read_json(…)) TO …` as Parquet.

Two peers, both with explicit text columns and without types, checks, de-duplication and fsync:
the same bytes, which are deliveries as they came; and, harder, the same records made ready for DuckDB beforehand, one a
line in one file, which the loader never gets.

Once with distinct records, and once where a quarter is there twice (`repeats`): in other payloads of the same load, or
in the lake already, some of them in a newer version. The peers keep every copy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from bench.measure import Measure, document, envelope, open_store, stopwatch, synthetic
from bench.repeats import with_repeats
from cdrelay.records.fields import FIELDS

RECORDS = 200_000
EARLIER = 50_000
RECORDS_A_PAYLOAD = 5_000
TURNS = 3


@dataclass(frozen=True, slots=True)
class Input:
    """What is loaded, on disk in the forms of all sides."""

    records: int
    distinct: int
    lines: Path
    documents: list[Path]
    earlier: list[Path]
    """What the lake holds before the clock runs."""

    @property
    def bytes(self) -> int:
        """Of the records."""
        return self.lines.stat().st_size


def run(scratch: Path) -> list[Measure]:
    """All sides in turns; the best of each counts."""
    end = datetime.now(UTC)
    start = end - timedelta(hours=6)
    distinct = _written(scratch / "distinct", list(synthetic(RECORDS, start, end)), [], RECORDS)
    measures = _measure(scratch, distinct, "loading")
    earlier = list(synthetic(EARLIER, start, end, seed=2))
    fresh = list(synthetic(RECORDS * 3 // 4, start, end, seed=3))
    repeated = _written(scratch / "repeated", with_repeats(fresh, earlier), earlier, len(fresh))
    return measures + _measure(scratch, repeated, "loading with 25 % repeats")


def _measure(scratch: Path, given: Input, name: str) -> list[Measure]:
    ours, same_bytes, ready_made = [], [], []
    for turn in range(TURNS):
        ready_made.append(_seconds(_copy, _ready_lines(given.lines), scratch / "peer.parquet"))
        ours.append(_load(scratch / f"{name}-{turn}", given))
        if turn == 0:  # slow, and steady
            same_bytes.append(_seconds(_copy, _documents(given.documents), scratch / "peer.parquet"))
    mine, same, ready = (given.records / min(seconds) for seconds in (ours, same_bytes, ready_made))
    figures = f"{mine:,.0f} records/s; DuckDB {same:,.0f}; {given.records:,} records, {given.bytes / 1e6:,.0f} MB"
    return [
        Measure(f"{name}, against COPY of the same bytes", figures, mine / same, 0.7, "at least"),
        # A guard and no aim: the peer has neither to find the records in the bodies nor to check one of them.
        Measure(
            f"{name}, against COPY of ready-made lines",
            f"{mine:,.0f} records/s; DuckDB {ready:,.0f}",
            mine / ready,
            0.35 if given.distinct == given.records else 0.15,
            "at least",
        ),
    ]


def _written(folder: Path, records: Sequence[bytes], earlier: Sequence[bytes], distinct: int) -> Input:
    folder.mkdir()
    lines = folder / "lines.ndjson"
    lines.write_bytes(b"\n".join(records) + b"\n")
    return Input(
        len(records), distinct, lines, _payloads(folder, "now", records), _payloads(folder, "earlier", earlier)
    )


def _payloads(folder: Path, name: str, records: Sequence[bytes]) -> list[Path]:
    found = []
    for first in range(0, len(records), RECORDS_A_PAYLOAD):
        found.append(folder / f"{name}-{first}.json")
        found[-1].write_bytes(document(records[first : first + RECORDS_A_PAYLOAD]))
    return found


def _load(folder: Path, given: Input) -> float:
    store = open_store(folder)
    for files in (given.earlier, given.documents):
        for file in files:
            store.spool.put(envelope(), file.read_bytes())
        before = store.lake.total()
        seconds = _seconds(store.loader.drain)
    assert store.lake.total() - before == given.distinct
    store.engine.close()
    return seconds


def _seconds(work: Callable[..., object], *arguments: object) -> float:
    with stopwatch() as elapsed:
        work(*arguments)
        return elapsed()


def _ready_lines(file: Path) -> str:
    columns = "{" + ", ".join(f"'{field.name}': 'VARCHAR'" for field in FIELDS) + "}"
    return f"SELECT * FROM read_json('{file}', format = 'newline_delimited', columns = {columns})"


def _documents(files: list[Path]) -> str:
    record = "STRUCT(" + ", ".join(f'"{field.name}" VARCHAR' for field in FIELDS) + ")"
    names = [str(file) for file in files]
    size = max(file.stat().st_size for file in files) + 1024
    return (
        f"SELECT unnest(record) FROM (SELECT unnest(items) AS record FROM read_json({names},"
        f" columns = {{'items': '{record}[]'}}, maximum_object_size = {size}))"
    )


def _copy(select: str, target: Path) -> None:
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        connection.execute(f"COPY ({select}) TO '{target}' (FORMAT parquet)")
