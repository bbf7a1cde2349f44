"""Who knows the address of a source and not its secret: what that costs the provider, and what its operator is told."""

from datetime import timedelta

import pytest

from cdrelay.collector.sources import SourceChange
from cdrelay.contract.rules import RequestRate
from cdrelay.contract.signature import sign
from cdrelay.lake.spool import Spool
from tests.integration.collector.collector_bench import Bench, until
from tests.integration.collector.lines import BODY, Line, Lines, serving

SECRET = "example-secret"
SIGNED = {"X_Spark_Signature": sign(SECRET, BODY)}
WRONG = {"X_Spark_Signature": "0" * 40}
MINUTE = timedelta(minutes=1)
STRANGER, OTHER = "127.0.0.2", "127.0.0.3"


@pytest.fixture
def signed_bench(bench: Bench) -> Bench:
    """Whose source has a secret."""
    bench.sources.add("webex", SourceChange(secret=SECRET))
    return bench


def told(bench: Bench) -> list[str]:
    return [incident.what for incident in reversed(bench.incidents.latest())]


async def begun(bench: Bench, lines: Lines, sender: str, number: int) -> list[Line]:
    """Bodies under way of that sender, none of which has come yet."""
    before, made = len(parts(bench)), [await lines.line(sender) for _ in range(number)]
    for line in made:
        await line.head(**WRONG)
    await until(lambda: len(parts(bench)) == before + number)
    return made


def parts(bench: Bench) -> list[object]:
    return list(bench.store.spool.folder.glob("*.part"))


# --- rate ---


async def test_a_stranger_does_not_use_up_what_the_provider_may_send(signed_bench: Bench) -> None:
    async with serving(signed_bench.receiver(rate=RequestRate(2, MINUTE))) as lines:
        stranger, provider = await lines.line(STRANGER), await lines.line()
        assert [await stranger.post(**WRONG) for _ in range(2)] == [401, 401]
        assert [await provider.post(**SIGNED) for _ in range(3)] == [200, 200, 429]
        signed_bench.clock.advance(MINUTE)
        assert await provider.post(**SIGNED) == 200


async def test_a_stranger_is_refused_by_the_head_alone_after_as_many_tries(signed_bench: Bench) -> None:
    async with serving(signed_bench.receiver(rate=RequestRate(2, MINUTE))) as lines:
        assert [await (await lines.line(STRANGER)).post(**WRONG) for _ in range(2)] == [401, 401]
        third = await lines.line(STRANGER)
        await third.head(9_000_000, **SIGNED)
        status, headers, _ = await third.answer()
        assert (status, headers["retry-after"]) == (429, "60")
        assert await (await lines.line(OTHER)).post(**WRONG) == 401
        signed_bench.clock.advance(MINUTE)
        assert await (await lines.line(STRANGER)).post(**WRONG) == 401


async def test_the_provider_is_not_shut_out_for_a_stranger_who_seems_to_have_its_address(signed_bench: Bench) -> None:
    # As behind a proxy that does not say whom it speaks for.
    async with serving(signed_bench.receiver(rate=RequestRate(3, MINUTE))) as lines:
        line = await lines.line()
        assert await line.post(**SIGNED) == 200
        assert [await line.post(**WRONG) for _ in range(5)] == [401] * 5
        assert await line.post(**SIGNED) == 200


async def test_bodies_side_by_side_do_not_exceed_the_rate(signed_bench: Bench) -> None:
    async with serving(signed_bench.receiver(rate=RequestRate(2, MINUTE))) as lines:
        made = [await lines.line() for _ in range(4)]
        for line in made:
            await line.head(**SIGNED)
        await until(lambda: len(parts(signed_bench)) == 4)
        for line in made:
            await line.send(BODY)
        answers = [await line.answer() for line in made]
    assert sorted(status for status, _, _ in answers) == [200, 200, 429, 429]
    assert {headers["retry-after"] for status, headers, _ in answers if status == 429} == {"60"}
    assert [Spool.open(path).body() for path in signed_bench.store.spool.waiting()] == [BODY, BODY]


# --- bodies at once ---


async def test_strangers_who_hold_bodies_open_leave_half_the_places_to_who_has_delivered_before(
    signed_bench: Bench,
) -> None:
    async with serving(signed_bench.receiver(bodies_at_once=4)) as lines:
        provider = await lines.line()
        assert await provider.post(**SIGNED) == 200
        await begun(signed_bench, lines, STRANGER, 2)
        assert await (await lines.line(OTHER)).post(**WRONG) == 503
        assert await provider.post(**SIGNED) == 200


async def test_where_nothing_is_signed_all_places_are_everyones(bench: Bench) -> None:
    bench.sources.add("webex", SourceChange())
    async with serving(bench.receiver(bodies_at_once=2)) as lines:
        await begun(bench, lines, STRANGER, 2)
        assert await (await lines.line()).post() == 503


# --- what is told ---


async def test_the_operator_is_told_of_refused_deliveries_once_an_hour(signed_bench: Bench) -> None:
    signed_bench.sources.add("brief", SourceChange())
    receiver = signed_bench.receiver(rate=RequestRate(1, MINUTE), body_limit=len(BODY))
    async with serving(receiver) as lines:
        line = await lines.line()
        assert [await line.post(**SIGNED), await line.post(**SIGNED), await line.post(**SIGNED)] == [200, 429, 429]
        assert await (await lines.line()).post(BODY + b" ", "brief") == 413
        assert [await (await lines.line()).post(source=name) for name in ("4085550101", "x")] == [404, 404]
        first = told(signed_bench)
        signed_bench.clock.advance(timedelta(hours=1))
        assert [await line.post(**SIGNED), await line.post(**SIGNED), await line.post()] == [200, 429, 401]
    assert first == [
        "a delivery of source webex was refused: more came than webhook_requests_per_minute",
        f"a delivery of source brief was refused: the body is larger than {len(BODY)} bytes",
        "a delivery to an address of no source was refused: there is no source of that name, or it is pulled",
    ]
    assert told(signed_bench)[3:] == [
        f"{first[0]}; 1 more since 12:30 UTC",
        "a delivery of source webex was refused: the signature is missing",
    ]
    counted = {reason: number for reason, number in receiver.refused.by_reason().items() if number}
    assert counted == {"rate": 3, "too_large": 1, "unknown_source": 2, "signature": 1}
