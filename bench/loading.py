"""Loading: from spool to committed lake, against DuckDB's own `COPY (SELECT … FROM read_json(…)) TO …` as Parquet.

Two peers, both with explicit text columns and without types, checks, de-duplication and fsync:
the same bytes, which are deliveries as they came; and, harder, the same records made ready for DuckDB beforehand, one a
line in one file, which the loader never gets.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from bench.measure import Measure, document, envelope, open_store, stopwatch, synthetic
from cdrelay.records.fields import FIELDS

RECORDS = 200_000
RECORDS_A_PAYLOAD = 5_000
TURNS = 3


def run(scratch: Path) -> list[Measure]:
    """All sides in turns; the best of each counts."""
    end = datetime.now(UTC)
    records = list(synthetic(RECORDS, end - timedelta(hours=6), end))
    lines = scratch / "lines.ndjson"
    lines.write_bytes(b"\n".join(records) + b"\n")
    documents = []
    for first in range(0, RECORDS, RECORDS_A_PAYLOAD):
        documents.append(scratch / f"delivery-{first}.json")
        documents[-1].write_bytes(document(records[first : first + RECORDS_A_PAYLOAD]))
    del records
    ours, same_bytes, ready_made = [], [], []
    for turn in range(TURNS):
        ready_made.append(_seconds(_copy, _ready_lines(lines), scratch / "peer.parquet"))
        ours.append(_load(scratch / f"ours-{turn}", documents))
        if turn == 0:  # slow, and steady
            same_bytes.append(_seconds(_copy, _documents(documents), scratch / "peer.parquet"))
    mine, same, ready = (RECORDS / min(seconds) for seconds in (ours, same_bytes, ready_made))
    size = lines.stat().st_size / 1e6
    return [
        Measure(
            "loading, against COPY of the same bytes",
            f"{mine:,.0f} records/s; DuckDB {same:,.0f}; {RECORDS:,} records, {size:,.0f} MB",
            mine / same,
            0.5,
            "at least",
        ),
        Measure(
            "loading, against COPY of ready-made lines",
            f"{mine:,.0f} records/s; DuckDB {ready:,.0f}",
            mine / ready,
            0.35,
            "at least",
        ),
    ]


def _load(folder: Path, documents: list[Path]) -> float:
    store = open_store(folder)
    for file in documents:
        store.spool.put(envelope(), file.read_bytes())
    seconds = _seconds(store.loader.drain)
    assert store.lake.total() == RECORDS
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
