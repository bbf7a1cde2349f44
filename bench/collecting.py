"""A collector in a process of its own, and the plain client that delivers to it at next to no cost."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cdrelay.collector.sources import SourceChange
from cdrelay.contract.signature import SIGNATURE_HEADER, sign
from cdrelay.lake.table import RecordTable
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation

SECRET = "benchmark"  # noqa: S105  # signs nothing but what is made here


@dataclass(frozen=True, slots=True)
class Collector:
    """One that runs."""

    home: Path
    port: int
    pid: int

    def wait_until_stored(self, records: int, seconds: float) -> int:
        """Return how many are committed to its lake once these are all. Raises TimeoutError."""
        table = RecordTable(self.home / "collector" / "lake")
        until = time.monotonic() + seconds
        while (stored := sum(file.rows for file in table.snapshot().files)) < records:
            if time.monotonic() > until:
                raise TimeoutError(f"{stored:,} of {records:,} records were stored after {seconds:g} seconds")
            time.sleep(0.02)
        return stored


def prepare(home: Path) -> None:
    """Make a home folder with one source, `bench`."""
    foundation = open_foundation(read_settings({}, home=home))
    parts = assemble(foundation, frozenset({"collector"})).collector
    assert parts is not None
    parts.sources.add("bench", SourceChange(secret=SECRET))
    foundation.close()


@contextmanager
def collector(home: Path) -> Iterator[Collector]:
    """The real server with its loader, on a new home folder, until the block ends."""
    prepare(home)
    with serving(home, "collector,hub") as (process, port):
        yield Collector(home, port, process.pid)


@contextmanager
def serving(home: Path, roles: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`cdrelay serve` on a home folder, and its port, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cdrelay", "serve", "--roles", roles, "--port", str(port)]
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | {"CDRELAY_HOME": str(home)}, stdout=log, stderr=log)
    try:
        _wait(process, port, home / "serve.log")
        yield process, port
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
        else:
            return


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A connection to a listener on this machine."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def head_of(body: bytes) -> bytes:
    """The head of a signed POST of `body`; made before the clock runs, as signing is the sender's business."""
    return (
        f"POST /webhooks/bench HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"{SIGNATURE_HEADER}: {sign(SECRET, body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()


def post(connection: socket.socket, head: bytes, body: bytes) -> None:
    """Send one body and wait for its 200, whose body is a JSON object."""
    connection.sendall(head)
    connection.sendall(body)
    answer = b""
    while not answer.endswith(b"}"):
        piece = connection.recv(65536)
        if not piece:
            break
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
