"""The pages of the gallery and how each is come to: for tests, and for the pictures of the documents."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

from playwright.async_api import Page

from tests.browser.browsing import sign_in
from tests.browser.gallery import APP, URL
from tests.browser.installation import PASSWORD


def _shows(name: str, path: str) -> Callable[[Page], Awaitable[None]]:
    async def show(page: Page) -> None:
        await _as(page, name)
        await page.goto(path)

    return show


async def _press(page: Page, name: str) -> None:
    """Send a form, and be at the page that it leads to."""
    async with page.expect_navigation():
        await page.get_by_role("button", name=name).first.click()


async def _as(page: Page, name: str) -> None:
    """Be at the set-up page as that person."""
    await page.goto("/setup")
    if await page.locator(".who", has_text=f"{name} Example").count():
        return
    await page.context.clear_cookies()
    await sign_in(page, f"{name}@example.com")


async def _refused(page: Page) -> None:
    await _as(page, "Nia")
    await page.get_by_label("Callback URL").fill("https://user:word@cdr.example.com/")
    await page.get_by_label("Secret token").fill(" typed with a space")
    await page.get_by_label("Billing").check()
    await _press(page, "Review")


async def _filled_in(page: Page) -> None:
    await _as(page, "Nia")
    await page.get_by_label("Callback URL").fill(URL)
    await page.get_by_label("Secret token").fill("not shown")
    await page.get_by_label("Analytics").check()


async def _review(page: Page) -> None:
    await _as(page, "Ada")
    await page.get_by_label("New secret token").fill("not shown")
    await page.get_by_label("the old one stays valid").select_option("for 24 hours")
    await page.get_by_label("Billing").check()
    await _press(page, "Review")


async def _conflict(page: Page) -> None:
    """Somebody else has saved since the form was opened."""
    await _as(page, "Ada")
    await page.locator("input[name=seen]").evaluate("field => { field.value = 'of before'; }")
    await _press(page, "Review")


async def _tested(page: Page) -> None:
    await _review(page)
    await _press(page, "Send a test delivery")


async def _delivery(page: Page) -> None:
    await _as(page, "Ada")
    await page.goto("/deliveries")
    await page.locator(".windows summary").first.click()
    async with page.expect_navigation():
        await page.get_by_role("link", name="All about this delivery").first.click()


async def _sign_in(page: Page) -> None:
    await page.context.clear_cookies()
    await page.goto("/sign-in")


async def _wrong_password(page: Page) -> None:
    await _sign_in(page)
    await page.get_by_label("E-mail address").fill("ada@example.com")
    await page.get_by_label("Password").fill("not hers")
    await _press(page, "Sign in")


async def _consent(page: Page) -> None:
    await _as(page, "Ada")
    await page.goto("/tokens")
    client_id = await page.locator(".long code").first.inner_text()
    asked = {"client_id": client_id, "redirect_uri": APP, "response_type": "code", "state": "x"}
    await page.goto(f"/v1/authorize?{urlencode(asked)}")


async def _token_made(page: Page) -> None:
    await _as(page, "Ada")
    await page.goto("/tokens")
    await page.get_by_label("Label", exact=True).fill("Nightly report of all calls to the data warehouse")
    await _press(page, "Make a token")


async def _token_revoked(page: Page) -> None:
    await _as(page, "Nia")
    await page.goto("/tokens")
    await page.get_by_label("Label", exact=True).fill("Of a program that is gone")
    await _press(page, "Make a token")
    await page.locator("summary", has_text="Revoke").first.click()
    await _press(page, "Revoke")


async def _not_changed(page: Page) -> None:
    await _as(page, "Ada")
    await page.goto("/password")
    await page.get_by_label("Password so far").fill(PASSWORD)
    await page.get_by_label("New password", exact=True).fill("one long password")
    await page.get_by_label("New password again").fill("another long password")
    await _press(page, "Change it")


async def _session_ended(page: Page) -> None:
    """Its form was sent too late."""
    await _as(page, "Rob")
    await page.goto("/tokens")
    cookies = await page.context.cookies()
    await page.context.add_cookies([{**one, "value": "of a session that has ended"} for one in cookies])  # type: ignore[typeddict-item]
    await page.get_by_label("Label", exact=True).fill("Too late")
    await _press(page, "Make a token")


async def _token_refused(page: Page) -> None:
    await _as(page, "Ada")
    await page.goto("/tokens")
    await page.get_by_text("Make an integration").click()
    await page.get_by_label("Name", exact=True).fill("Dashboard")
    await page.get_by_label("Redirect addresses").fill("http://dashboard.example.com/back")
    await _press(page, "Make the integration")


PAGES: Mapping[str, Callable[[Page], Awaitable[None]]] = {
    "first": _shows("Nia", "/setup"),
    "filled-in": _filled_in,
    "refused": _refused,
    "no-deliveries": _shows("Nia", "/deliveries"),
    "set": _shows("Ada", "/setup"),
    "review": _review,
    "tested": _tested,
    "conflict": _conflict,
    "remove": _shows("Ada", "/setup/remove"),
    "deliveries": _shows("Ada", "/deliveries"),
    "failed": _shows("Ada", "/deliveries?state=failed"),
    "delivery": _delivery,
    "unknown": _shows("Ada", "/deliveries/nothing"),
    "off": _shows("Olu", "/setup"),
    "deliveries-off": _shows("Olu", "/deliveries"),
    "read-only": _shows("Rob", "/setup"),
    "sign-in": _sign_in,
    "not-signed-in": _wrong_password,
    "loop": _shows("Ada", "/?paused"),
    "password": _shows("Ada", "/password"),
    "consent": _consent,
    "refused-consent": _shows("Ada", "/v1/authorize?client_id=nobody"),
    "tokens": _shows("Ada", "/tokens"),
    "token-made": _token_made,
    "token-refused": _token_refused,
    "no-tokens": _shows("Nia", "/tokens"),
    "token-revoked": _token_revoked,
    "not-changed": _not_changed,
    "session-ended": _session_ended,
    "long-names": _shows("Lou", "/setup"),
    "long-names-review": _shows("Lou", "/setup/remove"),
    "long-names-tokens": _shows("Lou", "/tokens"),
    "assigned": _shows("Ben", "/tokens"),
    "forbidden": _shows("Ben", "/deliveries"),
    "nowhere": _shows("Ada", "/token"),
}
"""How each page comes to be shown, in a window that scripts are switched off in."""
