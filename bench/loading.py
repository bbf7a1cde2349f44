"""Loading: from spool to committed lake, against DuckDB's own COPY of the same records from NDJSON to Parquet.

The peer is given its best case: one NDJSON file with its lines ready, explicit text columns, no types, no checks, no
de-duplication, no fsync. Ours reads the deliveries as they came.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from bench.measure import Measure, best, document, envelope, open_store, stopwatch, synthetic
from cdrelay.records.fields import FIELDS

RECORDS = 200_000
RECORDS_A_PAYLOAD = 5_000


def run(scratch: Path) -> list[Measure]:
    """Both sides in turns, three times; the best of each counts."""
    end = datetime.now(UTC)
    records = list(synthetic(RECORDS, end - timedelta(hours=6), end))
    lines = scratch / "lines.ndjson"
    lines.write_bytes(b"\n".join(records) + b"\n")
    ours, theirs = [], []
    for turn in range(3):
        theirs.append(best(1, lambda: _copy(lines, scratch / "peer.parquet")))
        store = open_store(scratch / f"ours-{turn}")
        for first in range(0, RECORDS, RECORDS_A_PAYLOAD):
            store.spool.put(envelope(), document(records[first : first + RECORDS_A_PAYLOAD]))
        with stopwatch() as elapsed:
            drained = store.loader.drain()
            ours.append(elapsed())
        assert drained.added == store.lake.total() == RECORDS
        store.engine.close()
    mine, peer = RECORDS / min(ours), RECORDS / min(theirs)
    figures = f"{mine:,.0f} records/s; DuckDB COPY of the same lines {peer:,.0f}; {lines.stat().st_size / 1e6:,.0f} MB"
    return [Measure("loading, spool to committed lake", figures, mine / peer, 0.5, "at least")]


def _copy(lines: Path, target: Path) -> None:
    columns = "{" + ", ".join(f"'{field.name}': 'VARCHAR'" for field in FIELDS) + "}"
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_json('{lines}', format = 'newline_delimited', columns = {columns}))"
            f" TO '{target}' (FORMAT parquet)"
        )
