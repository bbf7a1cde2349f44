"""Receiving over real HTTP: what is answered, what is kept, and what is left when it goes wrong."""

import asyncio
import errno
import gzip
import hmac
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO

import aiohttp
import pytest

from cdrelay.collector.sources import SourceChange
from cdrelay.contract.signature import sign
from cdrelay.lake.spool import Spool
from tests.integration.collector.collector_bench import START, Bench, serving, until
from tests.support.provider import body_of, calls, organization

SECRET = "example-secret"
EMPTY = b'{"items":[]}'
BODY = body_of(calls(organization(1), START - timedelta(minutes=8), 3))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def signed(bench: Bench) -> Bench:
    bench.sources.add("webex", SourceChange(secret=SECRET))
    return bench


async def post(
    session: aiohttp.ClientSession, address: str, body: object = BODY, source: str = "webex", **headers: str
) -> tuple[int, dict[str, object]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.post(f"{address}/webhooks/{source}", data=body, headers=named) as response:
        answer = await response.json()
        if response.status >= 400:
            assert set(answer) == {"errorCode", "message", "errors", "trackingId"}
            assert answer["errorCode"] == response.status
        if response.status == 503:
            assert int(response.headers["Retry-After"]) > 0
        return response.status, answer


def spooled(bench: Bench) -> list[bytes]:
    return [Spool.open(path).body() for path in bench.store.spool.waiting()]


def nothing_left(bench: Bench) -> bool:
    return not [path for path in bench.store.spool.folder.iterdir() if path.suffix in {".payload", ".part"}]


async def test_an_accepted_body_is_in_the_spool_byte_for_byte(signed: Bench, session: aiohttp.ClientSession) -> None:
    async with serving(signed.receiver()) as address:
        status, answer = await post(session, address, X_Spark_Signature=sign(SECRET, BODY))
    assert (status, answer["records"]) == (200, 3)
    (path,) = signed.store.spool.waiting()
    found = Spool.open(path)
    assert found.body() == BODY
    assert found.envelope.id == answer["payload"]
    assert (found.envelope.source, found.envelope.channel) == ("webex", "webhook")


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        ("myBongoSecret", b'{"a":1,"b":2,"c":{"d":3}}', "01e0cb6a53731b9615b483335d77d97023410c72"),
        (SECRET, EMPTY, "e74814f66b6a7aebb5429ebdb1558138d788dc20"),
    ],
)
async def test_published_signatures_verify(
    bench: Bench, session: aiohttp.ClientSession, secret: str, body: bytes, signature: str
) -> None:
    bench.sources.add("webex", SourceChange(secret=secret))
    async with serving(bench.receiver()) as address:
        right, _ = await post(session, address, body, X_Spark_Signature=signature)
        upper, _ = await post(session, address, body, X_Spark_Signature=signature.upper())
        wrong, _ = await post(session, address, body + b" ", X_Spark_Signature=signature)
    # The first body is no list of records, which is found out only once its origin is certain.
    expected = 200 if body == EMPTY else 400
    assert (right, upper, wrong) == (expected, expected, 401)


async def test_an_empty_list_is_a_payload_and_is_loaded(signed: Bench, session: aiohttp.ClientSession) -> None:
    async with serving(signed.receiver()) as address:
        status, answer = await post(session, address, EMPTY, X_Spark_Signature=sign(SECRET, EMPTY))
    assert (status, answer["records"]) == (200, 0)
    drained = signed.store.loader.drain()
    assert (drained.payloads, drained.records) == (1, 0)


@pytest.mark.parametrize(
    "sent",
    [
        BODY + b"\n",
        json.dumps(json.loads(BODY), indent=1).encode(),
        BODY.replace(b"Report", b"report"),
        b"",
    ],
    ids=["trailing newline", "re-serialised", "changed", "empty"],
)
async def test_a_signature_of_other_bytes_is_refused_and_nothing_is_kept(
    signed: Bench, session: aiohttp.ClientSession, sent: bytes
) -> None:
    async with serving(signed.receiver()) as address:
        status, _ = await post(session, address, sent, X_Spark_Signature=sign(SECRET, BODY))
    assert status == 401
    assert nothing_left(signed)
    assert signed.aside.count() == 0


async def test_a_missing_signature_is_refused_only_where_a_secret_is_set(
    signed: Bench, session: aiohttp.ClientSession
) -> None:
    signed.sources.add("open", SourceChange())
    async with serving(signed.receiver()) as address:
        missing, _ = await post(session, address)
        unsigned, _ = await post(session, address, source="open")
    assert (missing, unsigned) == (401, 200)
    assert len(spooled(signed)) == 1


async def test_a_trailing_newline_and_foreign_names_are_part_of_what_is_signed(
    signed: Bench, session: aiohttp.ClientSession
) -> None:
    body = '{"items":[{"User":"Zoë 山田"}]}\n'.encode()
    async with serving(signed.receiver()) as address:
        status, _ = await post(session, address, body, X_Spark_Signature=sign(SECRET, body))
    assert status == 200
    assert spooled(signed) == [body]


async def test_gzip_is_signed_as_sent_and_kept_as_sent(signed: Bench, session: aiohttp.ClientSession) -> None:
    packed = gzip.compress(BODY)
    async with serving(signed.receiver()) as address:
        of_packed, answer = await post(
            session, address, packed, X_Spark_Signature=sign(SECRET, packed), Content_Encoding="gzip"
        )
        of_plain, _ = await post(
            session, address, packed, X_Spark_Signature=sign(SECRET, BODY), Content_Encoding="gzip"
        )
    assert (of_packed, answer["records"], of_plain) == (200, 3, 401)
    assert spooled(signed) == [packed]
    assert signed.store.loader.drain().added == 3


async def test_both_secrets_are_valid_during_a_rotation_and_only_one_after(
    signed: Bench, session: aiohttp.ClientSession
) -> None:
    async def statuses(address: str) -> list[int]:
        return [(await post(session, address, X_Spark_Signature=sign(key, BODY)))[0] for key in (SECRET, "new", "x")]

    async with serving(signed.receiver()) as address:
        assert await statuses(address) == [200, 401, 401]
        signed.sources.rotate("webex", "new")
        signed.clock.advance(timedelta(seconds=2))
        assert await statuses(address) == [200, 200, 401]
        signed.sources.end_rotation("webex")
        signed.clock.advance(timedelta(seconds=2))
        assert await statuses(address) == [401, 200, 401]


async def test_an_unknown_source_is_404(signed: Bench, session: aiohttp.ClientSession) -> None:
    async with serving(signed.receiver()) as address:
        status, _ = await post(session, address, source="other")
    assert status == 404
    assert nothing_left(signed)


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


async def test_a_body_over_the_limit_is_413_with_and_without_its_length(
    signed: Bench, session: aiohttp.ClientSession
) -> None:
    body = b'{"items":["' + b"x" * 50_000 + b'"]}'
    async with serving(signed.receiver(body_limit=len(body) - 1)) as address:
        announced, _ = await post(session, address, body, X_Spark_Signature=sign(SECRET, body))
        counted, _ = await post(session, address, in_pieces(body), X_Spark_Signature=sign(SECRET, body))
    async with serving(signed.receiver(body_limit=len(body))) as address:
        fitting, _ = await post(session, address, in_pieces(body), X_Spark_Signature=sign(SECRET, body))
    assert (announced, counted, fitting) == (413, 413, 200)
    assert len(spooled(signed)) == 1


async def test_a_gzip_bomb_is_413_and_not_kept(signed: Bench, session: aiohttp.ClientSession) -> None:
    bomb = gzip.compress(b" " * 5_000_000)
    async with serving(signed.receiver(unpacked_limit=1_000_000)) as address:
        status, _ = await post(session, address, bomb, X_Spark_Signature=sign(SECRET, bomb), Content_Encoding="gzip")
    assert status == 413
    assert nothing_left(signed)
    assert signed.aside.count() == 0


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
async def test_another_encoding_is_415(signed: Bench, session: aiohttp.ClientSession, encoding: str) -> None:
    async with serving(signed.receiver()) as address:
        status, _ = await post(session, address, X_Spark_Signature=sign(SECRET, BODY), Content_Encoding=encoding)
    assert status == 415
    assert nothing_left(signed)


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b'{"item":[]}', b"<html>", b'{"items":[' + b"[" * 100_000, BODY[:-1]],
    ids=["open", "empty", "no items", "html", "nested", "cut"],
)
async def test_a_body_that_makes_no_sense_is_400_and_lies_aside(
    signed: Bench, session: aiohttp.ClientSession, body: bytes
) -> None:
    async with serving(signed.receiver()) as address:
        status, _ = await post(session, address, body, X_Spark_Signature=sign(SECRET, body))
    assert status == 400
    assert nothing_left(signed)
    (kept,) = signed.aside.bodies()
    assert kept.body() == body
    assert [incident.part for incident in signed.incidents.latest()] == ["receive"]


async def test_a_body_said_to_be_gzip_that_is_not_lies_aside(signed: Bench, session: aiohttp.ClientSession) -> None:
    async with serving(signed.receiver()) as address:
        status, _ = await post(session, address, X_Spark_Signature=sign(SECRET, BODY), Content_Encoding="gzip")
    assert status == 400
    assert signed.aside.count() == 1


async def test_no_room_is_503_and_nothing_is_kept(signed: Bench, session: aiohttp.ClientSession) -> None:
    async with serving(signed.receiver(reserve=1 << 60)) as address:
        status, answer = await post(session, address, X_Spark_Signature=sign(SECRET, BODY))
    assert status == 503
    assert str(signed.settings.home) not in str(answer)
    assert nothing_left(signed)


async def test_a_broken_store_is_never_answered_with_success(signed: Bench, session: aiohttp.ClientSession) -> None:
    async with serving(signed.receiver()) as address:
        shutil.rmtree(signed.store.spool.folder)
        status, _ = await post(session, address, X_Spark_Signature=sign(SECRET, BODY))
    assert status == 503


async def test_a_write_that_the_disk_loses_early_is_not_answered_with_success(
    signed: Bench, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"items":["' + b"x" * 5_000_000 + b'"]}'
    synced: list[int] = []

    def fsync(file: int) -> None:
        """Tells of a lost write once, as Linux does."""
        synced.append(file)
        if len(synced) == 1:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    async with serving(signed.receiver()) as address:
        status, _ = await post(session, address, BytesIO(body), X_Spark_Signature=sign(SECRET, body))
    assert status == 503
    assert nothing_left(signed)


async def test_known_sources_deliver_while_the_database_is_locked(
    signed: Bench, session: aiohttp.ClientSession
) -> None:
    async with serving(signed.receiver()) as address:
        before, _ = await post(session, address, X_Spark_Signature=sign(SECRET, BODY))
        lock = sqlite3.connect(signed.database.path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            signed.clock.advance(timedelta(minutes=5))
            during, _ = await post(session, address, X_Spark_Signature=sign(SECRET, BODY))
        finally:
            lock.close()
    assert (before, during) == (200, 200)


async def test_known_sources_deliver_while_the_database_is_gone(signed: Bench, session: aiohttp.ClientSession) -> None:
    async with serving(signed.receiver()) as address:
        before, _ = await post(session, address, X_Spark_Signature=sign(SECRET, BODY))
        signed.database.close()
        for file in signed.settings.home.glob("control.db*"):
            file.unlink()
        signed.database.path.mkdir()
        signed.clock.advance(timedelta(minutes=5))
        during, _ = await post(session, address, X_Spark_Signature=sign(SECRET, BODY))
        forged, _ = await post(session, address, X_Spark_Signature=sign("x", BODY))
    assert (before, during, forged) == (200, 200, 401)


async def test_a_process_that_never_read_its_sources_asks_to_try_again(
    signed: Bench, session: aiohttp.ClientSession
) -> None:
    signed.database.close()
    for file in signed.settings.home.glob("control.db*"):
        file.unlink()
    signed.database.path.mkdir()
    async with serving(signed.receiver()) as address:
        status, _ = await post(session, address, X_Spark_Signature=sign(SECRET, BODY))
    assert status == 503


async def test_a_source_whose_secret_cannot_be_read_is_not_taken_for_an_unsigned_one(
    signed: Bench, session: aiohttp.ClientSession
) -> None:
    signed.sources.add("other", SourceChange())
    with sqlite3.connect(signed.database.path) as connection:
        connection.execute("UPDATE sources SET secret = x'00' WHERE name = 'webex'")
    connection.close()
    async with serving(signed.receiver()) as address:
        unreadable, _ = await post(session, address, X_Spark_Signature=sign(SECRET, BODY))
        other, _ = await post(session, address, source="other")
    assert (unreadable, other) == (503, 200)


async def test_a_sender_that_goes_away_in_the_middle_leaves_nothing(signed: Bench) -> None:
    folder = signed.store.spool.folder
    async with serving(signed.receiver()) as address:
        host, port = address.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = "POST /webhooks/webex HTTP/1.1\r\nHost: x\r\nX-Spark-Signature: 00\r\nContent-Length: 9000000\r\n\r\n"
        writer.write(head.encode() + b"x" * 3_000_000)
        await writer.drain()
        await until(lambda: bool(list(folder.glob("*.part"))))
        writer.close()
        await writer.wait_closed()
        await until(lambda: not list(folder.iterdir()))


async def test_the_same_payload_twice_at_once_is_stored_once(signed: Bench, session: aiohttp.ClientSession) -> None:
    async with serving(signed.receiver()) as address:
        sent = [post(session, address, X_Spark_Signature=sign(SECRET, BODY)) for _ in range(2)]
        answers = await asyncio.gather(*sent)
    assert [status for status, _ in answers] == [200, 200]
    assert len({str(answer["payload"]) for _, answer in answers}) == 2
    drained = signed.store.loader.drain()
    assert (drained.added, drained.repeated, signed.store.lake.total()) == (3, 3, 3)


async def test_a_large_body_in_many_pieces_verifies(signed: Bench, session: aiohttp.ClientSession) -> None:
    body = b'{"items":["' + b"x" * 7_000_000 + b'"]}'
    signature = hmac.new(SECRET.encode(), body, "sha1").hexdigest()
    async with serving(signed.receiver()) as address:
        status, _ = await post(session, address, in_pieces(body), X_Spark_Signature=signature)
    assert status == 200
    assert spooled(signed) == [body]
