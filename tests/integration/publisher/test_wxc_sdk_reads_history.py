"""The public SDK as an outside client of the history APIs: its own addresses, pages and patience, over TLS."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from requests import Response
from wxc_sdk import WebexSimpleApi
from wxc_sdk.rest import RestError
from wxc_sdk.tokens import Tokens

from cdrelay.clock import ManualClock
from cdrelay.contract.windows import EPOCH
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from cdrelay.wiring import PublisherParts, Running, assemble, open_foundation
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, record, report_id
from tests.support.lake_builder import document
from tests.support.server import serving
from tests.support.tls import write_certificate

# In compressed time the minute of the limits is a second, and that is what the SDK sleeps when it is told to wait.
COMPRESS = 60
RECORDS, PAGE = 1_800, 500
ENDED = START - timedelta(seconds=60)
FROM, TO = START - timedelta(seconds=100), START - timedelta(seconds=10)


@dataclass
class Sdk:
    """The SDK against a publisher as it is put together in production."""

    publisher: PublisherParts
    clock: ManualClock
    host: str
    certificate: Path
    partner_id: str
    token: str
    statuses: list[int] = field(default_factory=list)
    """Of every answer that it got."""

    def read(self, start: datetime = FROM, end: datetime = TO, **more: Any) -> list[Any]:
        """All records that it yields; blocking, as it is."""
        with WebexSimpleApi(tokens=Tokens(access_token=self.token)) as api:
            api.session.verify = str(self.certificate)
            api.session.trust_env = False  # no proxy of the machine stands between
            # An error keeps the connection of its answer open, and TLS on the other side waits 30 seconds for its end.
            api.session.headers["Connection"] = "close"
            api.session.register_response_callback(self._noted)
            asked = {"start_time": start, "end_time": end, "host": self.host} | more
            return list(api.cdr.get_cdr_history(**asked))

    def _noted(self, response: Response, nanoseconds: int) -> None:
        self.statuses.append(response.status_code)
        if response.status_code == 429:
            # What the SDK is about to sleep passes on our clock, too.
            self.clock.advance(timedelta(seconds=int(response.headers["Retry-After"])))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and the certificate of 127.0.0.1 that goes with it."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A publisher with all its settings, on a clock moved by hand."""
    settings = read_settings({}, home=tmp_path / "home", compress=COMPRESS, disk_reserve_bytes=0)
    foundation = open_foundation(settings, ManualClock(START))
    yield assemble(foundation, frozenset({"publisher"}))
    foundation.close()


@pytest.fixture
async def sdk(running: Running, certificate: Path) -> AsyncIterator[Sdk]:
    """A partner of one organization with records that share a millisecond."""
    publisher, clock = running.publisher, running.foundation.clock
    assert publisher is not None
    assert isinstance(clock, ManualClock)
    partner = publisher.directory.add_partner("Reseller")
    publisher.directory.add_organization(ORG, partner_id=partner.id, starts_at=EPOCH)
    async with serving(running.app, certificate) as address:
        token = publisher.directory.credentials.create_token(partner.id)
        yield Sdk(publisher, clock, address.removeprefix("https://"), certificate, partner.id, token)


def store(sdk: Sdk, *records: dict[str, str]) -> None:
    """Take in and load."""
    store = sdk.publisher.store
    store.spool.put(
        Envelope(id=str(uuid4()), source="test", channel="intake", received=sdk.clock.now()), document(records)
    )
    store.loader.drain()


def assert_each_once(found: list[Any], names: Iterable[object]) -> None:
    """No record is missing and none repeated."""
    assert Counter(one.report_id for one in found) == Counter(report_id(name) for name in names)


async def test_it_reads_every_record_once_over_several_pages_of_the_feed(sdk: Sdk) -> None:
    store(sdk, *(record(n, ENDED) for n in range(RECORDS)))
    found = await asyncio.to_thread(sdk.read, max=PAGE)
    assert sdk.statuses == [200] * 4
    assert_each_once(found, range(RECORDS))
    assert {(one.report_time, one.org_uuid) for one in found} == {(ENDED, ORG)}


async def test_it_reads_every_record_once_over_several_pages_of_the_stream(sdk: Sdk) -> None:
    store(sdk, *(record(n, ENDED) for n in range(RECORDS)))
    sdk.clock.advance(timedelta(seconds=2))
    found = await asyncio.to_thread(sdk.read, START, START + timedelta(seconds=1), stream=True, max=PAGE)
    assert sdk.statuses == [200] * 4
    assert_each_once(found, range(RECORDS))


async def test_told_that_it_asks_too_often_it_waits_as_long_as_it_was_told_and_goes_on(sdk: Sdk) -> None:
    store(sdk, record("one", ENDED))
    assert_each_once(await asyncio.to_thread(sdk.read), ["one"])
    assert_each_once(await asyncio.to_thread(sdk.read), ["one"])
    assert sdk.statuses == [200, 429, 200]


async def test_it_chooses_by_locations(sdk: Sdk) -> None:
    places = ["Köln & Bonn", "New York", "Ulm"]
    store(sdk, *(record(n, ENDED, Location=places[n % 3]) for n in range(RECORDS)))
    found = await asyncio.to_thread(sdk.read, locations=places[:2], max=PAGE)
    assert sdk.statuses == [200] * 3
    assert_each_once(found, [n for n in range(RECORDS) if n % 3 < 2])
    assert {one.location for one in found} == set(places[:2])


async def test_it_finds_nothing_where_there_is_nothing(sdk: Sdk) -> None:
    assert await asyncio.to_thread(sdk.read) == []
    assert sdk.statuses == [200]


async def test_it_understands_a_refusal(sdk: Sdk) -> None:
    with pytest.raises(RestError) as refused:
        await asyncio.to_thread(sdk.read, orgId=OTHER_ORG)
    assert refused.value.response.status_code == 403
    assert refused.value.detail.error_code == 403
    assert refused.value.description == f"organization {OTHER_ORG} is not managed by this partner"
    assert refused.value.detail.tracking_id == refused.value.response.headers["Trackingid"]
