"""A publisher with its pages, an administrator and an integration, and what a developer's program sends it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import aiohttp

from cdrelay.clock import ManualClock
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH
from cdrelay.lake.spool import Envelope
from cdrelay.publisher.access.administrators import Administrators
from cdrelay.publisher.access.integrations import Integration, Integrations
from cdrelay.publisher.parties import CDR_SCOPE, Administrator, Partner, Role
from cdrelay.settings import read_settings
from cdrelay.wiring import PublisherParts, Running, assemble, open_administrators, open_foundation
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START
from tests.support.homes import prepared
from tests.support.lake_builder import document
from tests.support.passwords import CHEAP
from tests.support.server import serving
from tests.support.visitor import Seen, Visitor, visiting

PASSWORD = "correct horse battery"
REDIRECT = "https://app.example/callback?of=app"
VERIFIER = "v" * 43
HOUR = {"startTime": write_time(START - timedelta(hours=1)), "endTime": write_time(START - timedelta(minutes=10))}


@dataclass
class Office:
    """The running publisher, and who and what is in it."""

    running: Running
    publisher: PublisherParts
    clock: ManualClock
    address: str
    partner: Partner
    administrators: Administrators
    integrations: Integrations
    ada: Administrator
    app: Integration
    secret: str

    def administrator(self, email: str, role: Role, partner: Partner | None = None, **more: Any) -> Administrator:
        """Another one, with the password of all."""
        return self.administrators.add((partner or self.partner).id, email, email, role, PASSWORD, **more)

    def query(self, **changed: str | None) -> str:
        """Where the program sends a browser; None leaves a parameter out."""
        given = {
            "client_id": self.app.client_id,
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": CDR_SCOPE,
            "state": "of & in",
        } | changed
        return "/v1/authorize?" + urlencode({name: text for name, text in given.items() if text is not None})

    async def ask(self, visitor: Visitor, path: str, decision: str = "approve") -> Seen:
        """The visitor decides; the answer is the redirect to the program."""
        page = await visitor.get(path)
        assert page.status == 200, page
        return await visitor.send(page.form("/v1/authorize"), decision=decision)

    async def code(self, email: str = "ada@example.com", **changed: str | None) -> str:
        """That of a consent given by somebody who signs in for it."""
        async with visiting(self.address) as visitor:
            await visitor.sign_in(email, PASSWORD)
            return answered(await self.ask(visitor, self.query(**changed)))["code"]

    async def post(
        self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send a form; status, decoded body, headers."""
        async with (
            aiohttp.ClientSession(self.address) as client,
            client.post(path, data=fields, headers=headers) as answer,
        ):
            return answer.status, await answer.json() if answer.content_length else None, answer.headers

    async def tokens(self, **fields: str | None) -> tuple[int, Any]:
        """Ask `/v1/access_token`; None leaves a field out."""
        given = {"client_id": self.app.client_id, "client_secret": self.secret} | fields
        status, body, _ = await self.post(
            "/v1/access_token", {name: text for name, text in given.items() if text is not None}
        )
        return status, body

    async def redeem(self, code: str, /, **fields: str | None) -> tuple[int, Any]:
        """Tokens for a code."""
        return await self.tokens(
            **({"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | fields)
        )

    async def refresh(self, refresh_token: str, /, **fields: str | None) -> tuple[int, Any]:
        """A new access token."""
        return await self.tokens(**({"grant_type": "refresh_token", "refresh_token": refresh_token} | fields))

    async def granted(self, email: str = "ada@example.com", **changed: str | None) -> Any:
        """Tokens, by the whole way."""
        status, body = await self.redeem(await self.code(email, **changed))
        assert status == 200, body
        return body

    async def get(self, path: str, token: str, params: Mapping[str, str]) -> tuple[int, Any]:
        """Ask for records."""
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(self.address) as client,
            client.get(path, params=params, headers=headers) as answer,
        ):
            return answer.status, await answer.json()

    async def reads(self, token: str, org: str = ORG) -> int:
        """The status that a question for an organization's records gets."""
        return (await self.get("/v1/partners/cdrsbyorg", token, HOUR | {"orgId": org}))[0]


def answered(seen: Seen) -> dict[str, str]:
    """What a redirect tells the program."""
    assert seen.status == 303, seen
    return {name: values[0] for name, values in parse_qs(urlsplit(seen.location).query).items()}


def store(office: Office, *records: dict[str, str]) -> None:
    """Take in and load."""
    envelope = Envelope(id=str(uuid4()), source="test", channel="intake", received=office.clock.now())
    office.publisher.store.spool.put(envelope, document(records))
    office.publisher.store.loader.drain()


@asynccontextmanager
async def opened(
    home: Path, certificate: Path | None = None, redirect: str = REDIRECT, **more: Any
) -> AsyncIterator[Office]:
    """A partner with two customers, and a full administrator."""
    settings = read_settings(
        {},
        home=prepared(home),
        disk_reserve_bytes=0,
        sign_in_requests_per_minute=0,
        history_first_requests_per_minute=0,
        partner_requests_per_minute=0,
        **more,
    )
    clock = ManualClock(START)
    foundation = open_foundation(settings, clock, CHEAP)
    running = assemble(foundation, frozenset({"publisher", "hub"}))
    publisher = running.publisher
    assert publisher is not None
    partner = publisher.directory.add_partner("Reseller")
    for org in (ORG, OTHER_ORG):
        publisher.directory.add_organization(org, partner_id=partner.id, starts_at=EPOCH)
    administrators = open_administrators(foundation)
    integrations = Integrations(foundation.database, clock)
    app, secret = integrations.add("Billing app", [redirect], [CDR_SCOPE, "spark:kms"], partner.id)
    ada = administrators.add(partner.id, "ada@example.com", "Ada", "full", PASSWORD)
    async with serving(running.app, certificate) as address:
        yield Office(running, publisher, clock, address, partner, administrators, integrations, ada, app, secret)
    foundation.close()
