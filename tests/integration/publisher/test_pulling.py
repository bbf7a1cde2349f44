"""Pulling records from another provider: another publisher of ours, over real HTTP, that misbehaves on request."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cdrelay.contract.answers import ProviderError, ProviderRefused, ProviderRejected, ProviderUnavailable
from cdrelay.contract.history import HistoryRules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH, Period
from cdrelay.lake.spool import Envelope
from cdrelay.provider_history import pull_rules
from cdrelay.publisher.sources.pulling import Puller
from cdrelay.publisher.sources.running import Reader
from cdrelay.publisher.sources.source_settings import RecordSource, SourceSettings
from cdrelay.publisher.sources.taking import Kept, Taker
from cdrelay.settings import read_settings
from cdrelay.wiring import PublisherParts, assemble, client_limits, intake_limits, open_foundation, source_readers
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, record
from tests.integration.publisher.source_bench import home_in
from tests.support.front import Front, PassingClock
from tests.support.lake_builder import document
from tests.support.server import serving

PAGE = 5
SINCE = START - timedelta(hours=1)


@dataclass
class Pair:
    """A provider, and a publisher that pulls from it."""

    clock: PassingClock
    provider: PublisherParts
    front: Front
    own: PublisherParts
    reader: Reader
    token: str

    @property
    def source(self) -> RecordSource:
        return self.own.record_sources.get("carrier")

    def store(self, *names: object, received: datetime | None = None, ended: datetime | None = None) -> None:
        """The provider has records: since `received`, of calls that ended then."""
        stored = received or self.clock.now() - timedelta(minutes=10)
        envelope = Envelope(id=str(uuid4()), source="test", channel="intake", received=stored)
        records = [record(name, ended or stored - timedelta(seconds=1)) for name in names]
        self.provider.store.spool.put(envelope, document(records))
        self.provider.store.loader.drain()

    def pulled(self) -> int:
        """How many records are in the publisher's own lake, each once."""
        self.own.store.loader.drain()
        return self.own.store.lake.count_by_organization(Period(EPOCH, START + timedelta(days=9))).get(ORG, 0)

    async def pull(self) -> Kept:
        """One window, a minute or so after the last."""
        self.clock.advance(timedelta(seconds=self.reader.pause_seconds))
        return await self.reader.read()


@pytest.fixture
def homes(tmp_path: Path, empty_database: Path) -> Iterator[tuple[Any, Any]]:
    clock = PassingClock(START)
    provider, own = (
        open_foundation(
            read_settings({}, home=home_in(tmp_path / name, empty_database), disk_reserve_bytes=0, **more), clock
        )
        for name, more in (
            ("provider", {"history_max_smallest": 1, "history_max_largest": PAGE}),
            ("own", {"api_attempts": 3}),
        )
    )
    yield provider, own
    provider.close()
    own.close()


@pytest.fixture
async def pair(homes: tuple[Any, Any], request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    kind = getattr(request, "param", "cdr_stream")
    provider, own = (assemble(home, frozenset({"publisher"})) for home in homes)
    assert provider.publisher is not None
    assert own.publisher is not None
    partner = provider.publisher.directory.add_partner("Reseller")
    for org in (ORG, OTHER_ORG):
        provider.publisher.directory.add_organization(org, partner_id=partner.id, starts_at=EPOCH)
    token = provider.publisher.directory.credentials.create_token(partner.id)
    front = Front(provider.app)
    async with serving(front) as address:  # type: ignore[arg-type]  # any ASGI app will do
        settings = SourceSettings(location=address, org_id=ORG, token=token, cursor=write_time(SINCE))
        own.publisher.record_sources.add("carrier", kind, settings)
        reader = source_readers(homes[1], own.publisher).reader("carrier")
        clock = homes[0].clock
        yield Pair(clock, provider.publisher, front, own.publisher, reader, token)


async def test_all_pages_of_a_window_are_pulled_and_the_cursor_follows(pair: Pair) -> None:
    pair.store(*range(12))
    assert await pair.pull() == Kept(accepted=12)
    assert pair.pulled() == 12
    assert [path.partition("?")[0] for path in pair.front.asked] == ["/v1/cdr_stream"] * 3
    read_to = datetime.fromisoformat(pair.source.cursor)
    now = pair.clock.now()
    assert now - timedelta(minutes=2) < read_to < now - timedelta(minutes=1)


@pytest.mark.parametrize("pair", ["cdr_feed"], indirect=True)
async def test_the_feed_is_pulled_in_the_same_way(pair: Pair) -> None:
    pair.store(*range(7))
    assert await pair.pull() == Kept(accepted=7)
    assert pair.front.asked[0].startswith("/v1/cdr_feed?startTime=")
    assert pair.pulled() == 7


async def test_what_comes_later_is_pulled_later_and_nothing_twice(pair: Pair) -> None:
    pair.store("a", "b")
    await pair.pull()
    pair.clock.advance(timedelta(minutes=3))
    pair.store("c", received=pair.clock.now() - timedelta(minutes=2))
    await pair.pull()
    assert pair.pulled() == 3


async def test_a_record_that_became_visible_late_is_not_passed_over(pair: Pair) -> None:
    await pair.pull()
    late = datetime.fromisoformat(pair.source.cursor) - timedelta(minutes=2)
    pair.store("late", received=late)
    await pair.pull()
    assert pair.pulled() == 1


@pytest.mark.parametrize("pair", ["cdr_feed"], indirect=True)
async def test_a_call_that_the_provider_learned_of_an_hour_late_is_pulled_by_the_feed(pair: Pair) -> None:
    pair.clock.advance(timedelta(hours=3))
    await pair.pull()
    pair.store("late", ended=pair.clock.now() - timedelta(hours=1))
    await pair.pull()
    assert pair.pulled() == 1


async def test_only_records_of_the_organization_are_asked_for(pair: Pair) -> None:
    await pair.pull()
    assert f"orgId={ORG}" in pair.front.asked[0]
    assert OTHER_ORG not in "".join(pair.front.asked)


async def test_long_absence_is_made_up_in_windows_within_the_limits(pair: Pair) -> None:
    pair.own.record_sources.change("carrier", SourceSettings(cursor=write_time(START - timedelta(hours=7))))
    pair.store("early", received=START - timedelta(hours=6, minutes=30))
    pair.store("now")
    for _ in range(4):
        await pair.pull()
    assert pair.pulled() == 2
    windows = [dict(part.split("=") for part in path.partition("?")[2].split("&")) for path in pair.front.asked]
    times = [[datetime.fromisoformat(one[name]) for name in ("startTime", "endTime")] for one in windows]
    assert max(end - start for start, end in times) == timedelta(hours=2)
    assert all(later[0] < earlier[1] for earlier, later in pairwise(times))


async def test_what_left_the_providers_reach_is_told(pair: Pair, homes: tuple[Any, Any]) -> None:
    pair.own.record_sources.change("carrier", SourceSettings(cursor=write_time(START - timedelta(hours=20))))
    await pair.pull()
    (incident,) = homes[1].incidents.latest()
    assert (incident.part, "out of the provider's reach" in incident.what) == ("source", True)
    assert all(path.startswith("/v1/cdr_stream") for path in pair.front.asked)


async def test_asked_to_wait_it_waits(pair: Pair) -> None:
    pair.store("a")
    await pair.pull()
    assert pair.clock.slept == []
    pair.store("b", received=pair.clock.now() - timedelta(minutes=2))
    pair.clock.advance(timedelta(seconds=1))
    assert await pair.reader.read() == Kept(accepted=1)
    assert len(pair.clock.slept) == 1
    assert 59 <= pair.clock.slept[0] <= 66


async def test_a_window_that_cannot_be_read_whole_is_read_again(pair: Pair) -> None:
    cases: list[tuple[list[tuple[int, bytes] | None], type[ProviderError]]] = [
        ([(200, b"<html>busy</html>")] * 3, ProviderUnavailable),
        ([(200, b"{}")] * 3, ProviderUnavailable),
        ([(502, b"")] * 3, ProviderUnavailable),
        ([(403, b"")], ProviderRefused),
        ([(400, b'{"message": "startTime: too old"}')], ProviderRejected),
        ([(451, b'{"message": "Please use analytics.example.com"}')], ProviderRejected),
        ([None, (401, b"")], ProviderRefused),
        ([None, None, (500, b""), (500, b""), (500, b"")], ProviderUnavailable),
    ]
    pair.store(*range(12))
    for troubles, error in cases:
        pair.front.troubles.extend(troubles)
        with pytest.raises(error):
            await pair.pull()
        assert pair.source.cursor == write_time(SINCE)
    assert await pair.pull() == Kept(accepted=12)
    assert pair.pulled() == 12


async def test_passing_trouble_is_waited_for(pair: Pair) -> None:
    pair.store("a")
    pair.front.troubles.extend([(429, b""), (200, b"<html>sign in</html>")])
    assert await pair.pull() == Kept(accepted=1)
    assert len(pair.clock.slept) == 2


async def test_nothing_found_is_nothing_to_read(pair: Pair) -> None:
    pair.front.troubles.append((404, b'{"errorCode": 404, "message": "no CDRs", "trackingId": "T_1"}'))
    assert await pair.pull() == Kept()
    assert pair.source.cursor > write_time(SINCE)


async def test_another_region_is_followed(pair: Pair) -> None:
    pair.store("a")
    other = Front(pair.front.app)
    async with serving(other) as address:  # type: ignore[arg-type]
        pair.front.troubles.append((451, f'{{"message": "Please use {address.removeprefix("http://")}"}}'.encode()))
        assert await pair.pull() == Kept(accepted=1)
    assert (len(pair.front.asked), len(other.asked)) == (1, 1)


async def test_a_token_that_expired_is_replaced_by_the_operator_while_all_runs_on(pair: Pair) -> None:
    pair.store("a")
    fresh = pair.provider.directory.credentials.create_token(pair.provider.directory.partners()[0].id)
    pair.provider.directory.credentials.revoke_token(pair.token)
    with pytest.raises(ProviderRefused):
        await pair.pull()
    pair.own.record_sources.change("carrier", SourceSettings(token=fresh))
    assert await pair.pull() == Kept(accepted=1)


async def test_pages_that_go_in_circles_are_given_up(pair: Pair) -> None:
    pair.store(*range(6))
    first = pair.front

    class Circle:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            path = f"{scope['path']}?{scope['query_string'].decode()}"
            link = f'<{path}>; rel="next"'.encode()
            headers = [(b"content-type", b"application/json"), (b"link", link)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"items": []}'})

    first.app = Circle()
    with pytest.raises(ProviderRejected, match="circles"):
        await pair.pull()


async def test_a_time_that_is_set_while_a_window_is_read_holds(pair: Pair) -> None:
    wanted, provider = write_time(START - timedelta(hours=3)), pair.front.app

    async def set_meanwhile(scope: Any, receive: Any, send: Any) -> None:
        pair.own.record_sources.change("carrier", SourceSettings(cursor=wanted))
        await provider(scope, receive, send)

    pair.front.app = set_meanwhile
    await pair.pull()
    assert pair.source.cursor == wanted


async def test_records_that_cannot_be_kept_go_into_quarantine(pair: Pair) -> None:
    items = [record("good", START), {"Org UUID": ORG}]
    pair.front.troubles.append((200, json.dumps({"items": items}).encode()))
    assert await pair.pull() == Kept(accepted=1, refused=1)
    assert [one.field for one in pair.own.store.quarantine.list()] == ["Report ID"]


async def test_a_kill_between_spool_and_cursor_costs_nothing(pair: Pair, homes: tuple[Any, Any]) -> None:
    pair.store(*range(7))
    settings, source = homes[1].settings, pair.source

    def killed(cursor: str) -> None:
        raise KeyboardInterrupt

    rules = pull_rules("cdr_stream", HistoryRules())
    puller = Puller(
        source,
        Taker(pair.own.store.spool, pair.clock, intake_limits(settings)),
        pair.clock,
        limits=client_limits(settings),
        rules=rules,
        keep_cursor=killed,
        keep_refused=lambda payload, refused: None,
    )
    with pytest.raises(KeyboardInterrupt):
        await puller.pull(source.cursor)
    assert pair.pulled() == 7
    await pair.pull()
    assert pair.pulled() == 7


def test_no_token_lies_in_the_database_in_the_open(homes: tuple[Any, Any]) -> None:
    own = homes[1]
    parts = assemble(own, frozenset({"publisher"})).publisher
    assert parts is not None
    settings = SourceSettings(location="https://analytics.webexapis.com", token="a-token-of-a-provider")
    parts.record_sources.add("carrier", "cdr_stream", settings)
    bytes_kept = (own.settings.home / "control.db").read_bytes() + (own.settings.home / "control.db-wal").read_bytes()
    assert b"a-token-of-a-provider" not in bytes_kept
    assert "a-token-of-a-provider" not in repr(parts.record_sources.get("carrier"))
