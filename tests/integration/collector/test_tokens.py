"""The life of a source's tokens, against a real token server that replaces the refresh token at each use."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import pytest
from structlog.testing import capture_logs

from cdrelay.clock import ManualClock
from cdrelay.collector.errors import TokenMissing, TokenRefused, TokenUnavailable
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.collector.sources import SourceChange
from cdrelay.collector.token_exchange import Granted
from cdrelay.contract.answers import ProviderRefused
from cdrelay.contract.windows import Period
from cdrelay.control.database import DatabaseUnavailable
from tests.integration.collector.collector_bench import LIMITS, until
from tests.integration.collector.token_bench import DAY, HOUR, KILLED, NAME, START, TokenBench, client_of
from tests.integration.lake.lake_processes import run
from tests.support.provider import Call, Provider, organization
from tests.support.token_server import CLIENT_SECRET, TokenServer


@pytest.fixture
def home(tmp_path: Path, migrated: Path) -> Path:
    copyfile(migrated, tmp_path / "control.db")
    return tmp_path


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    async with TokenServer() as running:
        yield running


@pytest.fixture
def one(home: Path) -> Iterator[TokenBench]:
    """What a process has."""
    opened = TokenBench(home, ManualClock(START))
    yield opened
    opened.database.close()


@pytest.fixture
def other(home: Path, one: TokenBench) -> Iterator[TokenBench]:
    """What another process has, at the same time on the same home."""
    opened = TokenBench(home, one.clock)
    yield opened
    opened.database.close()


async def test_a_fresh_token_is_given_as_it_is(one: TokenBench, server: TokenServer) -> None:
    await one.log_in(server)
    one.clock.advance(10 * DAY)
    assert await one.token() == "access-0"
    assert server.asked == []


async def test_it_is_refreshed_while_days_of_its_life_are_left_and_all_that_came_is_kept(
    one: TokenBench, server: TokenServer
) -> None:
    await one.log_in(server)
    one.clock.advance(11 * DAY)
    assert await one.token() == "access-1"
    now, source = one.clock.now(), one.source
    assert (source.token, source.refresh_token, source.refreshed_at) == ("access-1", "refresh-1", now)
    assert (source.token_expires_at, source.refresh_expires_at) == (now + 14 * DAY, now + 90 * DAY)
    assert await one.token() == "access-1"
    assert len(server.asked) == 1


async def test_a_refresh_token_that_does_not_come_back_stays(one: TokenBench, server: TokenServer) -> None:
    server.replaces, server.refresh_seconds = False, None
    await one.log_in(server)
    one.clock.advance(11 * DAY)
    assert await one.token() == "access-1"
    assert (one.source.refresh_token, one.source.refresh_expires_at) == ("refresh-0", START + 90 * DAY)


async def test_a_token_of_unknown_life_is_refreshed_daily(one: TokenBench, server: TokenServer) -> None:
    server.access_seconds = server.refresh_seconds = None
    await one.log_in(server)
    one.clock.advance(14 * DAY)
    assert await one.token() == "access-1"
    one.clock.advance(DAY - HOUR)
    assert await one.token() == "access-1"
    one.clock.advance(HOUR)
    assert await one.token() == "access-2"


async def test_the_loop_keeps_them_alive_for_a_year_that_nobody_asks(one: TokenBench, server: TokenServer) -> None:
    await one.log_in(server)
    looking = asyncio.create_task(one.tokens.run())

    def refreshed_lately() -> bool:
        one.clock.advance(timedelta(minutes=1))
        return (one.source.refreshed_at or START) > one.clock.now() - 11 * DAY

    try:
        for _ in range(365 // 5):
            one.clock.advance(5 * DAY)
            await until(refreshed_lately)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    assert 24 <= len(server.asked) <= 37
    assert (one.told(), one.source.token_problem) == ([], None)


async def test_many_who_ask_at_once_in_two_processes_cause_one_refresh(
    one: TokenBench, other: TokenBench, server: TokenServer
) -> None:
    await one.log_in(server)
    one.clock.advance(11 * DAY)
    given = await asyncio.gather(*(process.token() for process in (one, other) * 6))
    assert set(given) == {"access-1"}
    assert len(server.asked) == 1


async def test_while_the_provider_is_down_the_present_token_is_used_and_it_is_asked_less_and_less(
    one: TokenBench, server: TokenServer
) -> None:
    await one.log_in(server)
    server.troubles.extend([(503, "<html>busy</html>"), (0, ""), (200, "<html>hello</html>")] * 100)
    one.clock.advance(11 * DAY)
    for _ in range(60):
        assert await one.token() == "access-0"
        one.clock.advance(timedelta(seconds=30))
    assert 5 <= len(server.asked) <= 8
    assert "HTTP 503" in one.told()[0]
    one.clock.advance(4 * DAY)
    with pytest.raises(TokenUnavailable):
        await one.token()
    asked = len(server.asked)
    with pytest.raises(TokenUnavailable):
        await one.token()
    assert len(server.asked) == asked
    server.troubles.clear()
    one.clock.advance(HOUR)
    assert await one.token() == "access-1"
    assert one.source.token_problem is None


async def test_a_refusal_is_told_once_and_the_present_token_is_used_until_it_ends(
    one: TokenBench, server: TokenServer
) -> None:
    await one.log_in(server)
    server.number = 7
    one.clock.advance(11 * DAY)
    for _ in range(3):
        assert await one.token() == "access-0"
        one.clock.advance(HOUR)
    assert len(server.asked) == 3
    (told,) = one.told()
    assert "invalid_grant" in told
    assert "cdrelay collector login webex" in told
    assert one.source.token_problem is not None
    one.clock.advance(4 * DAY)
    with pytest.raises(TokenRefused, match="cdrelay collector login webex"):
        await one.token()


async def test_what_is_told_quotes_no_secret_even_where_the_provider_does(one: TokenBench, server: TokenServer) -> None:
    await one.log_in(server)
    server.number = 7
    one.clock.advance(15 * DAY)
    with capture_logs() as logs, pytest.raises(TokenRefused) as refused:
        await one.token()
    everything = f"{refused.value} {one.told()} {one.source} {logs}"
    assert "the refresh token … is not valid" in everything
    assert not [word for word in ("refresh-0", "access-0", CLIENT_SECRET) if word in everything]


async def test_a_login_in_another_process_mends_a_refusal_at_once(
    one: TokenBench, other: TokenBench, server: TokenServer
) -> None:
    await one.log_in(server)
    server.number = 7
    one.clock.advance(15 * DAY)
    with pytest.raises(TokenRefused):
        await one.token()
    granted = Granted(access_token="access-7", refresh_token="refresh-7", expires_at=None, refresh_expires_at=None)
    await other.tokens.keep_login(NAME, client_of(server), granted)
    assert await one.token() == "access-7"
    assert one.source.token_problem is None


async def test_without_a_token_or_with_one_that_ended_it_is_said_what_to_do(
    one: TokenBench, server: TokenServer
) -> None:
    one.sources.add(NAME, SourceChange())
    with pytest.raises(TokenMissing, match="cdrelay collector login webex"):
        await one.token()
    granted = Granted(access_token="a", refresh_token=None, expires_at=START + HOUR, refresh_expires_at=None)
    await one.tokens.keep_login(NAME, None, granted)
    assert await one.token() == "a"
    one.clock.advance(HOUR)
    with pytest.raises(TokenMissing, match="ended"):
        await one.token()


async def test_a_token_set_by_hand_replaces_the_login(one: TokenBench, server: TokenServer) -> None:
    await one.log_in(server)
    one.sources.change(NAME, SourceChange(token="by-hand"))
    one.clock.advance(365 * DAY)
    assert await one.token() == "by-hand"
    assert (one.source.refresh_token, one.source.client_secret, one.source.token_expires_at) == (None, None, None)


async def test_a_token_set_by_hand_during_a_refresh_is_not_undone_by_it(
    one: TokenBench, other: TokenBench, server: TokenServer
) -> None:
    await one.log_in(server)
    server.before_answer = lambda: other.sources.change(NAME, SourceChange(token="by-hand")) and None
    one.clock.advance(11 * DAY)
    assert await one.token() == "by-hand"
    assert one.source.refresh_token is None


# --- nothing is lost between the answer and the database ---


async def test_a_database_that_is_locked_when_the_answer_comes_loses_nothing(
    one: TokenBench, other: TokenBench, server: TokenServer
) -> None:
    await one.log_in(server)
    one.clock.advance(11 * DAY)
    locked = other.database.write()
    server.before_answer = lambda: locked.__enter__() and None
    with pytest.raises(DatabaseUnavailable):
        await one.token()
    locked.__exit__(None, None, None)
    assert await other.token() == "access-1"
    assert one.source.refresh_token == "refresh-1"
    assert len(server.asked) == 1


async def test_without_room_for_the_answer_the_provider_is_not_asked(one: TokenBench, server: TokenServer) -> None:
    await one.log_in(server)
    one.clock.advance(11 * DAY)
    in_the_way = one.home / "tokens" / f"{NAME}.renewed.part"
    in_the_way.mkdir()
    assert await one.token() == "access-0"
    assert server.asked == []
    assert "cannot be kept" in one.told()[0]
    in_the_way.rmdir()
    one.clock.advance(HOUR)
    assert await one.token() == "access-1"


async def test_a_disk_that_fails_as_the_answer_comes_leaves_it_to_the_database(
    one: TokenBench, server: TokenServer
) -> None:
    await one.log_in(server)
    one.clock.advance(11 * DAY)
    server.before_answer = (one.home / "tokens" / f"{NAME}.renewed").unlink
    assert await one.token() == "access-1"
    assert one.source.refresh_token == "refresh-1"


def _killed(home: Path, when: str) -> None:
    """Refresh in a process that kills itself at that moment."""
    bench = TokenBench(home, ManualClock(START + 11 * DAY))

    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    match when:
        case "before the answer is kept":
            bench.safe.keep = kill  # type: ignore[method-assign]
        case "before it is in the database":
            bench.sources.alter = kill  # type: ignore[method-assign, assignment]
        case "before the file goes":
            bench.safe.clear = kill  # type: ignore[method-assign]
    asyncio.run(bench.token())


@pytest.mark.parametrize("when", ["before it is in the database", "before the file goes"])
async def test_a_kill_once_the_answer_is_on_the_disk_loses_nothing(
    one: TokenBench, server: TokenServer, home: Path, when: str
) -> None:
    await one.log_in(server)
    assert await asyncio.to_thread(run, _killed, home, when) == KILLED
    one.clock.advance(11 * DAY)
    assert await one.token() == "access-1"
    assert one.source.refresh_token == "refresh-1"
    assert len(server.asked) == 1
    one.clock.advance(11 * DAY)
    assert await one.token() == "access-2"
    assert [path.name for path in (home / "tokens").iterdir()] == [f"{NAME}.lock"]


async def test_a_kill_before_that_costs_nothing_where_the_refresh_token_stays(
    one: TokenBench, server: TokenServer, home: Path
) -> None:
    server.replaces = False
    await one.log_in(server)
    assert await asyncio.to_thread(run, _killed, home, "before the answer is kept") == KILLED
    one.clock.advance(11 * DAY)
    assert await one.token() == "access-2"


async def test_a_kill_before_that_leaves_days_to_log_in_where_the_refresh_token_was_replaced(
    one: TokenBench, server: TokenServer, home: Path
) -> None:
    await one.log_in(server)
    assert await asyncio.to_thread(run, _killed, home, "before the answer is kept") == KILLED
    one.clock.advance(11 * DAY)
    assert await one.token() == "access-0"
    assert "invalid_grant" in one.told()[0]
    one.clock.advance(2 * DAY)
    assert await one.token() == "access-0"


# --- a token that the provider refuses ---


async def test_a_token_refused_between_two_pages_is_refreshed_once_and_the_same_page_asked_again(
    one: TokenBench, server: TokenServer
) -> None:
    await one.log_in(server)
    one.clock.advance(HOUR)
    async with Provider(one.clock, token="access-0") as provider:
        ended = START - 2 * HOUR
        provider.records = [Call(organization(number), ended) for number in range(283)]

        def expire(page: int) -> None:
            provider.token = "access-1" if page == 2 else provider.token

        provider.before_page = expire
        async with PartnerClient(provider.base, one.tokens.token_for(NAME), one.clock, LIMITS) as client:
            counts = await client.counts(Period(ended, ended + timedelta(minutes=30)))
    assert len(counts) == 283
    assert provider.tokens_seen == ["access-0", "access-0", "access-1"]
    assert len(server.asked) == 1


async def test_a_provider_that_refuses_also_the_new_token_is_believed(one: TokenBench, server: TokenServer) -> None:
    await one.log_in(server)
    one.clock.advance(HOUR)
    period = Period(START - 2 * HOUR, START - HOUR)
    async with Provider(one.clock, token="another") as provider:
        for _ in range(3):
            async with PartnerClient(provider.base, one.tokens.token_for(NAME), one.clock, LIMITS) as client:
                with pytest.raises(ProviderRefused):
                    await client.counts(period)
    assert provider.tokens_seen == ["access-0", "access-1", "access-1", "access-1"]
    assert len(server.asked) == 1


async def test_after_the_clock_was_set_back_a_refused_token_is_refreshed_all_the_same(
    one: TokenBench, server: TokenServer
) -> None:
    one.clock.advance(DAY)
    await one.log_in(server)
    one.clock.set_back(DAY)
    give = one.tokens.token_for(NAME)
    assert await give("access-0") == "access-1"

    server.number = 7  # its refresh token is not known there
    one.clock.advance(DAY + HOUR)
    with pytest.raises(TokenRefused):
        await give("access-1")
    one.clock.set_back(DAY)
    with pytest.raises(TokenRefused):
        await give("access-1")
    assert len(server.asked) == 3


async def test_a_refused_token_that_cannot_be_refreshed_is_the_providers_word(one: TokenBench) -> None:
    one.sources.add(NAME, SourceChange(token="by-hand"))
    async with (
        Provider(one.clock, token="another") as provider,
        PartnerClient(provider.base, one.tokens.token_for(NAME), one.clock, LIMITS) as client,
    ):
        with pytest.raises(ProviderRefused):
            await client.counts(Period(START - 2 * HOUR, START - HOUR))
    assert provider.tokens_seen == ["by-hand"]
