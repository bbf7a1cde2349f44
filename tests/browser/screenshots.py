"""Makes the pictures of the documents anew: `python -m tests.browser.screenshots FOLDER`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser, Page

from tests.browser.browsing import chromium, opened
from tests.browser.gallery import Gallery, open_gallery
from tests.browser.gallery_pages import PAGES
from tests.browser.ledger_gallery import LEDGER_PAGES, open_ledger_gallery

_WIDE: dict[str, Any] = {"viewport": {"width": 1100, "height": 820}}
_PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}

_TALL: dict[str, Any] = {"viewport": {"width": 1100, "height": 1010}}

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "setup-form": ("filled-in", _TALL),
    "setup-refused": ("refused", _TALL),
    "setup-review": ("review", _TALL),
    "setup-rotation": ("set", _TALL),
    "deliveries": ("deliveries", _WIDE),
    "deliveries-off": ("deliveries-off", _WIDE),
    "delivery": ("delivery", _WIDE),
    "deliveries-phone": ("deliveries", _PHONE),
    "consent": ("consent", _WIDE),
    "tokens": ("tokens", _TALL),
}
"""The name of a file, the page in it and the window."""

_BROAD: dict[str, Any] = {"viewport": {"width": 1280, "height": 1280}}
_DARK: dict[str, Any] = {"viewport": {"width": 1280, "height": 1250}, "color_scheme": "dark"}

LEDGER_PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "ledger": ("ledger", _BROAD),
    "ledger-organization": ("ledger-organization", _DARK),
    "ledger-hour": ("ledger-hour", _BROAD),
    "ledger-phone": ("ledger", _PHONE | {"viewport": {"width": 390, "height": 1500}}),
    "trace": ("trace", _WIDE),
}
"""The same of a collector's ledger."""

_END = "() => Math.ceil(document.querySelector('footer').getBoundingClientRect().bottom) + 12"


async def main(folder: Path) -> None:
    """What a window shows of each page."""
    with TemporaryDirectory() as home:
        async with chromium() as browser:
            async with open_gallery(Path(home) / "publisher") as gallery:
                await _take(browser, gallery, PAGES, PICTURES, folder)
            async with open_ledger_gallery(Path(home) / "collector") as gallery:
                await _take(browser, gallery, LEDGER_PAGES, LEDGER_PICTURES, folder)


async def _take(
    browser: Browser,
    gallery: Gallery,
    pages: Mapping[str, Callable[[Page], Awaitable[None]]],
    pictures: Mapping[str, tuple[str, dict[str, Any]]],
    folder: Path,
) -> None:
    for name, (shown, window) in pictures.items():
        async with opened(browser, gallery.address, **window) as page:
            await pages[shown](page)
            await page.evaluate("() => document.activeElement.blur()")
            await page.evaluate("() => window.scrollTo(0, 0)")
            end = await page.evaluate(_END)
            height = min(end, window["viewport"]["height"])
            clip = {"x": 0, "y": 0, "width": window["viewport"]["width"], "height": height}
            await page.screenshot(path=folder / f"{name}.png", clip=clip)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
