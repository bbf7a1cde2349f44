"""The settings of the partner endpoints, over HTTP in the app as it is put together: how often, how far, how many."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cdrelay.clock import ManualClock
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START
from tests.support.homes import prepared
from tests.support.server import serving

COUNTS, RECORDS = "/v1/partners/cdrcountbyorg", "/v1/partners/cdrsbyorg"


def asked(hours: float, minutes: float = 60) -> dict[str, str]:
    """A period that began so many hours ago, for one organization."""
    start = START - timedelta(hours=hours)
    return {"startTime": write_time(start), "endTime": write_time(start + timedelta(minutes=minutes)), "orgId": ORG}


@dataclass
class Set:
    """A client of a publisher with some settings."""

    clock: ManualClock
    client: aiohttp.ClientSession
    tokens: tuple[str, str]

    async def get(self, path: str, params: dict[str, str], token: int = 0) -> tuple[int, Any, Any]:
        """Status, decoded body, headers."""
        headers = {"Authorization": f"Bearer {self.tokens[token]}"}
        async with self.client.get(path, params=params, headers=headers) as response:
            return response.status, await response.json(), response.headers

    async def statuses(self, path: str, number: int, token: int = 0) -> list[int]:
        """Of so many questions in a row."""
        return [(await self.get(path, asked(3), token))[0] for _ in range(number)]


@asynccontextmanager
async def publisher(home: Path, **settings: Any) -> AsyncIterator[Set]:
    """With a partner of two organizations that has two tokens."""
    clock = ManualClock(START)
    foundation = open_foundation(read_settings({}, home=prepared(home), disk_reserve_bytes=0, **settings), clock)
    running = assemble(foundation, frozenset({"publisher"}))
    assert running.publisher is not None
    directory = running.publisher.directory
    partner = directory.add_partner("Reseller")
    for org in (ORG, OTHER_ORG):
        directory.add_organization(org, partner_id=partner.id, starts_at=EPOCH)
    first, second = (directory.credentials.create_token(partner.id) for _ in range(2))
    async with serving(running.app) as address, aiohttp.ClientSession(address) as client:
        yield Set(clock, client, (first, second))
    foundation.close()


async def test_unless_set_there_is_no_limit(tmp_path: Path) -> None:
    async with publisher(tmp_path) as one:
        assert await one.statuses(COUNTS, 20) == [200] * 20


@pytest.mark.parametrize("path", [COUNTS, RECORDS])
async def test_so_many_questions_of_a_token_in_a_minute_and_no_more(tmp_path: Path, path: str) -> None:
    async with publisher(tmp_path, partner_requests_per_minute=2) as one:
        assert await one.statuses(path, 3) == [200, 200, 429]
        _, body, headers = await one.get(path, asked(3))
        assert (body["message"], headers["Retry-After"]) == ("Request rate exceeds threshold", "60")
        assert await one.statuses(path, 1, token=1) == [200]
        one.clock.advance(timedelta(minutes=1))
        assert await one.statuses(path, 1) == [200]


async def test_each_endpoint_counts_by_itself_and_only_what_it_answers(tmp_path: Path) -> None:
    async with publisher(tmp_path, partner_requests_per_minute=1) as one:
        assert (await one.get(COUNTS, {}))[0] == 400
        assert await one.statuses(COUNTS, 2) == [200, 429]
        assert await one.statuses(RECORDS, 2) == [200, 429]


async def test_pages_hold_as_many_organizations_as_set(tmp_path: Path) -> None:
    async with publisher(tmp_path, partner_organizations_per_page=1) as one:
        pages = [await one.get(COUNTS, asked(3) | {"page": page}) for page in ("1", "2")]
    assert [[line["orgId"] for line in body["cdr_counts"]] for _, body, _ in pages] == [[ORG], [OTHER_ORG]]
    assert [headers["num-pages"] for _, _, headers in pages] == ["2", "2"]


async def test_the_reach_and_the_span_are_as_set_and_the_refusal_says_so(tmp_path: Path) -> None:
    async with publisher(tmp_path, partner_reach_hours=24, partner_count_span_minutes=30) as one:
        for path in (COUNTS, RECORDS):
            status, body, _ = await one.get(path, asked(25, 30))
            assert (status, "startTime: must be no more than 24 hours ago" in body["message"]) == (400, True)
        status, body, _ = await one.get(COUNTS, asked(3, 31))
        assert (status, body["message"]) == (400, "endTime: must be no more than 30 minutes after startTime")
        assert (await one.get(COUNTS, asked(3, 30)))[0] == 200


async def test_the_document_says_what_is_set(tmp_path: Path) -> None:
    changed = {"partner_reach_hours": 24, "history_max_largest": 1_000}
    async with publisher(tmp_path, **changed) as one, one.client.get("/openapi.json") as response:
        paths = (await response.json())["paths"]
    described = {one["name"]: one["description"] for one in paths[RECORDS]["get"]["parameters"]}
    assert "at most 24 hours ago" in described["startTime"]
    assert "pulled to 500 or 1000" in described["max"]
