"""A collector as a competent engineer writes it in an afternoon: FastAPI, psycopg, PostgreSQL. Not ours to use.

It verifies the signature over the raw body, parses it, and stores its records once in their newest version, in one
transaction a delivery, before it answers. Records are plain dicts, of which nothing is checked but the key, or the
public SDK's model `CDR`, which checks types as our loader does.

Run as `python -m bench.afternoon_peer CONNINFO SECRET dicts|models`; prints its port.
"""

import asyncio
import hashlib
import hmac
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import psycopg
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from wxc_sdk.cdr import CDR

from cdrelay.serving import open_socket

Row = tuple[Any, Any, Any, str]
"""Org UUID, Report ID, Report time, and the record as JSON."""

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
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """One of them, and a transaction that is committed at the end."""
        connection = self._idle.get()
        try:
            with connection.transaction():
                yield connection
        finally:
            self._idle.put(connection)


def as_dict(record: dict[str, Any]) -> Row:
    """The row of a record that is taken as it is."""
    return record["Org UUID"], record["Report ID"], record["Report time"], json.dumps(record)


def as_model(record: dict[str, Any]) -> Row:
    """The row of a record that the SDK's model has checked."""
    model = CDR.model_validate(record)
    return model.org_uuid, model.report_id, model.report_time, model.model_dump_json(exclude_none=True)


ROWS: dict[str, Callable[[dict[str, Any]], Row]] = {"dicts": as_dict, "models": as_model}


def store(pool: Pool, body: bytes, row_of: Callable[[dict[str, Any]], Row]) -> int:
    """Keep the records of a delivery; how many it had."""
    records = json.loads(body)["items"]
    with pool.connection() as connection, connection.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            for record in records:
                copy.write_row(row_of(record))
        cursor.execute(UPSERT)
    return len(records)


def application(conninfo: str, secret: str, form: str) -> FastAPI:
    """The listener."""
    app, pool, row_of = FastAPI(), Pool(conninfo), ROWS[form]

    @app.post("/webhooks/bench")
    async def receive(request: Request) -> dict[str, int]:
        body = await request.body()
        signature = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
        if not hmac.compare_digest(signature, request.headers.get("X-Spark-Signature", "")):
            raise HTTPException(401)
        return {"records": await asyncio.to_thread(store, pool, body, row_of)}

    return app


if __name__ == "__main__":
    listening = open_socket("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(application(*sys.argv[1:]), http="httptools", loop="uvloop", log_config=None)
    uvicorn.Server(config).run(sockets=[listening])
