"""Every page about a webhook, as people with a small screen, bad eyes, or a screen reader have it."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.browsing import FAINT, HEADINGS, OVERFLOW, UNLABELLED, opened
from tests.browser.gallery import PAGES, Gallery, open_gallery

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def gallery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gallery]:
    """Pages with something of everything in them."""
    async with open_gallery(tmp_path_factory.mktemp("gallery")) as pages:
        yield pages


@pytest.mark.parametrize("width", [1280, 360])
async def test_every_page_is_readable_and_fits(browser: Browser, gallery: Gallery, width: int) -> None:
    async with opened(browser, gallery.address, viewport={"width": width, "height": 800}) as page:
        for name, show in PAGES.items():
            await show(page)
            await check(page, f"{name} at {width} px")


async def check(page: Page, where: str) -> None:
    """All that is measured in a page."""
    await page.evaluate("() => document.querySelectorAll('details').forEach(at => { at.open = true; })")
    assert await page.evaluate(OVERFLOW) <= 0, f"{where}: wider than the window"
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await page.evaluate(FAINT) == [], f"{where}, {scheme}"
    assert await page.evaluate(UNLABELLED) == [], where
    levels = await page.evaluate(HEADINGS)
    assert levels.count(1) == 1, f"{where}: {levels}"
    assert all(after <= before + 1 for before, after in pairwise(levels)), f"{where}: {levels}"
