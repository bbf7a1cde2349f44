"""Pages with something of everything in them: for looking at them in tests, and for the pictures of the documents."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from playwright.async_api import Page

from cdrelay.callbacks.retry import Decision, Delivered, GiveUp, RetryAt, SwitchOff
from cdrelay.clock import ManualClock
from cdrelay.contract.windows import EPOCH, floor_to
from cdrelay.lake.spool import Envelope
from cdrelay.publisher.access.consent import Asked, Sender
from cdrelay.publisher.access.integrations import Integrations
from cdrelay.publisher.parties import CDR_SCOPE, Partner, Role
from cdrelay.settings import read_settings
from cdrelay.traffic import Plan, Traffic
from cdrelay.wiring import assemble, open_administrators, open_foundation
from cdrelay.wiring.access import open_oauth
from cdrelay.wiring.foundation import Foundation
from tests.browser.browsing import sign_in
from tests.browser.installation import PASSWORD
from tests.integration.hub.setup_bench import Office
from tests.support.passwords import CHEAP
from tests.support.server import serving

NOW = datetime(2026, 11, 24, 12, 0, 4, tzinfo=UTC)
TICK = timedelta(minutes=5)
APP = "https://billing.example.com/oauth/callback"
URL = "https://cdr.example.com/webex/records"


@dataclass(frozen=True)
class Gallery:
    """Where the pages are."""

    address: str


@asynccontextmanager
async def open_gallery(folder: Path) -> AsyncIterator[Gallery]:
    """Serve them until the block ends. It is 12:00 and stays so."""
    clock = ManualClock(NOW - timedelta(hours=30))
    settings = read_settings({}, home=folder / "home", sign_in_requests_per_minute=0)
    foundation = open_foundation(settings, clock, CHEAP)
    running = assemble(foundation, frozenset({"publisher", "hub"}))
    assert running.publisher is not None
    names = ("Example Reseller", "New Reseller", "Quiet Reseller")
    usual, new, off = (running.publisher.directory.add_partner(name) for name in names)
    office = Office(running, clock, "", usual, off)
    administrators = open_administrators(foundation)
    people: list[tuple[Partner, str, Role]] = [
        (usual, "Ada", "full"),
        (usual, "Rob", "read_only"),
        (new, "Nia", "full"),
        (off, "Olu", "full"),
        (usual, "Ben", "assigned"),
    ]
    for partner, name, role in people:
        administrators.add(partner.id, f"{name}@example.com", f"{name} Example", role, PASSWORD)
    _fill(office)
    _consents(foundation, office)
    async with serving(running.app) as address:
        yield Gallery(address)
    foundation.close()


def _fill(office: Office) -> None:
    """30 hours of windows: some late, one lost, an hour without any; two partners in trouble."""
    webhooks, clock, number = office.publisher.webhooks, office.clock, random.Random(7)
    webhooks.set(office.partner.id, URL, secret="first", alert_url="https://pager.example.com/hooks/cdr")
    while True:
        tick = floor_to(clock.now(), TICK)
        left = (NOW - tick) // TICK
        for one in office.window(tick, parts=2 if left == 5 else 1, records=number.randint(40, 1_900)):
            _attempts(office, one, left)
        if left == 40:
            webhooks.set(office.other.id, "https://listener.example.com/cdr")
        if 0 < left < 40:
            _attempts(office, office.window(tick, office.other, records=number.randint(10, 90))[0], 40)
        if clock.now() == NOW:
            break
        clock.advance(TICK * 13 if left == 92 else TICK)
    webhooks.set(office.partner.id, URL, secret="second", previous_valid_for=timedelta(hours=24), replace=True)
    (waiting,) = office.window(floor_to(NOW, TICK), office.other, records=71)
    gone = "the callback answered 410"
    office.attempt(waiting, SwitchOff(f"{gone}: it is gone"), gone)
    _calls(office)


def _consents(foundation: Foundation, office: Office) -> None:
    """An integration that everybody has let in, one that is revoked, and a token of the operator."""
    integrations, oauth = Integrations(foundation.database, office.clock), open_oauth(foundation)
    revoked, _ = integrations.add("Old dashboard", ["https://old.example.com/"], partner_id=office.partner.id)
    integrations.revoke(revoked.client_id)
    office.clock.advance(timedelta(milliseconds=1))
    app, _ = integrations.add("Nightly billing", [APP], [CDR_SCOPE, "spark:kms"], office.partner.id)
    sender = Sender(app, APP, None)
    for one in open_administrators(foundation).of_partner(office.partner.id):
        code = oauth.approve(sender, Asked(app.scopes, None, None), one)
        oauth.redeem(app, code, APP, "")
    office.publisher.directory.credentials.create_token(office.partner.id, "of the operator")


def _attempts(office: Office, one: str, left: int) -> None:
    busy, soon = "the callback answered 503", NOW + timedelta(seconds=41)
    tries: list[tuple[Decision, str, str]] = [(Delivered(), "delivered", "")]
    if left < 2:
        tries = [(RetryAt(soon, busy, soon), busy, '{"message":"down for maintenance, back at 12:10"}')] * (2 - left)
    elif left == 5:
        tries.insert(0, (RetryAt(soon, "x", soon), "no connection to the callback within 5 seconds", ""))
    elif left == 150:
        tries = [(GiveUp("x"), "the callback answered 500", "<html><body><h1>Internal Server Error</h1></body></html>")]
    for decision, outcome, answer in tries:
        office.attempt(one, decision, outcome, answer)


def _calls(office: Office) -> None:
    """Of today, so that there is something to count before a webhook is saved."""
    directory, store, traffic = office.publisher.directory, office.publisher.store, Traffic(Plan(organizations=12))
    for organization in traffic.organizations:
        directory.add_organization(organization.uuid, organization.name, office.partner.id, starts_at=EPOCH)
    records = list(traffic.records(1_500, NOW - timedelta(hours=9), NOW - timedelta(hours=8)))
    envelope = Envelope(id="calls", source="gallery", channel="intake", received=NOW)
    store.spool.put(envelope, b'{"items":[' + b",".join(records) + b"]}")
    store.loader.drain()


def _shows(name: str, path: str) -> Callable[[Page], Awaitable[None]]:
    async def show(page: Page) -> None:
        await _as(page, name)
        await page.goto(path)

    return show


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
    await page.get_by_role("button", name="Review").click()


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
    await page.get_by_role("button", name="Review").click()


async def _tested(page: Page) -> None:
    await _review(page)
    await page.get_by_role("button", name="Send a test delivery").click()


async def _delivery(page: Page) -> None:
    await _as(page, "Ada")
    await page.goto("/deliveries")
    await page.locator(".windows summary").first.click()
    await page.get_by_role("link", name="All about this delivery").first.click()


async def _sign_in(page: Page) -> None:
    await page.context.clear_cookies()
    await page.goto("/sign-in")


async def _wrong_password(page: Page) -> None:
    await _sign_in(page)
    await page.get_by_label("E-mail address").fill("ada@example.com")
    await page.get_by_label("Password").fill("not hers")
    await page.get_by_role("button", name="Sign in").click()


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
    await page.get_by_role("button", name="Make a token").click()


async def _token_refused(page: Page) -> None:
    await _as(page, "Ada")
    await page.goto("/tokens")
    await page.locator("summary").click()
    await page.get_by_label("Name", exact=True).fill("Dashboard")
    await page.get_by_label("Redirect addresses").fill("http://dashboard.example.com/back")
    await page.get_by_role("button", name="Make the integration").click()


PAGES: Mapping[str, Callable[[Page], Awaitable[None]]] = {
    "first": _shows("Nia", "/setup"),
    "filled-in": _filled_in,
    "refused": _refused,
    "no-deliveries": _shows("Nia", "/deliveries"),
    "set": _shows("Ada", "/setup"),
    "review": _review,
    "tested": _tested,
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
    "assigned": _shows("Ben", "/tokens"),
    "forbidden": _shows("Ben", "/deliveries"),
    "nowhere": _shows("Ada", "/token"),
}
"""How each page comes to be shown, in a window that scripts are switched off in."""
