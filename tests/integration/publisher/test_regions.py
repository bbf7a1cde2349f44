"""Two publishers of two regions, as clients meet them: over TLS, with the public SDK and with our own client."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from sqlalchemy import insert, select
from wxc_sdk import WebexSimpleApi
from wxc_sdk.rest import RestError
from wxc_sdk.tokens import Tokens

from cdrelay.clock import ManualClock
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.contract.answers import Patience
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH, Period
from cdrelay.control.tables import access_tokens
from cdrelay.lake.spool import Envelope
from cdrelay.provider_exchange import ClientLimits
from cdrelay.settings import read_settings
from cdrelay.wiring import Running, assemble, open_foundation
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, ids, record, report_id
from tests.support.homes import prepared
from tests.support.lake_builder import document
from tests.support.server import serving
from tests.support.tls import write_certificate

THIRD_ORG = "22222222-2222-4333-8444-555555555555"
STRANGE_ORG = "33333333-2222-4333-8444-555555555555"
PARTNER = "00000000-1111-4222-8333-444444444444"
ENDED = START - timedelta(minutes=30)
HOUR = Period(START - timedelta(hours=1), START - timedelta(minutes=10))


@dataclass(frozen=True)
class Two:
    """The publisher of `us` knows where that of `eu` is. ORG is of `us`, OTHER_ORG of `eu`, THIRD_ORG of none."""

    us_host: str
    eu_host: str
    token: str
    """Taken by both."""
    certificate: Path | None

    def read(self, host: str, **more: Any) -> list[Any]:
        """What the SDK reads there; blocking, as it is."""
        with WebexSimpleApi(tokens=Tokens(access_token=self.token)) as api:
            api.session.verify = str(self.certificate)
            api.session.trust_env = False
            api.session.headers["Connection"] = "close"
            times = {"start_time": HOUR.start, "end_time": HOUR.end}
            return list(api.cdr.get_cdr_history(host=host, **times, **more))


def publisher(home: Path, **settings: Any) -> Running:
    """One of them, with all three organizations in its directory."""
    foundation = open_foundation(
        read_settings({}, home=prepared(home), disk_reserve_bytes=0, history_first_requests_per_minute=0, **settings),
        ManualClock(START),
    )
    running = assemble(foundation, frozenset({"publisher"}))
    assert running.publisher is not None
    directory = running.publisher.directory
    partner = directory.add_partner("Reseller", PARTNER)
    for org, region in {ORG: "us", OTHER_ORG: "eu", THIRD_ORG: ""}.items():
        directory.add_organization(org, partner_id=partner.id, starts_at=EPOCH, region=region)
    return running


def common_token(us: Running, eu: Running) -> str:
    """A token that both know, as where sign-in is one for all regions."""
    assert us.publisher is not None
    token = us.publisher.directory.credentials.create_token(PARTNER)
    with us.foundation.database.read() as connection:
        row = connection.execute(select(access_tokens)).one()
    with eu.foundation.database.write() as connection:
        connection.execute(insert(access_tokens).values(**row._mapping))
    return token


def store(running: Running, *records: dict[str, str]) -> None:
    """Take in and load."""
    assert running.publisher is not None
    here = running.publisher.store
    here.spool.put(Envelope(id=str(uuid4()), source="test", channel="intake", received=START), document(records))
    here.loader.drain()


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as stack:
        yield stack


async def two_over(certificate: Path | None, folder: Path, opened: ExitStack) -> AsyncIterator[Two]:
    """Both, each with records of its own region."""
    eu = publisher(folder / "eu", region="eu")
    opened.callback(eu.foundation.close)
    store(eu, record("in Europe", ENDED, org=OTHER_ORG))
    async with serving(eu.app, certificate) as address:
        eu_host = address.partition("//")[2]
        us = publisher(folder / "us", region="us", region_hosts=f"eu=https://{eu_host}")
        opened.callback(us.foundation.close)
        store(us, record("in America", ENDED), record("anywhere", ENDED, org=THIRD_ORG))
        async with serving(us.app, certificate) as other:
            us_host = other.partition("//")[2]
            yield Two(us_host, eu_host, common_token(us, eu), certificate)


@pytest.fixture
async def two(tmp_path: Path, opened: ExitStack) -> AsyncIterator[Two]:
    """Over TLS."""
    async for both in two_over(write_certificate(tmp_path), tmp_path, opened):
        yield both


@pytest.fixture
async def plain(tmp_path: Path, opened: ExitStack) -> AsyncIterator[Two]:
    """Without TLS, for the client that follows by itself: it trusts no certificate of ours."""
    async for both in two_over(None, tmp_path, opened):
        yield both


@pytest.mark.parametrize("stream", [False, True])
async def test_the_sdk_is_told_the_host_of_the_other_region_and_reads_the_records_there(two: Two, stream: bool) -> None:
    more = {"orgId": OTHER_ORG, "stream": stream}
    with pytest.raises(RestError) as refused:
        await asyncio.to_thread(two.read, two.us_host, **more)
    assert refused.value.response.status_code == 451
    assert refused.value.detail.error_code == 451
    # The SDK raises and does not follow; its callers look for the host in the message.
    told = re.search(r"Please use (\S+)$", refused.value.description)
    assert told is not None
    assert told[1] == two.eu_host
    found = await asyncio.to_thread(two.read, told[1], orgId=OTHER_ORG)
    assert [one.report_id for one in found] == [report_id("in Europe")]


async def test_the_sdk_reads_what_is_of_this_region_and_of_none(two: Two) -> None:
    for org, name in {ORG: "in America", THIRD_ORG: "anywhere"}.items():
        found = await asyncio.to_thread(two.read, two.us_host, orgId=org)
        assert [one.report_id for one in found] == [report_id(name)]


async def test_our_own_client_follows_by_itself(plain: Two) -> None:
    limits = ClientLimits(answer_seconds=10, body_bytes=1_000_000, patience=Patience(2, 1))
    async with PartnerClient(f"http://{plain.us_host}", plain.token, ManualClock(START), limits) as client:
        pages = [page async for page in client.records(OTHER_ORG, HOUR)]
    assert [record_id for page in pages for record_id in ids(page)] == [report_id("in Europe")]


async def test_each_publisher_counts_what_is_of_its_region_and_of_none(plain: Two) -> None:
    limits = ClientLimits(answer_seconds=10, body_bytes=1_000_000, patience=Patience(2, 1))
    counted = {}
    for host in (plain.us_host, plain.eu_host):
        async with PartnerClient(f"http://{host}", plain.token, ManualClock(START), limits) as client:
            counted[host] = await client.counts(HOUR)
    assert counted == {plain.us_host: {ORG: 1, THIRD_ORG: 1}, plain.eu_host: {OTHER_ORG: 1, THIRD_ORG: 0}}


@pytest.mark.parametrize("path", ["/v1/partners/cdrsbyorg", "/v1/cdr_feed", "/v1/cdr_stream"])
async def test_all_endpoints_for_records_of_one_organization_say_so(plain: Two, path: str) -> None:
    times = {"startTime": write_time(HOUR.start), "endTime": write_time(HOUR.end)}
    headers = {"Authorization": f"Bearer {plain.token}"}
    async with aiohttp.ClientSession(f"http://{plain.us_host}", headers=headers) as client:
        async with client.get(path, params=times | {"orgId": OTHER_ORG}) as response:
            assert (response.status, (await response.json())["message"]) == (
                451,
                f"organization {OTHER_ORG} belongs to region eu. Please use {plain.eu_host}",
            )
        async with client.get(path, params=times | {"orgId": STRANGE_ORG}) as response:
            assert response.status == 403  # of strangers not even the region is told
