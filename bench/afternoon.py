"""Side by side with what a competent engineer writes in an afternoon (`afternoon_peer`): FastAPI into PostgreSQL.

There are two of it: one takes records for plain dicts, the other for the public SDK's model. All get the same signed
deliveries of 5,000 records over HTTP from the same client, four at a time; each is a process of its own that verifies,
parses and stores. The time ends when all records can be queried: ours when they are committed to the lake, theirs when
they are committed to the table, which is before the last answer. The bytes of PostgreSQL are those of the table with
its index, without its write-ahead log; ours are all files of the lake, with its log.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue

import psycopg

from bench.afternoon_peer import ROWS, SCHEMA
from bench.collecting import SECRET, collector, connected, head_of, post
from bench.measure import Measure, document, stopwatch, synthetic
from tests.support.postgres import postgres

RECORDS = 200_000
RECORDS_A_DELIVERY = 5_000
AT_ONCE = 4
TURNS = 2
SETTINGS = {"shared_buffers": "512MB", "synchronous_commit": "on", "max_wal_size": "2GB"}

Delivery = tuple[bytes, bytes]
"""Head and body of a POST."""
Done = tuple[float, int]
"""Seconds, and bytes on disk."""


def run(scratch: Path) -> list[Measure]:
    """All in turns; the best of each counts."""
    end = datetime.now(UTC)
    records = list(synthetic(RECORDS, end - timedelta(hours=6), end))
    bodies = [document(records[at : at + RECORDS_A_DELIVERY]) for at in range(0, RECORDS, RECORDS_A_DELIVERY)]
    deliveries = [(head_of(body), body) for body in bodies]
    del records
    ours, theirs = list[Done](), {form: list[Done]() for form in ROWS}
    with postgres(SETTINGS) as conninfo:
        for turn in range(TURNS):
            ours.append(_ours(scratch / f"home-{turn}", deliveries))
            for form, turns in theirs.items():
                turns.append(_theirs(conninfo, form, deliveries))
    size = sum(map(len, bodies)) / 1e6
    return [one for form, turns in theirs.items() for one in _measures(form, min(ours), min(turns), size)]


def _measures(form: str, mine: Done, its: Done, megabytes: float) -> Iterator[Measure]:
    (my_seconds, my_bytes), (its_seconds, its_bytes) = mine, its
    yield Measure(
        f"deliveries until they can be queried, against FastAPI, {form} and PostgreSQL",
        f"{RECORDS / my_seconds:,.0f} records/s; theirs {RECORDS / its_seconds:,.0f};"
        f" {RECORDS:,} records, {megabytes:,.0f} MB",
        its_seconds / my_seconds,
        5,
        "at least",
    )
    yield Measure(
        f"bytes on disk, against PostgreSQL with jsonb, {form}",
        f"{my_bytes / RECORDS:,.0f} bytes a record; theirs {its_bytes / RECORDS:,.0f}",
        my_bytes / its_bytes,
        0.2,
        "at most",
    )


def _ours(home: Path, deliveries: Sequence[Delivery]) -> Done:
    with collector(home) as running, stopwatch() as elapsed:
        _deliver(running.port, deliveries)
        assert running.wait_until_stored(RECORDS, 600) == RECORDS
        seconds = elapsed()
    files = (home / "collector" / "lake").rglob("*")
    return seconds, sum(file.stat().st_size for file in files if file.is_file())


def _theirs(conninfo: str, form: str, deliveries: Sequence[Delivery]) -> Done:
    """The table is made before the clock runs and dropped at the end."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(SCHEMA)
        with _peer(conninfo, form) as port, stopwatch() as elapsed:
            _deliver(port, deliveries)
            seconds = elapsed()
        counted = connection.execute("SELECT count(*) FROM records").fetchone()
        assert counted == (RECORDS,), counted
        connection.execute("VACUUM (FULL, ANALYZE) records")
        connection.execute("CHECKPOINT")
        size = connection.execute("SELECT pg_total_relation_size('records')").fetchone()
        assert size is not None
        connection.execute("DROP TABLE records")
    return seconds, size[0]


@contextmanager
def _peer(conninfo: str, form: str) -> Iterator[int]:
    command = [sys.executable, "-m", "bench.afternoon_peer", conninfo, SECRET, form]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.terminate()
        server.wait(20)


def _deliver(port: int, deliveries: Sequence[Delivery]) -> None:
    """Send all of them, a few at a time."""
    left: SimpleQueue[Delivery] = SimpleQueue()
    for delivery in deliveries:
        left.put(delivery)

    def send() -> None:
        with connected(port) as connection:
            while True:
                try:
                    head, body = left.get_nowait()
                except Empty:
                    return
                post(connection, head, body)

    with ThreadPoolExecutor(AT_ONCE) as executor:
        for sending in [executor.submit(send) for _ in range(AT_ONCE)]:
            sending.result()
