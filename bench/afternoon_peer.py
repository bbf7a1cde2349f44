"""A collector as a competent engineer writes it in an afternoon: FastAPI, plain dicts, PostgreSQL. Not ours to use.

It verifies the signature over the raw body, parses it, and stores its records once in their newest version, in one
transaction a delivery, before it answers. Run as `python -m bench.afternoon_peer CONNINFO SECRET`; prints its port.
"""

import asyncio
import hashlib
import hmac
import json
import sys
from contextlib import contextmanager
from queue import Queue
from typing import TYPE_CHECKING, Any

import psycopg
import uvicorn
from fastapi import FastAPI, HTTPException, Request

from cdrelay.serving import open_socket

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS = 4

SCHEMA = """
CREATE TABLE records (
    org_uuid uuid NOT NULL,
    report_id uuid NOT NULL,
    report_time timestamptz NOT NULL,
    record jsonb NOT NULL,
    PRIMARY KEY (org_uuid, report_id)
)
"""
# As jsonb from the start: text, parsed again by the INSERT, would cost more.
INCOMING = "CREATE TEMP TABLE incoming (LIKE records) ON COMMIT DELETE ROWS"
COPY = "COPY incoming (org_uuid, report_id, report_time, record) FROM STDIN"
# Of two versions in one delivery only one may come to the conflict. In the order of the key, so that two deliveries
# with records in common do not wait for each other for ever.
UPSERT = """
INSERT INTO records
SELECT DISTINCT ON (org_uuid, report_id) org_uuid, report_id, report_time, record
FROM incoming
ORDER BY org_uuid, report_id, report_time DESC
ON CONFLICT (org_uuid, report_id) DO UPDATE
SET report_time = excluded.report_time, record = excluded.record
WHERE excluded.report_time > records.report_time
"""


class Pool:
    """A few connections that wait for work."""

    def __init__(self, conninfo: str) -> None:
        self._idle: Queue[psycopg.Connection[Any]] = Queue()
        for _ in range(CONNECTIONS):
            connection = psycopg.connect(conninfo)
            connection.execute(INCOMING)
            connection.commit()
            self._idle.put(connection)

    @contextmanager
    def connection(self) -> "Iterator[psycopg.Connection[Any]]":
        """One of them, and a transaction that is committed at the end."""
        connection = self._idle.get()
        try:
            with connection.transaction():
                yield connection
        finally:
            self._idle.put(connection)


def store(pool: Pool, body: bytes) -> int:
    """Keep the records of a delivery; how many it had."""
    records = json.loads(body)["items"]
    with pool.connection() as connection:
        with connection.cursor() as cursor:
            with cursor.copy(COPY) as copy:
                for record in records:
                    key = (record["Org UUID"], record["Report ID"], record["Report time"])
                    copy.write_row((*key, json.dumps(record)))
            cursor.execute(UPSERT)
    return len(records)


def application(conninfo: str, secret: str) -> FastAPI:
    """The listener."""
    app, pool = FastAPI(), Pool(conninfo)

    @app.post("/webhooks/bench")
    async def receive(request: Request) -> dict[str, int]:
        body = await request.body()
        signature = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
        if not hmac.compare_digest(signature, request.headers.get("X-Spark-Signature", "")):
            raise HTTPException(401)
        return {"records": await asyncio.to_thread(store, pool, body)}

    return app


if __name__ == "__main__":
    listening = open_socket("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(application(*sys.argv[1:]), http="httptools", loop="uvloop", log_config=None)
    uvicorn.Server(config).run(sockets=[listening])
