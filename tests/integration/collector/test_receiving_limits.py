"""What a POST may cost, over real sockets: rate, bodies at once, slow senders, heads, bombs."""

import asyncio
import gzip
import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from cdrelay.collector.admission import Pace
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.rules import RequestRate
from cdrelay.contract.signature import sign, sign_sha256
from cdrelay.lake.spool import Spool
from cdrelay.serving import Front, protocol
from tests.integration.collector.collector_bench import START, Bench, until
from tests.integration.collector.lines import BODY, serving
from tests.support.provider import calls, organization

SECRET = "example-secret"


@pytest.fixture
def open_bench(bench: Bench) -> Bench:
    """Whose source is not signed."""
    bench.sources.add("webex", SourceChange())
    return bench


def spooled(bench: Bench) -> list[bytes]:
    return [Spool.open(path).body() for path in bench.store.spool.waiting()]


# --- rate ---


async def test_a_source_that_sends_too_often_is_told_when_to_come_again_before_its_body_is_read(
    open_bench: Bench,
) -> None:
    open_bench.sources.add("other", SourceChange())
    async with serving(open_bench.receiver(rate=RequestRate(2, timedelta(minutes=1)))) as lines:
        line = await lines.line()
        assert [await line.post(), await line.post()] == [200, 200]
        open_bench.clock.advance(timedelta(seconds=20))
        waiting = await lines.line()
        await waiting.head(9_000_000)
        status, headers, body = await waiting.answer()
        assert (status, headers["retry-after"], json.loads(body)["errorCode"]) == (429, "40", 429)
        assert await line.post(source="other") == 200
        open_bench.clock.advance(timedelta(seconds=40))
        assert [await line.post(), await line.post(), await line.post()] == [200, 200, 429]


async def test_a_clock_that_was_set_back_shuts_no_source_out(open_bench: Bench) -> None:
    open_bench.clock.advance(timedelta(days=1))
    receiver = open_bench.receiver(rate=RequestRate(1, timedelta(minutes=1)))
    async with serving(receiver) as lines:
        line = await lines.line()
        assert await line.post() == 200
        open_bench.clock.set_back(timedelta(days=1))
        assert await line.post() == 200


# --- bodies at once ---


async def test_no_more_bodies_at_once_than_set(open_bench: Bench) -> None:
    async with serving(open_bench.receiver(bodies_at_once=2)) as lines:
        under_way = [await lines.line() for _ in range(2)]
        for line in under_way:
            await line.head()
        await until(lambda: len(list(open_bench.store.spool.folder.glob("*.part"))) == 2)
        third = await lines.line()
        await third.head(9_000_000)
        status, headers, _ = await third.answer()
        assert (status, headers["retry-after"]) == (503, "30")
        for line in under_way:
            await line.send(BODY)
        assert [(await line.answer())[0] for line in under_way] == [200, 200]
        assert await (await lines.line()).post() == 200


async def test_a_sender_that_goes_away_makes_room_for_another(open_bench: Bench) -> None:
    async with serving(open_bench.receiver(bodies_at_once=1)) as lines:
        gone = await lines.line()
        await gone.head()
        await until(lambda: bool(list(open_bench.store.spool.folder.glob("*.part"))))
        gone.close()
        await until(lambda: not list(open_bench.store.spool.folder.iterdir()))
        assert await (await lines.line()).post() == 200


# --- slow senders ---


async def test_a_body_that_stands_still_is_given_up(open_bench: Bench) -> None:
    async with serving(open_bench.receiver(pace=Pace(idle_seconds=0.2))) as lines:
        line = await lines.line()
        await line.head()
        await line.send(BODY[:-1])
        status, headers, _ = await line.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert await line.ended()
    assert list(open_bench.store.spool.folder.iterdir()) == []


async def test_a_body_that_trickles_is_given_up_though_it_never_stands_still(open_bench: Bench) -> None:
    async with serving(open_bench.receiver(pace=Pace(idle_seconds=0.3, slowest=10_000))) as lines:
        line = await lines.line()
        await line.head()

        async def trickle() -> None:
            for byte in BODY:
                await line.send(bytes([byte]))
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        assert (await line.answer())[0] == 408
        trickling.cancel()


async def test_a_body_that_comes_slowly_and_fast_enough_is_taken(open_bench: Bench) -> None:
    async with serving(open_bench.receiver(pace=Pace(idle_seconds=0.5, slowest=100))) as lines:
        line = await lines.line()
        await line.head()
        for start in range(0, len(BODY), 50):
            await line.send(BODY[start : start + 50])
            await asyncio.sleep(0.05)
        assert (await line.answer())[0] == 200
    assert spooled(open_bench) == [BODY]


async def test_a_head_that_does_not_come_to_its_end_is_given_up(open_bench: Bench) -> None:
    async with serving(open_bench.receiver(), Front(head_seconds=0.2)) as lines:
        begun = await lines.line()
        await begun.send(b"POST /webhooks/webex HTTP/1.1\r\nHost: x\r\n")
        assert (await begun.answer())[0] == 408
        silent = await lines.line()
        assert await silent.ended()
        slow = await lines.line()
        await slow.head()
        await asyncio.sleep(0.4)  # the head is there: the body has a time of its own
        await slow.send(BODY)
        assert (await slow.answer())[0] == 200


async def test_a_head_without_end_is_given_up_and_a_long_body_is_none(open_bench: Bench) -> None:
    async with serving(open_bench.receiver()) as lines:
        line = await lines.line()
        long = b'{"items":[], "x":"' + b"y" * 1_000_000 + b'"}'
        assert [await line.post(long), await line.post(long), await line.post()] == [200, 200, 200]
        await line.send(b"POST / HTTP/1.1\r\n")
        answer = asyncio.create_task(line.answer())
        for number in range(1_000):
            await line.send(b"X-%d: %s\r\n" % (number, b"y" * 1_000))
            await asyncio.wait({answer}, timeout=0.005)
            if answer.done():
                break
        assert (await answer)[0] == 431


async def test_a_request_that_was_answered_does_not_keep_the_connection_for_ever(
    open_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_REST_SECONDS", 0.2)
    async with serving(open_bench.receiver()) as lines:
        line = await lines.line()
        await line.head(1_000, source="unknown")
        assert (await line.answer())[0] == 404
        assert await line.ended()


# --- encodings ---


def zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


async def test_zstd_is_signed_as_sent_and_kept_as_sent(bench: Bench) -> None:
    bench.sources.add("webex", SourceChange(secret=SECRET))
    packed = zstd(BODY)
    async with serving(bench.receiver()) as lines:
        line = await lines.line()
        assert await line.post(packed, X_Spark_Signature=sign(SECRET, packed), Content_Encoding="zstd") == 200
        assert await line.post(packed, X_Spark_Signature=sign(SECRET, BODY), Content_Encoding="zstd") == 401
        cut = packed[:-1]
        assert await line.post(cut, X_Spark_Signature=sign(SECRET, cut), Content_Encoding="zstd") == 400
    assert spooled(bench) == [packed]
    assert bench.store.loader.drain().added == 3


@pytest.mark.parametrize(
    ("encoding", "frame"), [("gzip", gzip.compress(bytes(1_000_000))), ("zstd", zstd(bytes(1_000_000)))]
)
async def test_a_bomb_is_refused_without_unpacking_it(open_bench: Bench, encoding: str, frame: bytes) -> None:
    # Frames may follow one another. Unpacked it would be 1 to 20 GB, which takes a while.
    bomb = frame * (1_000_000 // len(frame))
    async with serving(open_bench.receiver(unpacked_limit=2_000_000)) as lines:
        async with asyncio.timeout(2):
            assert await (await lines.line()).post(bomb, Content_Encoding=encoding) == 413
    assert (spooled(open_bench), open_bench.aside.count()) == ([], 0)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_body_that_is_large_unpacked_lies_in_a_file_meanwhile_and_none_is_left(
    open_bench: Bench, encoding: str
) -> None:
    records = [one.wire() | {"User": "x" * 3_000} for one in calls(organization(1), START - timedelta(hours=2), 6_000)]
    body = json.dumps({"data": {"items": records}}).encode()
    packed = gzip.compress(body, 1) if encoding == "gzip" else zstd(body)
    async with serving(open_bench.receiver()) as lines:
        assert await (await lines.line()).post(packed, Content_Encoding=encoding) == 200
    assert open_bench.store.loader.drain().added == 6_000
    assert list(open_bench.store.spool.folder.iterdir()) == []


# --- signatures and sources ---


@pytest.mark.parametrize(
    ("spark", "webex", "status"),
    [
        (None, sign_sha256(SECRET, BODY), 200),
        (None, f"sha1={sign(SECRET, BODY)}, sha256={sign_sha256(SECRET, BODY).upper()}", 200),
        (sign(SECRET, BODY), sign_sha256(SECRET, BODY), 200),
        (sign(SECRET, BODY), sign_sha256("x", BODY), 401),
        (sign("x", BODY), sign_sha256(SECRET, BODY), 401),
        (None, sign_sha256("x", BODY), 401),
        (sign(SECRET, BODY), "of another kind", 200),
        (None, "of another kind", 401),
        (None, sign(SECRET, BODY), 401),
    ],
)
async def test_either_signature_is_enough_and_of_both_each_must_fit(
    bench: Bench, spark: str | None, webex: str, status: int
) -> None:
    bench.sources.add("webex", SourceChange(secret="newer"))
    bench.sources.rotate("webex", SECRET)
    given = {"X_Webex_Signature": webex} | ({} if spark is None else {"X_Spark_Signature": spark})
    async with serving(bench.receiver()) as lines:
        assert await (await lines.line()).post(**given) == status


async def test_a_source_that_is_pulled_takes_no_webhooks(bench: Bench) -> None:
    bench.sources.add("pulled", SourceChange(api="https://analytics.example.com"), kind="cdr_stream")
    async with serving(bench.receiver()) as lines:
        assert await (await lines.line()).post(source="pulled") == 404


# --- memory ---


def memory_megabytes() -> float:
    """What this process holds, without what the system caches of files."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1_000


async def test_memory_does_not_grow_with_the_body(open_bench: Bench) -> None:
    records = b",".join([json.dumps(one.wire()).encode() for one in calls(organization(1), START, 5_000)])
    times = 150_000_000 // len(records)
    opening, closing = b'{"items":[', b"]}"
    length = len(opening) + times * (len(records) + 1) - 1 + len(closing)
    async with serving(open_bench.receiver(body_limit=length)) as lines:
        line = await lines.line()
        assert await line.post() == 200  # what is needed once is there
        before = highest = memory_megabytes()
        await line.head(length)
        await line.send(opening)
        for number in range(times):
            await line.send(records if number == 0 else b"," + records)
            highest = max(highest, memory_megabytes())
        await line.send(closing)
        status, _, body = await line.answer()
    assert (status, json.loads(body)["records"]) == (200, 5_000 * times)
    # Far less than the body; how much it is depends on how long threads wait for a processor.
    assert highest - before < 75
