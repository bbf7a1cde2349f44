"""What a browser and a program get where there is no page, or where one fails, over real HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from cdrelay.clock import ManualClock
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation
from cdrelay.wiring.foundation import Role
from tests.integration.hub.conftest import NOW, Answer
from tests.support.homes import prepared
from tests.support.server import serving


@pytest.fixture(params=["publisher", "collector"])
async def half(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """One half with its hub, one of whose pages fails: its name and address."""
    role: Role = request.param
    foundation = open_foundation(read_settings({}, home=prepared(tmp_path / "home")), ManualClock(NOW))
    running = assemble(foundation, frozenset({role, "hub"}))

    @running.app.get("/fails")
    def fails() -> None:
        raise ZeroDivisionError

    async with serving(running.app) as address:
        yield role, address
    foundation.close()


async def ask(address: str, **headers: str) -> Answer:
    """GET."""
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as answer:
        return Answer(answer.status, dict(answer.headers), await answer.text())


@pytest.mark.parametrize(
    ("path", "status", "said"), [("/nowhere", 404, "There is nothing at this address."), ("/fails", 500, "in the log")]
)
async def test_a_browser_gets_a_page_that_leads_on(half: tuple[str, str], path: str, status: int, said: str) -> None:
    role, address = half
    answer = await ask(address + path, Accept="text/html,*/*;q=0.8")
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert said in answer.text
    home = "/" if role == "collector" else "/sign-in"
    assert f'<p><a href="{home}">' in answer.text
    assert (await ask(address + home, Accept="text/html")).status == 200


async def test_a_program_gets_none(half: tuple[str, str]) -> None:
    _, address = half
    assert (await ask(f"{address}/nowhere")).json == {"detail": "Not Found"}
    failed = await ask(f"{address}/fails")
    assert (failed.status, failed.text) == (500, "Internal Server Error")
