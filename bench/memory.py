"""Memory: the collector's process while 1 GB of payloads is received, stored and counted; below 1 GB at its highest."""

import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import psutil

from bench.measure import Measure, document, synthetic
from bench.receiving import SECRET, head_of, post
from cdrelay.collector.sources import SourceChange
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation

TOTAL_BYTES = 1_000_000_000
RECORDS_A_PAYLOAD = 7_500


def run(scratch: Path) -> list[Measure]:
    """The real server with its loader, in a process of its own; resident memory is looked at 20 times a second."""
    home = scratch / "home"
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home)}))
    running = assemble(foundation, frozenset({"collector"}))
    assert running.collector is not None
    running.collector.sources.add("bench", SourceChange(secret=SECRET))
    foundation.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cdrelay", "serve", "--roles", "collector,hub", "--port", str(port)]
    server = subprocess.Popen(command, env=os.environ | {"CDRELAY_HOME": str(home)})
    done = Event()
    peaks: list[int] = []
    watcher = Thread(target=_watch, args=(server.pid, done, peaks))
    watcher.start()
    try:
        sent, records = _send(port)
        stored = _wait_until_stored(home, records)
    finally:
        done.set()
        watcher.join()
        server.terminate()
        server.wait(30)
    figures = f"{peaks[0] / 1e6:,.0f} MB at most, {sent / 1e6:,.0f} MB of payloads, {stored:,} records stored"
    return [Measure("memory of the collector's process, in GB", figures, peaks[0] / 1e9, 1.0, "at most")]


def _watch(pid: int, done: Event, peaks: list[int]) -> None:
    process, peak = psutil.Process(pid), 0
    while not done.wait(0.05):
        peak = max(peak, process.memory_info().rss)
    peaks.append(peak)


def _send(port: int) -> tuple[int, int]:
    end = datetime.now(UTC)
    connection = _connect(port)
    sent, records, seed = 0, 0, 0
    while sent < TOTAL_BYTES:
        seed += 1
        body = document(synthetic(RECORDS_A_PAYLOAD, end - timedelta(minutes=30), end, seed))
        post(connection, head_of(body), body)
        sent += len(body)
        records += RECORDS_A_PAYLOAD
    connection.close()
    return sent, records


def _connect(port: int) -> socket.socket:
    for _ in range(300):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise TimeoutError("the server did not start")


def _wait_until_stored(home: Path, records: int) -> int:
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home)}))
    try:
        collector = assemble(foundation, frozenset({"collector"})).collector
        assert collector is not None
        for _ in range(1200):
            if (stored := collector.store.lake.total()) >= records:
                return stored
            time.sleep(0.1)
        raise TimeoutError(f"{stored:,} of {records:,} records were stored after two minutes")
    finally:
        foundation.close()
