"""A source that is pulled: our publisher as the provider over real HTTP, and a collector that is killed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from cdrelay.collector.errors import TokenMissing
from cdrelay.collector.payload_history import latest_payloads
from cdrelay.collector.pulling import Puller
from cdrelay.collector.sources import Source, SourceChange
from cdrelay.contract.answers import ProviderError, ProviderRefused, ProviderRejected, ProviderUnavailable
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH, Period
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from cdrelay.wiring import (
    CollectorParts,
    Foundation,
    PublisherParts,
    assemble,
    open_foundation,
    open_puller,
)
from cdrelay.wiring.alarms import open_watch
from tests.integration.collector.collector_bench import until
from tests.integration.collector.pull_processes import FAILED, killed_at_every_moment, killed_before_the_cursor
from tests.integration.collector.token_bench import KILLED
from tests.integration.lake.lake_processes import run
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, record
from tests.support.front import Front, PassingClock
from tests.support.lake_builder import document
from tests.support.server import serving

PAGE = 5
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAME = "customer"


@dataclass
class Pull:
    """A provider, and a collector that pulls from it."""

    clock: PassingClock
    provider: PublisherParts
    front: Front
    foundation: Foundation
    collector: CollectorParts
    puller: Puller

    @property
    def source(self) -> Source:
        return self.collector.sources.get(NAME)

    def store(
        self, *names: object, stored_ago: timedelta = timedelta(minutes=10), ended_ago: timedelta | None = None
    ) -> None:
        """The provider has records: since so long ago, of calls that ended so long ago."""
        received = self.clock.now() - stored_ago
        ended = received - timedelta(seconds=1) if ended_ago is None else self.clock.now() - ended_ago
        envelope = Envelope(id=str(uuid4()), source="test", channel="intake", received=received)
        self.provider.store.spool.put(envelope, document([record(name, ended) for name in names]))
        self.provider.store.loader.drain()

    async def pull(self) -> int:
        """One window, a minute or so after the last."""
        self.clock.advance(timedelta(seconds=self.puller.pace_seconds))
        return await self.puller.pull(NAME)

    def pulled(self) -> int:
        """How many records are in the collector's lake, each once."""
        self.collector.store.loader.drain()
        return self.collector.store.lake.count_by_organization(Period(EPOCH, START + 99 * DAY)).get(ORG, 0)

    def windows(self) -> list[tuple[str, float, float]]:
        """What was asked first for each window: the API, and how many hours ago its start and end are."""
        found = []
        for target in self.front.asked:
            query = parse_qs(urlsplit(target).query)
            if "startTimeForNextFetch" not in query:
                start, end = (
                    (self.clock.now() - datetime.fromisoformat(query[name][0])) / HOUR
                    for name in ("startTime", "endTime")
                )
                found.append((urlsplit(target).path.removeprefix("/v1/"), start, end))
        return found

    def told(self) -> list[str]:
        return [one.what for one in self.foundation.incidents.latest()][::-1]


@pytest.fixture
def homes(tmp_path: Path, migrated: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Foundation, Foundation]]:
    reach = getattr(request, "param", 48.0)
    clock = PassingClock(START)
    of_provider = {
        "history_max_smallest": 1,
        "history_max_largest": PAGE,
        "history_feed_reach_hours": reach,
        "publisher_keep_hours": 0,
    }
    opened = []
    for name, more in (("provider", of_provider), ("collector", {"api_attempts": 3})):
        home = tmp_path / name
        home.mkdir()
        copyfile(migrated, home / "control.db")
        opened.append(open_foundation(read_settings({}, home=home, disk_reserve_bytes=0, **more), clock))
    yield opened[0], opened[1]
    for one in opened:
        one.close()


@pytest.fixture
async def rig(homes: tuple[Foundation, Foundation]) -> AsyncIterator[Pull]:
    provider = assemble(homes[0], frozenset({"publisher"}))
    collector = assemble(homes[1], frozenset({"collector"})).collector
    assert provider.publisher is not None
    assert collector is not None
    partner = provider.publisher.directory.add_partner("Reseller")
    for org in (ORG, OTHER_ORG):
        provider.publisher.directory.add_organization(org, partner_id=partner.id, starts_at=EPOCH)
    token = provider.publisher.directory.credentials.create_token(partner.id, lifetime=365 * DAY)
    front = Front(provider.app)
    async with serving(front) as address:  # type: ignore[arg-type]  # any ASGI app will do
        collector.sources.add(NAME, SourceChange(api=address, token=token, org_id=ORG), "cdr_stream")
        clock = homes[0].clock
        assert isinstance(clock, PassingClock)
        puller = open_puller(homes[1], collector)
        yield Pull(clock, provider.publisher, front, homes[1], collector, puller)


async def test_all_pages_of_a_window_are_pulled_and_the_cursor_follows(rig: Pull) -> None:
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(START - HOUR)))
    rig.store(*range(12))
    assert await rig.pull() == 12
    assert rig.pulled() == 12
    assert [urlsplit(target).path for target in rig.front.asked] == ["/v1/cdr_stream"] * 3
    assert all(f"orgId={ORG}" in target for target in rig.front.asked)
    lag = rig.clock.now() - datetime.fromisoformat(rig.source.cursor)
    assert timedelta(minutes=1) < lag < timedelta(minutes=2)
    assert (rig.source.pulled_at, rig.source.pull_problem) == (rig.clock.now(), None)
    (channel,) = {one.channel for one in latest_payloads(rig.foundation.database, 100)}
    assert channel == "stream"


async def test_at_first_it_reaches_back_as_far_as_the_stream_does(rig: Pull) -> None:
    rig.store("early", stored_ago=11 * HOUR)
    for _ in range(8):
        await rig.pull()
    assert rig.pulled() == 1
    assert {api for api, _, _ in rig.windows()} == {"cdr_stream"}
    assert rig.told() == []


async def test_late_records_come_by_themselves_and_nothing_is_stored_twice(rig: Pull) -> None:
    rig.store("a", "b")
    for _ in range(8):
        await rig.pull()
    rig.store("a-day-late", stored_ago=timedelta(minutes=2), ended_ago=DAY)
    rig.clock.advance(timedelta(minutes=3))
    await rig.pull()
    assert rig.pulled() == 3


async def test_a_minute_s_share_of_pages_is_waited_for_before_the_provider_refuses_one(rig: Pull) -> None:
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(START - HOUR)))
    rig.store(*range(25 * PAGE))
    assert await rig.pull() == 25 * PAGE
    assert rig.clock.slept == [rig.puller.pace_seconds] * 2
    assert len(rig.front.asked) == 25


@pytest.mark.parametrize("homes", [48.0, 720.0], indirect=True)
async def test_after_an_outage_longer_than_the_stream_reaches_the_feed_is_asked(
    rig: Pull, homes: tuple[Foundation, Foundation]
) -> None:
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(START - 40 * HOUR)))
    for number, hours in enumerate((39, 30, 20, 12.5, 12, 11.9, 11.5, 5, 1)):
        rig.store(number, stored_ago=timedelta(hours=hours))
    for _ in range(16):
        await rig.pull()
    assert rig.pulled() == 9
    windows = rig.windows()
    apis = [api for api, _, _ in windows]
    first_stream = apis.index("cdr_stream")
    assert set(apis[:first_stream]) == {"cdr_feed"}
    assert set(apis[first_stream:]) == {"cdr_stream"}
    assert all(later[1] > earlier[2] for earlier, later in pairwise(windows))
    assert rig.told() == []
    assert {one.channel for one in latest_payloads(rig.foundation.database, 100)} == {"history", "stream"}


async def test_the_feed_leaves_to_the_stream_what_only_the_stream_has(rig: Pull) -> None:
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(START - 20 * HOUR)))
    rig.store("days-late", stored_ago=timedelta(hours=11, minutes=42), ended_ago=5 * DAY)
    for _ in range(10):
        await rig.pull()
    assert rig.pulled() == 1


@pytest.mark.parametrize(("homes", "missing"), [(48.0, 52), (720.0, 0)], indirect=["homes"])
async def test_what_no_api_gives_any_more_is_told_and_the_rest_is_pulled(
    rig: Pull, homes: tuple[Foundation, Foundation], missing: int
) -> None:
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(START - 100 * HOUR)))
    for hours in (99, 60, 40, 20, 5):
        rig.store(hours, stored_ago=timedelta(hours=hours))
    for _ in range(25):
        await rig.pull()
    assert rig.pulled() == (3 if missing else 5)
    told = rig.told()
    assert len(told) == (1 if missing else 0)
    if missing:
        assert f"from {write_time(START - 100 * HOUR)}" in told[0]
        assert "may be missing" in told[0]


async def test_the_stream_does_not_wait_for_a_feed_that_is_not_given(rig: Pull) -> None:
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(START - 20 * HOUR)))
    rig.store("a", stored_ago=5 * HOUR)
    rig.front.troubles.extend([(400, b'{"message": "no"}')] * 2)
    for _ in range(10):
        await rig.pull()
    assert rig.pulled() == 1
    assert ["may be missing" in one for one in rig.told()] == [True]


async def test_a_gap_in_pulling_is_an_alarm_for_a_week(rig: Pull) -> None:
    since, alarms = START - 100 * HOUR, rig.collector.alarms
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(since)))
    watch = open_watch(rig.foundation, rig.collector.store, alarms)
    for _ in range(3):
        await rig.pull()
    watch.look()
    (alarm,) = [one for one in alarms.standing() if one.kind == "pull-gap"]
    assert alarm.subject == NAME
    assert f"from {since:%Y-%m-%d %H:%M} UTC to {START - 48 * HOUR:%Y-%m-%d %H:}" in alarm.what
    rig.clock.advance(7 * DAY)
    watch.look()
    assert "pull-gap" not in {one.kind for one in alarms.standing()}


async def test_what_the_feed_refuses_window_after_window_is_one_gap(rig: Pull) -> None:
    since = START - 40 * HOUR
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(since)))
    rig.front.troubles.extend([(400, b'{"message": "no"}')] * 3)
    for _ in range(3):
        await rig.pull()
    assert len(rig.told()) == 2
    assert rig.source.gap is not None
    assert rig.source.gap.start == since
    assert rig.source.gap.end == datetime.fromisoformat(rig.source.cursor)


async def test_a_gap_long_after_another_is_told_by_itself(rig: Pull) -> None:
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(START - 100 * HOUR)))
    for _ in range(6):
        await rig.pull()
    assert rig.source.gap is not None
    assert rig.source.gap.start == START - 100 * HOUR
    rig.clock.advance(8 * DAY)
    later = rig.source.cursor
    await rig.pull()
    await rig.pull()
    assert rig.source.gap.start == datetime.fromisoformat(later)


async def test_a_window_that_cannot_be_read_whole_is_read_again(rig: Pull) -> None:
    since = write_time(START - HOUR)
    rig.collector.sources.change(NAME, SourceChange(cursor=since))
    cases: list[tuple[list[tuple[int, bytes] | None], type[ProviderError]]] = [
        ([(200, b"<html>busy</html>")] * 3, ProviderUnavailable),
        ([(200, b"{}")] * 3, ProviderUnavailable),
        ([(403, b"")], ProviderRefused),
        ([(400, b'{"message": "startTime: too old"}')], ProviderRejected),
        ([(451, b'{"message": "Please use analytics.example.com"}')], ProviderRejected),
        ([None, (401, b"")], ProviderRefused),
        ([None, None, (500, b""), (500, b""), (500, b"")], ProviderUnavailable),
    ]
    rig.store(*range(12))
    for troubles, error in cases:
        rig.front.troubles.extend(troubles)
        with pytest.raises(error):
            await rig.pull()
        assert rig.source.cursor == since
    assert await rig.pull() == 12
    assert rig.pulled() == 12


async def test_another_region_is_followed(rig: Pull) -> None:
    rig.collector.sources.change(NAME, SourceChange(cursor=write_time(START - HOUR)))
    rig.store("a")
    other = Front(rig.front.app)
    async with serving(other) as address:  # type: ignore[arg-type]
        rig.front.troubles.append((451, f'{{"message": "Please use {address.removeprefix("http://")}"}}'.encode()))
        assert await rig.pull() == 1
    assert (len(rig.front.asked), len(other.asked)) == (1, 1)


async def test_a_time_that_is_set_while_a_window_is_read_holds(rig: Pull) -> None:
    wanted, provider = write_time(START - 3 * HOUR), rig.front.app

    async def set_meanwhile(scope: Any, receive: Any, send: Any) -> None:
        rig.collector.sources.change(NAME, SourceChange(cursor=wanted))
        await provider(scope, receive, send)

    rig.front.app = set_meanwhile
    await rig.pull()
    assert rig.source.cursor == wanted


async def test_without_a_token_it_is_said_what_to_do(rig: Pull) -> None:
    rig.collector.sources.add("bare", SourceChange(api="https://analytics.webexapis.com"), "cdr_stream")
    with pytest.raises(TokenMissing, match="cdrelay collector login bare"):
        await rig.puller.pull("bare")


async def test_the_loops_pull_each_source_that_has_a_token_and_tell_a_problem_once(
    rig: Pull, homes: tuple[Foundation, Foundation]
) -> None:
    api = rig.source.api
    rig.collector.sources.add("without-token", SourceChange(api=api), "cdr_stream")
    rig.collector.sources.add("refused", SourceChange(api=api, token="wrong"), "cdr_stream")
    rig.store("a")
    workers = assemble(homes[1], frozenset({"collector"})).workers
    (loops,) = (worker for worker in workers if "PullLoops" in worker.__qualname__)
    looping = asyncio.create_task(loops())

    def is_pulled() -> bool:
        return rig.pulled() == 1 and rig.collector.sources.get("refused").pull_problem is not None

    try:
        await until(is_pulled)
        rig.collector.sources.remove(NAME)
        asked = len(rig.front.asked)
        await until(lambda: len(rig.front.asked) > asked + 3)
    finally:
        looping.cancel()
        await asyncio.gather(looping, return_exceptions=True)
    assert ["refused" in one and "HTTP 401" in one for one in rig.told()] == [True]


# --- killed ---


async def test_killed_at_any_moment_each_record_is_stored_once(rig: Pull) -> None:
    since = write_time(START - HOUR)
    rig.collector.sources.change(NAME, SourceChange(cursor=since))
    rig.store(*range(12))
    rig.clock.advance(timedelta(minutes=2))
    now, provider = rig.clock.now(), rig.front.app

    async def time_passes(scope: Any, receive: Any, send: Any) -> None:
        rig.clock.advance(timedelta(minutes=2))
        await provider(scope, receive, send)

    rig.front.app = time_passes
    kills = await asyncio.to_thread(run, killed_at_every_moment, rig.foundation.settings.home, NAME, now)
    assert 6 <= kills < FAILED
    assert rig.pulled() == 12
    assert rig.source.cursor > since
    await rig.pull()
    assert rig.pulled() == 12


async def test_a_kill_between_spool_and_cursor_costs_nothing(rig: Pull) -> None:
    since = write_time(START - HOUR)
    rig.collector.sources.change(NAME, SourceChange(cursor=since))
    rig.store(*range(7))
    rig.clock.advance(timedelta(minutes=2))
    killed = await asyncio.to_thread(run, killed_before_the_cursor, rig.foundation.settings.home, NAME, rig.clock.now())
    assert killed == KILLED
    assert (rig.pulled(), rig.source.cursor) == (7, since)
    assert await rig.pull() == 7
    assert rig.pulled() == 7
