"""Receiving: signed bodies of 20 MB over HTTP until the answer, against a bare loop of HMAC-SHA1, write and fsync.

The server is the real one in a process of its own, without its loader, which is measured elsewhere. The client is a
plain socket that costs next to nothing. Both sides take turns in one run.
"""

import hashlib
import hmac
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.measure import Measure, document, stopwatch, synthetic
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.signature import SIGNATURE_HEADER, sign
from cdrelay.serving import open_socket
from cdrelay.serving import run as run_server
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation

BODY_BYTES = 20_000_000
BODIES = 10
TURNS = 5
SECRET = "benchmark"  # noqa: S105  # signs nothing but what is made here


def run(scratch: Path) -> list[Measure]:
    """Turns of both sides; the best of each counts."""
    body = _body()
    home = scratch / "home"
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home)}))
    running = assemble(foundation, frozenset({"collector"}))
    assert running.collector is not None
    running.collector.sources.add("bench", SourceChange(secret=SECRET))
    foundation.close()
    server = subprocess.Popen([sys.executable, "-m", "bench.receiving", str(home)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        ours, bare = [], []
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = head_of(body)
            post(connection, head, body)  # warm
            for _ in range(TURNS):
                bare.append(_bare(body, scratch))
                with stopwatch() as elapsed:
                    for _ in range(BODIES):
                        post(connection, head, body)
                    ours.append(elapsed())
                for file in (home / "collector" / "spool").glob("*.payload"):
                    file.unlink()
    finally:
        server.terminate()
        server.wait(20)
    mine, peer = (BODIES * len(body) / min(seconds) / 1e6 for seconds in (ours, bare))
    figures = f"{mine:,.0f} MB/s until the answer; bare loop {peer:,.0f}; bodies of {len(body) / 1e6:,.0f} MB"
    return [Measure("receiving, socket to durable", figures, mine / peer, 0.5, "at least")]


def _body() -> bytes:
    end = datetime.now(UTC)
    records: list[bytes] = []
    size = 0
    for record in synthetic(12_000, end - timedelta(minutes=10), end):
        records.append(record)
        size += len(record) + 1
        if size >= BODY_BYTES:
            break
    return document(records)


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


def head_of(body: bytes) -> bytes:
    """The head of a signed POST of `body`; made before the clock runs, as signing is the sender's business."""
    return (
        f"POST /webhooks/bench HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"{SIGNATURE_HEADER}: {sign(SECRET, body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()


def post(connection: socket.socket, head: bytes, body: bytes) -> None:
    """Send one body and wait for its 200."""
    connection.sendall(head)
    connection.sendall(body)
    answer = b""
    while not answer.endswith(b"}"):
        piece = connection.recv(65536)
        if not piece:
            break
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer[:300]


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
