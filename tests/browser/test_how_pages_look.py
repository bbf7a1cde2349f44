"""Every page about a webhook, as people with a small screen, bad eyes, or a screen reader have it."""

import re
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.browsing import CLIPPED, FAINT, HEADINGS, LANDMARKS, OVERFLOW, UNLABELLED, opened
from tests.browser.gallery import Gallery, open_gallery
from tests.browser.gallery_pages import PAGES

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


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("refused", "alert"),
        ("conflict", "alert"),
        ("tested", "status"),
        ("token-refused", "alert"),
        ("token-revoked", "status"),
        ("not-changed", "alert"),
        ("forbidden", "alert"),
    ],
)
async def test_after_a_form_what_became_of_it_has_the_focus(
    browser: Browser, gallery: Gallery, name: str, role: Literal["alert", "status"]
) -> None:
    async with opened(browser, gallery.address) as page:
        await PAGES[name](page)
        await expect(page.get_by_role(role)).to_be_focused()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("not-signed-in", "The e-mail address or the password is wrong."),
        ("session-ended", "Your session had ended, so nothing of what you sent was done."),
    ],
)
async def test_the_field_that_has_the_focus_at_the_sign_in_says_what_is_wrong(
    browser: Browser, gallery: Gallery, name: str, said: str
) -> None:
    async with opened(browser, gallery.address) as page:
        await PAGES[name](page)
        await expect(page.locator("input:focus")).to_have_accessible_description(re.compile(said))


async def test_a_token_that_was_made_has_the_focus(browser: Browser, gallery: Gallery) -> None:
    async with opened(browser, gallery.address) as page:
        await PAGES["token-made"](page)
        await expect(page.get_by_role("region", name="is made")).to_be_focused()


async def check(page: Page, where: str) -> None:
    """All that is measured in a page."""
    await page.evaluate("() => document.querySelectorAll('details').forEach(at => { at.open = true; })")
    assert await page.evaluate(OVERFLOW) <= 0, f"{where}: wider than the window"
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await page.evaluate(FAINT) == [], f"{where}, {scheme}"
    await page.emulate_media(media="print")
    assert await page.evaluate(CLIPPED) == 0, f"{where}: not all of it would be printed"
    assert await page.locator("button:visible, form:visible, nav:visible").count() == 0, (
        f"{where}: what is pressed is on paper"
    )
    await page.emulate_media(media="screen")
    assert await page.evaluate(UNLABELLED) == [], where
    assert await page.locator("body > a.skip").count() == 1, where
    named = await page.evaluate(LANDMARKS)
    assert "" not in named, f"{where}: a region without a name"
    assert len(named) == len(set(named)), f"{where}: {named}"
    levels = await page.evaluate(HEADINGS)
    assert levels.count(1) == 1, f"{where}: {levels}"
    assert all(after <= before + 1 for before, after in pairwise(levels)), f"{where}: {levels}"
