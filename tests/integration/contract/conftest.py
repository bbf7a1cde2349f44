"""The whole app, all roles, over real HTTP in a thread, on a clock that stands still."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import pytest

from cdrelay.clock import ManualClock
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.windows import EPOCH
from cdrelay.lake.spool import Envelope
from cdrelay.publisher.access.consent import Asked, Sender
from cdrelay.publisher.access.integrations import Integrations
from cdrelay.publisher.access.operator_keys import OperatorKeys
from cdrelay.publisher.directory.licences import Licences
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.directory.relations import Relations
from cdrelay.settings import read_settings
from cdrelay.traffic import Plan, Traffic
from cdrelay.wiring import Foundation, Running, assemble, open_administrators, open_foundation, open_oauth
from tests.support.ledger_builder import HOUR, LedgerBuilder, org
from tests.support.server import serving

REDIRECT_URI = "https://reader.example.com/back"
NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
CERTIFIED = org(1)
"""An organization in the ledger."""


@dataclass(frozen=True)
class Whole:
    """The app and what lets a client in."""

    running: Running
    address: str
    token: str
    intake_key: str
    operator_key: str
    organizations: tuple[str, ...]
    entries: Mapping[str, str]
    """One of each kind in the directory, by the name of the kind."""
    record: Mapping[str, Any]
    client_id: str
    client_secret: str
    refresh_token: str

    @property
    def client(self) -> dict[str, str]:
        """How the integration says who it is."""
        return {"client_id": self.client_id, "client_secret": self.client_secret}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """With a partner, its customers, their records of the last two hours, a source, and no limit on questions."""
    settings = read_settings(
        {},
        home=tmp_path_factory.mktemp("whole") / "home",
        disk_reserve_bytes=0,
        history_first_requests_per_minute=0,
        history_page_requests_per_minute=0,
        token_renewals_per_hour=0,
    )
    foundation = open_foundation(settings, ManualClock(NOW))
    running = assemble(foundation, frozenset({"publisher", "collector", "hub"}))
    assert running.publisher is not None
    assert running.collector is not None
    running.collector.sources.add("provider", SourceChange())
    ledger_of(running)
    directory, traffic = running.publisher.directory, Traffic(Plan(organizations=3, shaped=False))
    partner = directory.add_partner("Reseller")
    for one in traffic.organizations:
        directory.add_organization(one.uuid, partner_id=partner.id, starts_at=EPOCH)
    records = traffic.records(300, NOW - timedelta(hours=2), NOW)
    envelope = Envelope(id="d9b1e6a0-0000-4000-8000-000000000001", source="test", channel="intake", received=NOW)
    running.publisher.store.spool.put(envelope, b'{"items":[' + b",".join(records) + b"]}")
    running.publisher.store.loader.drain()
    administrators, integrations = open_administrators(foundation), Integrations(foundation.database, foundation.clock)
    administrator = administrators.add(
        partner.id, "admin@example.com", "Ada Example", "full", "a-long-password-of-hers"
    )
    integration, secret = integrations.add("Reader", [REDIRECT_URI])
    oauth = open_oauth(foundation)
    code = oauth.approve(Sender(integration, REDIRECT_URI, None), Asked(integration.scopes, None, None), administrator)
    with served(running) as address:
        yield Whole(
            running,
            address,
            directory.credentials.create_token(partner.id),
            directory.credentials.create_intake_key(),
            OperatorKeys(foundation.database, foundation.clock).create(),
            tuple(one.uuid for one in traffic.organizations),
            entries(foundation, "kept", NOW),
            json.loads(next(iter(traffic.records(1, NOW - timedelta(minutes=20), NOW)))),
            integration.client_id,
            secret,
            oauth.redeem(integration, code, REDIRECT_URI, "").refresh_token,
        )
    foundation.close()


def ledger_of(running: Running) -> None:
    """An organization's hours, so that there is something to certify."""
    collector = running.collector
    assert collector is not None
    builder = LedgerBuilder(running.foundation.database, collector.store.spool, collector.store.loader)
    hours = (NOW - number * HOUR for number in range(2, 6))
    builder.rows({"source": "provider", "org_uuid": CERTIFIED, "window_start": start} for start in hours)


def passing(foundation: Foundation, kind: str) -> str:
    """A new entry that may be removed, of a partner of its own: one that goes takes along what is theirs."""
    # What has begun is ended and not removed.
    return entries(foundation, str(uuid4()), NOW + timedelta(days=1))[kind]


def entries(foundation: Foundation, name: str, since: datetime) -> dict[str, str]:
    """A partner of that name with a customer, and all that the directory can hold of the two, from `since` on."""
    database, clock = foundation.database, foundation.clock
    directory = Directory(database, clock)
    partner, org = directory.add_partner(name).id, directory.add_organization(str(uuid5(NAMESPACE_OID, name))).org_uuid
    holder = str(uuid5(NAMESPACE_OID, f"{name} holder"))
    administrator = open_administrators(foundation).add(partner, f"{name}@example.com", "Bea Example", "read_only")
    return {
        "partners": partner,
        "organizations": org,
        "relations": Relations(database, clock).add(partner, org, starts_at=since).id,
        "licences": Licences(database, clock).add(partner, org, holder, starts_at=since).id,
        "administrators": administrator.id,
    }


@contextmanager
def served(running: Running) -> Iterator[str]:
    """Serve it in a thread of its own, since the tests that ask are not asynchronous; its address."""
    ready: Future[str] = Future()
    loop, done = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with serving(running.app) as address:
            ready.set_result(address)
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield ready.result(60)
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()
