"""Answering: the records endpoint, against DuckDB that writes the same rows as JSON to a file.

One organization with 100,000 records in an hour, asked for in one request over HTTP, by a plain client on the same
machine that reads the answer to its end; the peer reads the same Parquet files and writes the documented columns.
"""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import duckdb

from bench.measure import Measure, document, envelope, stopwatch, synthetic
from bench.publishing import organization
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH
from cdrelay.records.fields import FIELDS
from cdrelay.serving import open_socket
from cdrelay.serving import run as run_server
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation

RECORDS = 100_000
TURNS = 3


def run(scratch: Path) -> list[Measure]:
    """Both sides in turns; the best of each counts."""
    home = scratch / "home"
    end = datetime.now(UTC) - timedelta(minutes=6)
    token, files = _fill(home, end - timedelta(minutes=50), end)
    query = {
        "orgId": organization(0), "startTime": write_time(end - timedelta(minutes=55)), "endTime": write_time(end)
    }  # fmt: skip
    server = subprocess.Popen([sys.executable, "-m", "bench.answering", str(home)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1/partners/cdrsbyorg"
        ours, peer, size = [], [], 0
        for _ in range(TURNS):
            with stopwatch() as elapsed:
                size = asyncio.run(_ask(url, query, token))
                ours.append(elapsed())
            peer.append(_write(files, scratch / "peer.json"))
    finally:
        server.terminate()
        server.wait(20)
    written = (scratch / "peer.json").stat().st_size
    mine, its = size / min(ours) / 1e6, written / min(peer) / 1e6
    figures = f"{mine:,.0f} MB/s; DuckDB {its:,.0f} MB/s; {RECORDS:,} records, {size / 1e6:,.0f} MB"
    return [Measure("the records endpoint, against DuckDB writing JSON", figures, mine / its, 0.5, "at least")]


def _fill(home: Path, start: datetime, end: datetime) -> tuple[str, list[str]]:
    foundation = open_foundation(read_settings({}, home=home))
    running = assemble(foundation, frozenset({"publisher"}))
    assert running.publisher is not None
    directory, store = running.publisher.directory, running.publisher.store
    partner = directory.add_partner("partner")
    directory.add_organization(organization(0), partner_id=partner.id, starts_at=EPOCH)
    mark = b'"Org UUID":"'
    records = []
    for record in synthetic(RECORDS, start, end):
        before, _, after = record.partition(mark)
        records.append(before + mark + organization(0).encode() + after[36:])
    for first in range(0, RECORDS, 5_000):
        store.spool.put(envelope("intake"), document(records[first : first + 5_000]))
    store.loader.drain()
    token = directory.credentials.create_token(partner.id)
    foundation.close()
    return token, [str(file) for file in sorted((home / "publisher" / "lake").rglob("*.parquet"))]


async def _ask(url: str, query: dict[str, str], token: str) -> int:
    size = 0
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, params=query, headers={"Authorization": f"Bearer {token}"}) as response,
    ):
        assert response.status == 200, await response.text()
        async for piece in response.content.iter_any():
            size += len(piece)
    return size


def _write(files: list[str], target: Path) -> float:
    columns = ", ".join(f'"{field.column}" AS "{field.name}"' for field in FIELDS)
    with duckdb.connect(":memory:", config={"threads": 2}) as connection, stopwatch() as elapsed:
        connection.execute(f"COPY (SELECT {columns} FROM read_parquet({files})) TO '{target}' (FORMAT json)")
        return elapsed()


if __name__ == "__main__":
    foundation = open_foundation(read_settings({}, home=sys.argv[1]))
    listening = open_socket("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    run_server(assemble(foundation, frozenset({"publisher"})).app, listening, [])
