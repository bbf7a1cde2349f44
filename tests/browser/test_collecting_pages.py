"""Alarms, sources and quarantine in a real browser without scripts: looked at, by keyboard, and on a telephone."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.browsing import OVERFLOW, enter, opened, tab_to
from tests.browser.collecting_gallery import COLLECTING_PAGES, EMPTY_PAGES, REFUSED, open_collecting_gallery
from tests.browser.gallery import Gallery
from tests.browser.test_how_pages_look import check

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "b7c1e0aa-6f52-4d9e-8a11-0c2f4d6e8a90"
"""A payload of which many records are in quarantine."""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def gallery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gallery]:
    """A collector in which much is not well."""
    async with open_collecting_gallery(tmp_path_factory.mktemp("collecting")) as pages:
        yield pages


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def empty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gallery]:
    """One in which there is nothing."""
    async with open_collecting_gallery(tmp_path_factory.mktemp("empty"), empty=True) as pages:
        yield pages


@pytest.mark.parametrize("width", [1280, 390, 360])
async def test_every_page_is_readable_and_fits(browser: Browser, gallery: Gallery, empty: Gallery, width: int) -> None:
    for where, pages in ((gallery, COLLECTING_PAGES), (empty, EMPTY_PAGES)):
        async with opened(browser, where.address, viewport={"width": width, "height": 800}) as page:
            for name, show in pages.items():
                await show(page)
                await check(page, f"{name} at {width} px")


async def test_from_the_loop_to_a_payload_in_quarantine_by_keyboard(browser: Browser, gallery: Gallery) -> None:
    async with opened(browser, gallery.address) as page:
        await page.goto("/?paused")
        await tab_to(page, "270 in quarantine")
        await enter(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Quarantine")
        await tab_to(page, LONG)
        outline = await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await enter(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"Payload {LONG}")
        await expect(page.get_by_role("row", name="Report time")).to_contain_text("130")
        await tab_to(page, "Quarantine")
        await enter(page)
        await tab_to(page, "Page 2 ›")
        await enter(page)
        await expect(page.get_by_role("navigation", name="Pages of payloads")).to_contain_text("Page 2 of 3")


async def test_from_a_source_to_what_to_do_about_it_by_keyboard(browser: Browser, gallery: Gallery) -> None:
    async with opened(browser, gallery.address) as page:
        await page.goto("/sources")
        await tab_to(page, "Access to the provider is about to end.")
        await enter(page)
        assert page.url.endswith("/alarms#token-expiring")
        section = page.get_by_role("region", name="Access to the provider is about to end")
        await expect(section).to_be_in_viewport()
        await expect(section).to_contain_text("First: cdrelay collector login NAME makes new tokens.")


async def test_a_screen_reader_hears_what_a_cell_is_of(browser: Browser, gallery: Gallery) -> None:
    async with opened(browser, gallery.address) as page:
        await page.goto("/quarantine")
        await expect(page.get_by_role("rowheader", name=LONG)).to_be_visible()
        await expect(page.get_by_role("columnheader", name="The first of them")).to_be_visible()
        await page.goto("/alarms")
        await expect(page.get_by_role("region", name="Deliveries have stopped").get_by_role("listitem")).to_have_count(
            2
        )
        await page.goto("/sources")
        await expect(page.get_by_role("region", name="second-region")).to_contain_text("ends in 1 day")


async def test_on_a_telephone_a_row_says_what_each_fact_is(browser: Browser, gallery: Gallery) -> None:
    phone = {"width": 390, "height": 844}
    async with opened(browser, gallery.address, viewport=phone, has_touch=True, is_mobile=True) as page:
        for path, name in (("/quarantine", "Received"), (f"/quarantine/{LONG}", "Records"), ("/alarms", "Raised")):
            await page.goto(path)
            shown = await page.locator(f"[data-name^={name}]").first.evaluate(
                "at => getComputedStyle(at, '::before').content"
            )
            assert name in shown
            assert await page.evaluate(OVERFLOW) <= 0


async def test_a_payload_is_found_where_its_record_is_traced(browser: Browser, gallery: Gallery) -> None:
    async with opened(browser, gallery.address) as page:
        await page.goto(f"/trace/{REFUSED}")
        await page.get_by_role("link", name="It is in quarantine").first.click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Payload")
