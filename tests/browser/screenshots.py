"""Makes the pictures of docs/setup.md and docs/tokens.md anew: `python -m tests.browser.screenshots FOLDER`."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.browser.browsing import chromium, opened
from tests.browser.gallery import PAGES, open_gallery

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

_END = "() => Math.ceil(document.querySelector('footer').getBoundingClientRect().bottom) + 12"


async def main(folder: Path) -> None:
    """What a window shows of each page."""
    with TemporaryDirectory() as home:
        async with open_gallery(Path(home)) as gallery, chromium() as browser:
            for name, (shown, window) in PICTURES.items():
                async with opened(browser, gallery.address, **window) as page:
                    await PAGES[shown](page)
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
