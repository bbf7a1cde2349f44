"""A real Chromium: how it is started, how a page is walked by keyboard, and what is measured in a page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser.installation import PASSWORD

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def require_chromium() -> None:
    """Raises AssertionError when it is not installed."""
    assert CHROMIUM.exists(), f"{CHROMIUM} is missing; `apt-get install chromium` installs it, and so does ./dev test"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The system's own, without a window."""
    require_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(browser: Browser, address: str, **options: Any) -> AsyncIterator[Page]:
    """A page of a window of its own, with scripts switched off unless told otherwise."""
    usual: dict[str, Any] = {
        "base_url": address,
        "java_script_enabled": False,
        "viewport": {"width": 1100, "height": 800},
    }
    context: BrowserContext = await browser.new_context(**(usual | options))
    context.set_default_timeout(10_000)
    yield await context.new_page()
    await context.close()


async def sign_in(page: Page, email: str) -> None:
    """By the form."""
    await page.goto("/sign-in")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    async with page.expect_navigation():
        await page.get_by_role("button", name="Sign in").click()


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control that a screen reader calls so has the focus. Raises AssertionError when none has."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate(_FOCUSED) == name:
            return
    raise AssertionError(f"Tab never comes to {name!r}")


async def enter(page: Page) -> None:
    """Press Enter and wait for the page that it leads to."""
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


_FOCUSED = """() => {
  const words = node => node.textContent.replace(/\\s+/g, ' ').trim();
  const at = document.activeElement;
  return at.labels?.length ? words(at.labels[0]) : words(at);
}"""

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
"""Pixels by which a page is wider than the window."""

UNLABELLED = """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
  .filter(at => !at.labels?.length && !at.ariaLabel).map(at => at.outerHTML)"""
"""Fields that a screen reader has no name for."""

HEADINGS = "() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(at => Number(at.tagName[1]))"
"""The levels of the headings, in their order."""

LANDMARKS = """() => [...document.querySelectorAll('nav, section, [role=region]')].map(at => {
  const named = at.getAttribute('aria-labelledby');
  return at.ariaLabel ?? document.getElementById(named)?.textContent.trim() ?? '';
})"""
"""What a screen reader's list of a page's regions has, by name."""

CLIPPED = """() => [...document.querySelectorAll('.wide, .heat-box')]
  .filter(at => at.scrollHeight > at.clientHeight + 1 && getComputedStyle(at).overflow !== 'visible').length"""
"""Boxes of which a part would be out of sight on paper."""

FAINT = """() => {
  const numbers = text => { const [r, g, b, a = 1] = text.match(/[0-9.]+/g).map(Number); return {r, g, b, a}; };
  const mixed = (top, under, name) => top[name] * top.a + under[name] * (1 - top.a);
  const over = (top, under) =>
    ({r: mixed(top, under, 'r'), g: mixed(top, under, 'g'), b: mixed(top, under, 'b'), a: 1});
  const curve = part => part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4;
  const channel = value => curve(value / 255);
  const light = ({r, g, b}) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const ground = at => {
    const colour = numbers(getComputedStyle(at).backgroundColor);
    if (colour.a === 1 || !at.parentElement) return colour.a ? colour : {r: 255, g: 255, b: 255, a: 1};
    return over(colour, ground(at.parentElement));
  };
  const found = [];
  const opacity = at => at ? Number(getComputedStyle(at).opacity) * opacity(at.parentElement) : 1;
  const note = (at, colour, text) => {
    const under = ground(at), ink = over({...colour, a: colour.a * opacity(at)}, under);
    const [dark, bright] = [light(ink), light(under)].sort((one, other) => one - other);
    const contrast = (bright + .05) / (dark + .05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${text}`);
  };
  for (const at of document.querySelectorAll('[placeholder]'))
    if (at.checkVisibility()) note(at, numbers(getComputedStyle(at, '::placeholder').color), at.placeholder);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const at = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
    if (!text || !at.checkVisibility() || getComputedStyle(at).clipPath !== 'none') continue;
    note(at, numbers(getComputedStyle(at).color), text);
  }
  return found;
}"""
"""Texts whose contrast with what is under them is below 4.5, the least for people who see badly (WCAG 2.2, 1.4.3)."""
