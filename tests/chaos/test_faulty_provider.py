"""What the provider answers on its bad days."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from cdrelay.clock import ManualClock
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from tests.support.faulty_provider import COUNTS_PATH, RECORDS_PATH, TOKEN_PATH, FaultyProvider
from tests.support.provider import TOKEN, Provider, calls, organization

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
HOUR = Period(NOW - timedelta(minutes=90), NOW - timedelta(minutes=30))
ORG = organization(1)
PERIOD = {"startTime": write_time(HOUR.start), "endTime": write_time(HOUR.end)}


@asynccontextmanager
async def faulty(*faults: tuple[str, int, float]) -> AsyncIterator[FaultyProvider]:
    """A provider of 20 records, with these faults."""
    records = calls(ORG, HOUR.start, 20)
    async with Provider(ManualClock(NOW), records=records) as sound, FaultyProvider(sound.base, TOKEN) as found:
        found.faults.extend(faults)
        yield found


async def ask(provider: FaultyProvider, path: str = COUNTS_PATH, base: str = "") -> tuple[int, Any, Any]:
    """Status, headers and body."""
    headers = {"Authorization": f"Bearer {provider.token}"}
    query = PERIOD if path == COUNTS_PATH else PERIOD | {"orgId": ORG}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get((base or provider.base) + path, params=query) as answer,
    ):
        text = answer.content_type != "application/json"
        return answer.status, answer.headers, await (answer.text() if text else answer.json())


async def test_without_a_fault_it_answers_what_the_sound_one_does() -> None:
    async with faulty() as provider:
        status, headers, body = await ask(provider)
        _, _, records = await ask(provider, RECORDS_PATH)

    assert (status, headers["num-pages"]) == (200, "1")
    assert body == {"cdr_counts": [{"orgId": ORG, "count": 20}]}
    assert len(records["items"]) == 20


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("429 with Retry-After", 429),
        ("429 without", 429),
        ("500", 500),
        ("HTML with 502", 502),
        ("HTML with 200", 200),
    ],
)
async def test_it_answers_so_many_times_what_is_no_answer(kind: str, expected: int) -> None:
    async with faulty((kind, 2, 0.5)) as provider:
        answers = [await ask(provider) for _ in range(3)]

    assert [status for status, _, _ in answers] == [expected, expected, 200]
    assert ("Retry-After" in answers[0][1]) == (kind == "429 with Retry-After")
    assert ("<html>" in answers[0][2]) == kind.startswith("HTML")
    assert answers[2][2]["cdr_counts"][0]["count"] == 20


async def test_it_sends_to_another_port_that_answers() -> None:
    async with faulty(("451 elsewhere", 1, 0.5)) as provider:
        status, _, body = await ask(provider)
        elsewhere = json.dumps(body).rpartition("Please use ")[2].partition('"')[0]
        there, _, counts = await ask(provider, base=f"http://{elsewhere}")

    assert (status, there) == (451, 200)
    assert elsewhere != provider.base.removeprefix("http://")
    assert counts["cdr_counts"][0]["count"] == 20


async def test_an_expired_token_stays_so_until_it_is_refreshed_and_the_refresh_token_is_another_one_then() -> None:
    async with faulty(("token expired", 1, 0.5)) as provider, aiohttp.ClientSession() as session:
        old, refresh = provider.token, provider.refresh_token
        headers = {"Authorization": f"Bearer {old}"}
        statuses = []
        for _ in range(2):
            async with session.get(provider.base + COUNTS_PATH, params=PERIOD, headers=headers) as answer:
                statuses.append(answer.status)
        form = {"grant_type": "refresh_token", "refresh_token": refresh}
        async with session.post(provider.base + TOKEN_PATH, data=form) as answer:
            tokens = await answer.json()
        async with session.post(provider.base + TOKEN_PATH, data=form | {"refresh_token": "x"}) as answer:
            refused = answer.status
        now, _, _ = await ask(provider)

    assert (statuses, now, refused) == ([401, 401], 200, 400)
    assert tokens["access_token"] == provider.token != old
    assert tokens["refresh_token"] != refresh


async def test_counts_are_wrong_once() -> None:
    async with faulty(("wrong counts", 3, 0.5)) as provider:
        counts = [(await ask(provider))[2]["cdr_counts"][0]["count"] for _ in range(2)]

    assert counts[0] != 20
    assert counts[1] == 20


async def test_records_are_withheld_or_denied_once() -> None:
    async with faulty(("records withheld", 1, 0.5), ("404 though there is something", 1, 0.5)) as provider:
        withheld, denied, whole = [await ask(provider, RECORDS_PATH) for _ in range(3)]

    assert len(withheld[2]["items"]) == 15
    assert denied[0] == 404
    assert len(whole[2]["items"]) == 20


async def test_a_page_names_itself_as_the_next_one() -> None:
    async with faulty(("page repeated", 1, 0.5)) as provider, aiohttp.ClientSession() as session:
        _, headers, first = await ask(provider, RECORDS_PATH)
        target = headers["Link"].partition(">")[0].lstrip("<")
        async with session.get(target, headers={"Authorization": f"Bearer {provider.token}"}) as answer:
            again, link = await answer.json(), answer.headers.get("Link")

    assert first == again
    assert link is None


async def test_an_answer_breaks_off() -> None:
    async with faulty(("cut answer", 1, 0.5)) as provider:
        with pytest.raises(aiohttp.ClientError):
            await ask(provider, RECORDS_PATH)
