"""An administrator sets a webhook in a real browser without scripts, and sees what becomes of its deliveries."""

import asyncio
import re
import time
from collections.abc import Callable

import pytest
from playwright.async_api import Browser, Page, expect

from cdrelay.contract.signature import SIGNATURE_HEADER, verify
from tests.browser.browsing import enter, opened, sign_in, tab_to
from tests.browser.installation import PASSWORD, Installation
from tests.support.callback import Answer, Callback, Request

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def arrived(callback: Callback, holds: Callable[[Request], bool], seconds: float = 15) -> Request:
    """The first request that is so; waits for it. Raises AssertionError when none comes."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := next((one for one in callback.requests if holds(one)), None):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not among {len(callback.requests)} requests within {seconds} s")


def delivery(request: Request) -> bool:
    """Whether it is one, and no test."""
    return "X-Cdrelay-Test" not in request.headers


def signed_with(secret: str) -> Callable[[Request], bool]:
    """Whether a delivery is."""
    return lambda one: delivery(one) and verify((secret,), one.body, one.headers.get(SIGNATURE_HEADER))


async def test_a_webhook_is_set_tested_and_saved_by_keyboard_alone_and_its_deliveries_arrive_signed(
    browser: Browser, installation: Installation, callback: Callback
) -> None:
    email, _ = installation.administrator()
    async with opened(browser, installation.address) as page:
        type_ = page.keyboard.type
        await page.goto("/setup")
        await expect(page.get_by_label("E-mail address")).to_be_focused()
        await type_(email)
        await tab_to(page, "Password")
        await type_(PASSWORD)
        await enter(page)
        await expect(page).to_have_title("Call Detail Records – cdrelay")

        await tab_to(page, "Callback URL")
        await type_(callback.url)
        await tab_to(page, "Secret token (optional)")
        await type_("by keyboard")
        await page.keyboard.press("Tab")
        await page.keyboard.press("ArrowDown")  # the second of the two resource types
        await page.keyboard.press("ArrowUp")
        await tab_to(page, "Review")
        await enter(page)

        await tab_to(page, "Send a test delivery")
        await enter(page)
        await expect(page.locator("#trial")).to_contain_text("It arrived: the callback answered 200.")
        tested = await arrived(callback, lambda one: not delivery(one))
        assert verify(("by keyboard",), tested.body, tested.headers[SIGNATURE_HEADER])

        await tab_to(page, "Save")
        await enter(page)
        await expect(page.get_by_role("status")).to_contain_text("Saved.")
        await expect(page.get_by_role("status")).to_be_focused()
        assert "by keyboard" not in await page.content()

        await arrived(callback, signed_with("by keyboard"))
        await tab_to(page, "See the deliveries")
        await enter(page)
        await expect(page.locator(".windows .state.delivered").first).to_be_visible()
        await again_by_keyboard(page, callback)


async def again_by_keyboard(page: Page, callback: Callback) -> None:
    """Open the newest window, go to its delivery, and have it sent again."""
    await page.locator(".windows li", has_text="delivered").first.locator("summary").focus()
    await page.keyboard.press("Enter")  # opens it; its link comes next
    await page.keyboard.press("Tab")
    await enter(page)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Delivery of")
    window = (await page.get_by_role("heading", level=1).inner_text()).split(" ")[3]
    await tab_to(page, "Send this window again")
    await enter(page)
    await expect(page.get_by_role("status")).to_contain_text("1 window is being sent again")
    await expect(page.locator(".windows li", has_text=window).filter(has_text="sent again")).to_have_count(1)
    seen: dict[str, int] = {}
    await arrived(callback, lambda one: seen_before(seen, one))


def seen_before(seen: dict[str, int], request: Request) -> bool:
    """Whether its window is one that came in another request."""
    start = request.headers.get("X-Cdrelay-Window-Start", "")
    return bool(start) and seen.setdefault(start, id(request)) != id(request)


async def test_a_secret_is_rotated_and_the_rotation_ended(
    browser: Browser, installation: Installation, callback: Callback
) -> None:
    email, _ = installation.administrator()
    async with opened(browser, installation.address) as page:
        await sign_in(page, email)
        await fill_in(page, callback, secret="old")
        await page.get_by_label("New secret token").fill("new")
        await page.get_by_label("the old one stays valid").select_option("for 24 hours")
        await page.get_by_role("button", name="Review").click()
        await expect(page.locator(".changed")).to_contain_text("a new secret; the old one stays valid for 24 hours")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator(".notice.warn")).to_contain_text("The old secret is valid too")
        callback.requests.clear()
        callback.answers.append(Answer(401))  # a listener that knows the old one only
        await arrived(callback, signed_with("new"))
        await arrived(callback, signed_with("old"))
        await page.locator("summary", has_text="End it now").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".ask")).to_contain_text("the old one is forgotten. This cannot be undone.")
        await tab_to(page, "End the old secret")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("no longer valid")
        await expect(page.locator(".notice.warn")).to_have_count(0)


async def test_after_a_switch_off_the_page_says_why_and_what_waited_is_sent_when_it_is_on_again(
    browser: Browser, installation: Installation, callback: Callback
) -> None:
    callback.otherwise = Answer(410, text="nobody here")
    email, _ = installation.administrator()
    async with opened(browser, installation.address) as page:
        await sign_in(page, email)
        await fill_in(page, callback)
        await arrived(callback, delivery)
        await until_shown(page, "/deliveries", "Deliveries are switched off")
        await expect(page.locator(".off")).to_contain_text("The callback answered 410")
        await expect(page.locator(".off")).to_contain_text("1 delivery waits.")
        callback.otherwise = Answer()
        callback.requests.clear()
        await page.get_by_role("button", name="Switch on").click()
        await expect(page.get_by_role("status")).to_contain_text("is on again")
        await arrived(callback, delivery)


async def test_a_refused_form_has_the_focus_at_what_is_refused(browser: Browser, installation: Installation) -> None:
    email, _ = installation.administrator()
    async with opened(browser, installation.address) as page:
        await sign_in(page, email)
        await page.get_by_label("Callback URL").fill("https://user:pass@callback.example.com/")
        await page.get_by_label("Analytics").check()
        await page.get_by_role("button", name="Review").click()
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was saved: 1 entry is refused")
        await page.get_by_role("link", name="Callback URL").click()
        await expect(page.get_by_label("Callback URL")).to_be_focused()
        description = re.compile("must hold no user name or password")
        await expect(page.get_by_label("Callback URL")).to_have_accessible_description(description)


async def fill_in(page: Page, callback: Callback, secret: str = "") -> None:
    """A first webhook."""
    await page.get_by_label("Callback URL").fill(callback.url)
    await page.get_by_label("Secret token").fill(secret)
    await page.get_by_label("Analytics").check()
    await page.get_by_role("button", name="Review").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_contain_text("Saved.")


async def until_shown(page: Page, path: str, text: str, seconds: float = 10) -> None:
    """Open a page again and again until it says so."""
    until = time.monotonic() + seconds
    await page.goto(path)
    while text not in await page.content():
        assert time.monotonic() < until, f"{path} does not say {text!r} within {seconds} s"
        await asyncio.sleep(0.1)
        await page.goto(path)
