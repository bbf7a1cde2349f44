"""Receiving: signed bodies of 20 MB over HTTP until the answer, against a bare loop of HMAC-SHA1, write and fsync.

The server is the real one in a process of its own, without its loader, which is measured elsewhere. The client is a
plain socket that costs next to nothing. Both sides take turns in one run. Once with distinct records in a body, and
once where a quarter is there twice (`repeats`).
"""

import hashlib
import hmac
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.collecting import SECRET, connected, head_of, post, prepare
from bench.measure import Measure, document, stopwatch, synthetic
from bench.repeats import with_repeats
from cdrelay.serving import open_socket
from cdrelay.serving import run as run_server
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation

RECORDS = 7_600  # 20 MB
BODIES = 10
TURNS = 10


def run(scratch: Path) -> list[Measure]:
    """Turns of both sides; the best of each counts."""
    home = scratch / "home"
    prepare(home)
    server = subprocess.Popen([sys.executable, "-m", "bench.receiving", str(home)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        distinct, repeated = _bodies()
        return [
            _measure(port, distinct, home, "receiving, socket to durable"),
            _measure(port, repeated, home, "receiving with 25 % repeats, socket to durable"),
        ]
    finally:
        server.terminate()
        server.wait(20)


def _measure(port: int, body: bytes, home: Path, name: str) -> Measure:
    ours, bare = [], []
    with connected(port) as connection:
        head = head_of(body)
        post(connection, head, body)  # warm
        for _ in range(TURNS):
            bare.append(_bare(body, home))
            with stopwatch() as elapsed:
                for _ in range(BODIES):
                    post(connection, head, body)
                ours.append(elapsed())
            for file in (home / "collector" / "spool").glob("*.payload"):
                file.unlink()
    mine, peer = (BODIES * len(body) / min(seconds) / 1e6 for seconds in (ours, bare))
    figures = f"{mine:,.0f} MB/s until the answer; bare loop {peer:,.0f}; bodies of {len(body) / 1e6:,.0f} MB"
    return Measure(name, figures, mine / peer, 0.7, "at least")


def _bodies() -> tuple[bytes, bytes]:
    """One with distinct records, and one with repeats of its own and of the other's."""
    end = datetime.now(UTC)
    start = end - timedelta(minutes=10)
    distinct = list(synthetic(RECORDS, start, end))
    fresh = list(synthetic(RECORDS * 3 // 4, start, end, seed=2))
    return document(distinct), document(with_repeats(fresh, distinct))


def _bare(body: bytes, folder: Path) -> float:
    with stopwatch() as elapsed:
        for number in range(BODIES):
            hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
            with (folder / f"bare-{number}").open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        seconds = elapsed()
    for number in range(BODIES):
        (folder / f"bare-{number}").unlink()
    return seconds


def _serve(home: str) -> None:
    foundation = open_foundation(read_settings({"CDRELAY_HOME": home}))
    running = assemble(foundation, frozenset({"collector"}))
    listening = open_socket("127.0.0.1", 0)
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    try:
        run_server(running.app, listening, [])
    except KeyboardInterrupt:
        pass
    finally:
        foundation.close()


if __name__ == "__main__":
    _serve(sys.argv[1])
