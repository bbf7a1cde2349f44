"""An administrator lets an integration in, in a real browser without scripts."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, RedirectResponse
from playwright.async_api import Browser, expect

from tests.browser.browsing import opened, sign_in, tab_to
from tests.browser.installation import Installation
from tests.support.server import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def callback() -> AsyncIterator[str]:
    """Where an integration gets its code; it leads the browser on to a page at another of its servers."""
    home, app = FastAPI(), FastAPI()

    @home.get("/welcome")
    def welcome() -> PlainTextResponse:
        return PlainTextResponse("Welcome to the app")

    async with serving(home) as its_home:

        @app.get("/callback")
        def got() -> RedirectResponse:
            return RedirectResponse(f"{its_home}/welcome")

        async with serving(app) as its_address:
            yield f"{its_address}/callback"


async def test_a_consent_by_keyboard_leads_to_the_integration_and_on_to_wherever_that_leads(
    browser: Browser, installation: Installation, callback: str
) -> None:
    email, _ = installation.administrator()
    async with opened(browser, installation.address) as page:
        await sign_in(page, email)
        await page.goto("/tokens")
        await page.get_by_text("Make an integration").click()
        await page.get_by_label("Name", exact=True).fill("The app")
        await page.get_by_label("Redirect addresses").fill(callback)
        await page.get_by_role("button", name="Make the integration").click()
        client_id = await page.locator(".secret").first.inner_text()
        asked = {"client_id": client_id, "redirect_uri": callback, "response_type": "code", "state": "x"}
        await page.goto(f"/v1/authorize?{urlencode(asked)}")
        await tab_to(page, "Allow")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Welcome to the app")).to_be_visible()
