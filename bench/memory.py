"""Memory: the collector's process while 1 GB of payloads is received, stored and counted; below 1 GB at its highest."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import psutil

from bench.collecting import collector, connected, head_of, post
from bench.measure import Measure, document, synthetic

TOTAL_BYTES = 1_000_000_000
RECORDS_A_PAYLOAD = 7_500


def run(scratch: Path) -> list[Measure]:
    """The real server with its loader, in a process of its own; resident memory is looked at 20 times a second."""
    done = Event()
    peaks: list[int] = []
    with collector(scratch / "home") as running:
        watcher = Thread(target=_watch, args=(running.pid, done, peaks))
        watcher.start()
        try:
            sent, records = _send(running.port)
            stored = running.wait_until_stored(records, 120)
        finally:
            done.set()
            watcher.join()
    figures = f"{peaks[0] / 1e6:,.0f} MB at most, {sent / 1e6:,.0f} MB of payloads, {stored:,} records stored"
    return [Measure("memory of the collector's process, in GB", figures, peaks[0] / 1e9, 1.0, "at most")]


def _watch(pid: int, done: Event, peaks: list[int]) -> None:
    process, peak = psutil.Process(pid), 0
    while not done.wait(0.05):
        peak = max(peak, process.memory_info().rss)
    peaks.append(peak)


def _send(port: int) -> tuple[int, int]:
    end = datetime.now(UTC)
    sent, records, seed = 0, 0, 0
    with connected(port) as connection:
        while sent < TOTAL_BYTES:
            seed += 1
            body = document(synthetic(RECORDS_A_PAYLOAD, end - timedelta(minutes=30), end, seed))
            post(connection, head_of(body), body)
            sent += len(body)
            records += RECORDS_A_PAYLOAD
    return sent, records
