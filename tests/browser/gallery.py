"""An installation with something of everything in it: its pages are in gallery_pages.py."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdrelay.callbacks.retry import Decision, Delivered, GiveUp, RetryAt, SwitchOff
from cdrelay.clock import ManualClock
from cdrelay.contract.windows import EPOCH, floor_to
from cdrelay.lake.spool import Envelope
from cdrelay.publisher.access.consent import Asked, Sender
from cdrelay.publisher.access.integrations import Integrations
from cdrelay.publisher.parties import CDR_SCOPE, Partner, Role
from cdrelay.settings import read_settings
from cdrelay.traffic import Plan, Traffic
from cdrelay.wiring import PublisherParts, assemble, open_administrators, open_foundation
from cdrelay.wiring.access import open_oauth
from cdrelay.wiring.foundation import Foundation
from tests.browser.installation import PASSWORD
from tests.integration.hub.setup_bench import Office
from tests.support.passwords import CHEAP
from tests.support.server import serving

NOW = datetime(2026, 11, 24, 12, 0, 4, tzinfo=UTC)
TICK = timedelta(minutes=5)
APP = "https://billing.example.com/oauth/callback"
URL = "https://cdr.example.com/webex/records"
LONG = "שיחות Ünïcødé 🎧📞 " + "W" * 120
"""A name that goes from right to left, has signs beyond the first plane, and nowhere to break."""


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
    names = ("Example Reseller", "New Reseller", "Quiet Reseller", LONG)
    usual, new, off, long = (running.publisher.directory.add_partner(name) for name in names)
    office = Office(running, clock, "", usual, off)
    administrators = open_administrators(foundation)
    people: list[tuple[Partner, str, Role]] = [
        (usual, "Ada", "full"),
        (usual, "Rob", "read_only"),
        (new, "Nia", "full"),
        (off, "Olu", "full"),
        (usual, "Ben", "assigned"),
        (long, "Lou", "full"),
    ]
    for partner, name, role in people:
        shown = f"{name} Example {LONG}" if partner is long else f"{name} Example"
        administrators.add(partner.id, f"{name}@example.com", shown, role, PASSWORD)
    _fill(office)
    _consents(foundation, office)
    _long_names(foundation, running.publisher, long)
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


def _long_names(foundation: Foundation, publisher: PublisherParts, partner: Partner) -> None:
    publisher.directory.credentials.create_token(partner.id, LONG[:100])
    Integrations(foundation.database, foundation.clock).add(LONG, [f"{APP}/{'w' * 150}"], partner_id=partner.id)
    publisher.webhooks.set(partner.id, f"{URL}/{'w' * 200}", alert_url=f"{APP}/{'w' * 200}")


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
