"""One Chromium and one cdrelay process for all tests of the pages. Time is compressed: a tick is 5 seconds."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.browsing import chromium
from tests.browser.installation import Installation
from tests.support.callback import Callback


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser; fails with a word on how to get it when there is none."""
    async with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running publisher with its hub."""
    running = Installation(Path(tmp_path_factory.mktemp("browser")) / "home")
    yield running
    running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def callback() -> AsyncIterator[Callback]:
    """A partner's listener."""
    async with Callback() as listening:
        yield listening
