"""The ledger in a real browser without scripts: looked at, walked by keyboard, and on a telephone."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.browsing import enter, opened, tab_to
from tests.browser.gallery import Gallery
from tests.browser.ledger_gallery import LEDGER_PAGES, SHORT, open_ledger_gallery
from tests.browser.test_how_pages_look import check

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def gallery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gallery]:
    """A collector with 120 organizations: two pages."""
    async with open_ledger_gallery(tmp_path_factory.mktemp("ledger"), organizations=120) as pages:
        yield pages


@pytest.mark.parametrize("width", [1280, 360])
async def test_every_page_of_the_ledger_is_readable_and_fits(browser: Browser, gallery: Gallery, width: int) -> None:
    async with opened(browser, gallery.address, viewport={"width": width, "height": 800}) as page:
        for name, show in LEDGER_PAGES.items():
            await show(page)
            await check(page, f"{name} at {width} px")


async def test_from_the_map_to_a_record_by_keyboard(browser: Browser, gallery: Gallery) -> None:
    async with opened(browser, gallery.address) as page:
        await page.goto("/ledger?state=short")
        await focus_cell(page, "short")
        await enter(page)
        await expect(page.get_by_role("heading", level=1)).to_contain_text("2026-11-22 17:00 to 18:00 UTC")
        await tab_to(page, "Hour after ›")
        await enter(page)
        await tab_to(page, "Hour after ›")
        await enter(page)
        await expect(page.locator(".verdict")).to_contain_text("short")
        await page.locator("section:last-of-type th a").first.focus()
        await enter(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("The way of a record")
        await expect(page.locator(".way")).to_contain_text("Its hour was compared: short")


async def focus_cell(page: Page, mark: str) -> None:
    """Press Tab until a cell of that mark has the focus, and see that the focus shows."""
    for _ in range(120):
        await page.keyboard.press("Tab")
        if await page.evaluate("() => document.activeElement.className") == mark:
            outline = await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
            return
    raise AssertionError(f"Tab never comes to a cell that is {mark}")


@pytest.mark.parametrize("path", ["/ledger", f"/ledger/webex/{SHORT}"])
async def test_who_tabs_gets_past_the_map_at_once(browser: Browser, gallery: Gallery, path: str) -> None:
    async with opened(browser, gallery.address) as page:
        await page.goto(path)
        await tab_to(page, "Past the map")
        await expect(page.get_by_role("link", name="Past the map")).to_be_in_viewport()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert await page.evaluate("() => !document.activeElement.closest('.heat-box')")
        assert await page.evaluate("() => document.activeElement !== document.body")


async def test_a_screen_reader_hears_organization_time_and_state_of_a_cell(browser: Browser, gallery: Gallery) -> None:
    async with opened(browser, gallery.address) as page:
        await page.goto("/ledger?state=short")
        cell = page.locator("td a.short").first
        await expect(cell).to_have_accessible_name("short: 89 of 96 stored")
        await expect(page.locator("tbody .whose").first).to_have_role("rowheader")
        await expect(page.locator("tbody .whose").first).to_contain_text(SHORT[:8])
        await expect(page.get_by_role("columnheader", name="17").first).to_be_visible()
        await expect(page.get_by_role("table", name="Organizations by time")).to_be_visible()


async def test_on_a_telephone_the_map_scrolls_in_its_box_and_the_names_stay(browser: Browser, gallery: Gallery) -> None:
    phone = {"width": 360, "height": 760}
    async with opened(browser, gallery.address, viewport=phone, has_touch=True, is_mobile=True) as page:
        await page.goto("/ledger")
        box = page.locator(".heat-box")
        await box.evaluate("box => { box.scrollLeft = 500; box.scrollTop = 300; }")
        name, head = page.locator("tbody .whose").nth(20), page.locator("thead .whose")
        corner = await box.bounding_box()
        at, over = await name.bounding_box(), await head.bounding_box()
        assert corner
        assert at
        assert over
        assert abs(at["x"] - corner["x"]) < 3
        assert 0 <= over["y"] - corner["y"] < 40
        size = await page.locator("td a").first.bounding_box()
        assert size
        assert min(size["width"], size["height"]) >= 24  # WCAG 2.2, 2.5.8


@pytest.mark.parametrize("width", [1280, 360])
async def test_every_cell_is_large_enough_to_be_hit(browser: Browser, gallery: Gallery, width: int) -> None:
    """WCAG 2.2, 2.5.8: 24 px. What does not fit scrolls in its box; the page does not."""
    async with opened(browser, gallery.address, viewport={"width": width, "height": 800}) as page:
        for path in ("/ledger", f"/ledger/webex/{SHORT}"):
            await page.goto(path)
            sizes = await page.eval_on_selector_all(
                ".heat td > a, .heat .whose > a",
                "links => links.map(link => link.getBoundingClientRect()).map(box => Math.min(box.width, box.height))",
            )
            assert len(sizes) > 40
            assert min(sizes) >= 24
            assert await page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


async def test_the_filter_finds_an_organization_by_how_its_id_begins(browser: Browser, gallery: Gallery) -> None:
    async with opened(browser, gallery.address) as page:
        await page.goto("/ledger")
        await page.get_by_label("Organization", exact=True).fill(SHORT[:5])
        await page.get_by_label("Period").select_option("a week")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator("tbody .whose")).to_have_count(1)
        await expect(page.locator("tbody td a, tbody td span.ahead")).to_have_count(28)
        await page.get_by_role("link", name="‹ Earlier").click()
        await expect(page.get_by_label("Organization", exact=True)).to_have_value(SHORT[:5])


async def test_a_certificate_is_downloaded_from_the_page(browser: Browser, gallery: Gallery) -> None:
    async with opened(browser, gallery.address) as page:
        await page.goto(f"/ledger/webex/{SHORT}")
        await page.get_by_label("From").fill("2026-11-22")
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="PDF").click()
        download = await downloading.value
        assert download.suggested_filename == f"completeness-{SHORT}-20261122T0000-20261124T0000.pdf"
        assert (await download.path()).read_bytes().startswith(b"%PDF-")
