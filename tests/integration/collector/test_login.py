"""A source's first tokens: our publisher as the provider, a scripted browser, once the command as a real process."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from cryptography.fernet import Fernet

from cdrelay.clock import ManualClock
from cdrelay.collector.errors import LoginRefused, TokenRefused
from cdrelay.collector.login import Login, redirect_uri
from cdrelay.collector.sources import Source, SourceChange
from cdrelay.collector.token_exchange import TokenClient
from tests.integration.collector.token_bench import DAY, NAME, START, TokenBench
from tests.integration.publisher.oauth_bench import PASSWORD, Office, opened
from tests.support.collector_shell import CollectorShell, Done
from tests.support.process import free_port
from tests.support.token_server import APPLICATION, BEARER, CLIENT_ID, CLIENT_SECRET, TokenServer
from tests.support.visitor import visiting

ORG = "11111111-2222-4333-8444-555555555555"


class Desk:
    """A collector's home with a source, and its command line."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._shell = CollectorShell(home)

    async def start(self, *words: str, **environment: str) -> Process:
        """A command under way, in a process of its own."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CDRELAY_", "WEBEX_"))}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cdrelay", "collector", *words,
            env=own | {"CDRELAY_HOME": str(self._home), "NO_COLOR": "1"} | environment,
            stdin=PIPE, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip

    async def run(self, *words: str, stdin: str = "", **environment: str) -> Done:
        """A command to its end, in this process."""
        return await asyncio.to_thread(self._shell.run, *words, stdin=stdin, **environment)

    async def shown(self) -> Any:
        """What may be shown of the source."""
        return await asyncio.to_thread(self._shell.json, "source", "show", NAME)


@pytest.fixture
def one(tmp_path: Path, migrated: Path) -> Iterator[TokenBench]:
    """What the collector's process has; the source has no tokens yet."""
    home = tmp_path / "collector"
    home.mkdir()
    copyfile(migrated, home / "control.db")
    bench = TokenBench(home, ManualClock(START))
    bench.sources.add(NAME, SourceChange())
    yield bench
    bench.database.close()


@pytest.fixture
def desk(one: TokenBench) -> Desk:
    return Desk(one.home)


@asynccontextmanager
async def provider(tmp_path: Path, port: int) -> AsyncIterator[Office]:
    """Our publisher, at which the login's redirect address is registered."""
    async with opened(tmp_path / "publisher", redirect=redirect_uri(port)) as office:
        yield office


@asynccontextmanager
async def logging_in(
    one: TokenBench, office: Office, port: int, secret: str = "", wait_seconds: float = 30
) -> AsyncIterator[tuple[asyncio.Task[Source], str]]:
    """A login that waits for the browser, and the address to open."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    client = TokenClient(
        token_url=f"{office.address}/v1/access_token",
        client_id=office.app.client_id,
        client_secret=secret or office.secret,
    )
    waiting = asyncio.create_task(
        Login(one.tokens, one.exchange).by_consent(
            NAME,
            client,
            authorize_url=f"{office.address}/v1/authorize",
            scope="spark-admin:calling_cdr_read",
            port=port,
            wait_seconds=wait_seconds,
            show=address.set_result,
        )
    )
    try:
        await asyncio.wait({waiting, address}, return_when=asyncio.FIRST_COMPLETED)
        yield waiting, await address if not waiting.done() else ""
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def decided(office: Office, address: str, decision: str) -> str:
    """A person opens that address, signs in and decides; where the browser is sent to."""
    async with visiting(office.address) as visitor:
        turned = await visitor.get(address)
        form = (await visitor.get(turned.location)).form("/sign-in")
        entered = await visitor.send(form, email="ada@example.com", password=PASSWORD)
        return (await office.ask(visitor, entered.location, decision)).location


async def page(address: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as browser, browser.get(address) as answer:
        return answer.status, await answer.text()


async def test_a_person_consents_in_a_browser_and_the_source_has_tokens_that_read_records(
    one: TokenBench, tmp_path: Path
) -> None:
    port = free_port()
    async with provider(tmp_path, port) as office, logging_in(one, office, port) as (waiting, address):
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (asked["redirect_uri"], asked["code_challenge_method"]) == (redirect_uri(port), "S256")
        assert office.secret not in address
        status, words = await page(await decided(office, address, "approve"))
        assert (status, "Go back to the terminal" in words) == (200, True)
        source = await waiting
        assert (source.renewable, source.client_id) == (True, office.app.client_id)
        assert await office.reads(await one.token()) != 401
        assert await office.reads("another") == 401
        one.clock.advance(13 * DAY)
        office.clock.advance(13 * DAY)
        renewed = await one.token()
        assert renewed != source.token
        assert await office.reads(renewed) != 401
        with pytest.raises(aiohttp.ClientError):
            await page(redirect_uri(port))


async def test_an_answer_to_another_question_is_refused_and_the_login_goes_on(one: TokenBench, tmp_path: Path) -> None:
    port = free_port()
    async with provider(tmp_path, port) as office, logging_in(one, office, port) as (waiting, address):
        for stranger in ("?code=stolen&state=guessed", "?code=stolen", "?error=access_denied&state="):
            assert (await page(redirect_uri(port) + stranger))[0] == 400
        assert not waiting.done()
        await page(await decided(office, address, "approve"))
        assert (await waiting).token is not None


async def test_a_refusal_in_the_browser_changes_nothing(one: TokenBench, tmp_path: Path) -> None:
    port = free_port()
    async with provider(tmp_path, port) as office, logging_in(one, office, port) as (waiting, address):
        assert (await page(await decided(office, address, "refuse")))[0] == 200
        with pytest.raises(LoginRefused, match="has refused"):
            await waiting
    assert one.source.token is None


async def test_a_client_secret_that_is_wrong_is_said_and_not_repeated(one: TokenBench, tmp_path: Path) -> None:
    port = free_port()
    async with provider(tmp_path, port) as office, logging_in(one, office, port, "a-wrong-one") as (waiting, address):
        await page(await decided(office, address, "approve"))
        with pytest.raises(TokenRefused, match="invalid_client") as refused:
            await waiting
    assert "a-wrong-one" not in str(refused.value)
    assert one.source.token is None


async def test_it_does_not_wait_for_ever_nor_on_a_port_that_is_taken(one: TokenBench, tmp_path: Path) -> None:
    port = free_port()
    async with provider(tmp_path, port) as office:
        async with logging_in(one, office, port, wait_seconds=0.2) as (waiting, _):
            with pytest.raises(LoginRefused, match="nobody consented"):
                await waiting
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
        async with server, logging_in(one, office, port) as (waiting, _):
            with pytest.raises(LoginRefused, match=f"port {port}"):
                await waiting


async def test_the_command_as_a_process_shows_the_address_and_ends_with_tokens(desk: Desk, tmp_path: Path) -> None:
    port = free_port()
    async with provider(tmp_path, port) as office:
        process = await desk.start(
            "login", NAME, "--client-id", office.app.client_id, "--redirect-port", str(port),
            "--authorize-url", f"{office.address}/v1/authorize", "--token-url", f"{office.address}/v1/access_token",
            WEBEX_CLIENT_SECRET=office.secret,
        )  # fmt: skip
        assert process.stdout is not None
        address = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        await page(await decided(office, address, "approve"))
        _, told = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, told
    assert redirect_uri(port) in told.decode()
    assert office.secret not in told.decode()
    shown = await desk.shown()
    assert (shown["token"], shown["refreshable"], shown["token_problem"]) == (True, True, None)
    assert shown["path"] == "/webhooks/webex"
    assert shown["token_expires_at"] < shown["refresh_expires_at"]


async def test_tokens_are_pasted_and_the_refresh_token_is_tried_before_it_is_kept(desk: Desk) -> None:
    async with TokenServer() as server:
        words = ("login", NAME, "--paste", "--client-id", CLIENT_ID, "--token-url", server.token_url, "--json")
        wrong = await desk.run(*words, stdin=f"access-0\nrefresh-9\n{CLIENT_SECRET}\n")
        assert (wrong.status, "invalid_grant" in wrong.told, "refresh-9" in wrong.told) == (1, True, False)
        assert (await desk.shown())["token"] is False
        right = await desk.run(*words, stdin=f"access-0\nrefresh-0\n{CLIENT_SECRET}\n")
        assert right.status == 0, right
        shown = json.loads(right.out)
        assert (shown["refreshable"], shown["token_url"]) == (True, server.token_url)
        # Again, as when tokens ran out: the client is known by now.
        again = await desk.run("login", NAME, "--paste", stdin=f"\n{server.refresh_token}\n")
        assert again.status == 0, again
    assert not [word for word in ("access-", "refresh-1", CLIENT_SECRET) if word in f"{right} {again}"]


async def test_a_login_replaces_tokens_that_cannot_be_opened(one: TokenBench, desk: Desk) -> None:
    async with TokenServer() as server:
        words = ("login", NAME, "--paste", "--client-id", CLIENT_ID, "--token-url", server.token_url)
        assert (await desk.run(*words, stdin=f"access-0\nrefresh-0\n{CLIENT_SECRET}\n")).status == 0
        (one.home / "secret.key").write_bytes(Fernet.generate_key())
        # The client's id is known by now, and its secret is asked for again.
        again = await desk.run("login", NAME, "--paste", stdin=f"\n{server.refresh_token}\n{CLIENT_SECRET}\n")
    assert again.status == 0, again
    assert "could not be opened, and replaced: token, client secret, refresh token\n" in again.told
    assert ((await desk.shown())["refreshable"], (await desk.shown())["unreadable"]) == (True, None)


async def test_an_access_token_alone_is_taken_with_a_warning(desk: Desk) -> None:
    done = await desk.run("login", NAME, "--paste", WEBEX_ACCESS_TOKEN="a", WEBEX_REFRESH_TOKEN="")
    assert (done.status, "cannot be refreshed" in done.told) == (0, True)
    assert (await desk.shown())["token"] is True
    assert (await desk.run("login", NAME, "--paste", stdin="\n\n")).status == 1


async def test_a_service_app_gets_its_tokens(desk: Desk) -> None:
    async with TokenServer() as server:
        words = (
            "login", NAME, "--service-app", APPLICATION, "--target-org", ORG, "--client-id", CLIENT_ID,
            "--applications-url", f"{server.address}/v1/applications", "--token-url", server.token_url,
        )  # fmt: skip
        refused = await desk.run(*words, stdin=f"{CLIENT_SECRET}\nanother-bearer\n")
        assert (refused.status, "another-bearer" in refused.told) == (1, False)
        done = await desk.run(*words, WEBEX_CLIENT_SECRET=CLIENT_SECRET, WEBEX_APPLICATIONS_TOKEN=BEARER)
        assert done.status == 0, done
    # The encoded form, as FACTS section 6 has it: base64 of ciscospark://us/ORGANIZATION/ and the UUID.
    assert server.asked[-1]["targetOrgId"].startswith("Y2lzY29zcGFyazovL3VzL09SR0FOSVpBVElPTi8")
    shown = await desk.shown()
    assert (shown["refreshable"], shown["client_id"]) == (True, CLIENT_ID)


@pytest.mark.parametrize(
    "words",
    [
        ("--paste", "--service-app", "a", "--target-org", ORG),
        ("--service-app", "a"),
        ("--service-app", "../a", "--target-org", ORG, "--client-id", "c"),
        ("--service-app", "a", "--target-org", "nobody", "--client-id", "c"),
        ("--client-id", "c", "--token-url", "http://example.com/v1/access_token"),
        ("--client-id", "c", "--authorize-url", "ftp://example.com/"),
        (),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anything_is_asked(desk: Desk, words: tuple[str, ...]) -> None:
    done = await desk.run("login", NAME, *words, WEBEX_CLIENT_SECRET="s", WEBEX_APPLICATIONS_TOKEN="b")
    assert (done.status, "--" in done.told) == (2, True)
