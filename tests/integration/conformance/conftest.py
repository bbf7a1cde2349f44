"""Our own halves behind real HTTP for the kit to check."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI

from cdrelay.clock import SystemClock
from cdrelay.collector.sources import SourceChange
from cdrelay.conformance.deliverer import Pace
from cdrelay.contract.windows import EPOCH
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from cdrelay.traffic import Plan, Traffic
from cdrelay.wiring import Running, assemble, open_foundation
from tests.support.homes import prepared
from tests.support.server import serving

SECRET = "a-secret-for-this-test"
QUICK = Pace(pause_seconds=0.01)
"""The provider in a hurry: as large a body as ever, shorter rests."""
ORGANIZATIONS = 4
RECORDS = 300


@dataclass(frozen=True)
class Ours:
    """The running app, where it listens, and a partner's token."""

    running: Running
    address: str
    token: str

    @property
    def webhook(self) -> str:
        """Where the source `provider`, which signs, delivers."""
        return f"{self.address}/webhooks/provider"


@asynccontextmanager
async def ours_on(
    home: Path, compress: float = 1, change: Callable[[FastAPI], None] = lambda app: None
) -> AsyncIterator[Ours]:
    """Both halves on a fresh home, the publisher with records of the last two hours; no loop is running.

    `change` may put a fault into the app before it is served.
    """
    settings = read_settings(
        {"CDRELAY_HOME": str(prepared(home))},
        compress=compress,
        disk_reserve_bytes=0,
        # At the speed of the contract the history APIs take one question a minute.
        history_first_requests_per_minute=0 if compress == 1 else 1,
        # The kit listens without TLS, on this machine.
        allow_http_callbacks=True,
        allow_callbacks_to_private_addresses=True,
    )
    foundation = open_foundation(settings, SystemClock())
    running = assemble(foundation, frozenset({"publisher", "collector", "hub"}))
    assert running.publisher is not None
    assert running.collector is not None
    running.collector.sources.add("provider", SourceChange(secret=SECRET))
    running.collector.sources.add("unsigned", SourceChange())
    token = store_records(running)
    change(running.app)
    async with serving(running.app) as address:
        yield Ours(running, address, token)
    foundation.close()


def store_records(running: Running) -> str:
    """Records of a partner's customers, in the publisher's lake; returns the partner's token."""
    publisher, rules = running.publisher, running.foundation.settings.rules
    assert publisher is not None
    traffic = Traffic(Plan(organizations=ORGANIZATIONS, shaped=False))
    partner = publisher.directory.add_partner("Reseller")
    for organization in traffic.organizations:
        publisher.directory.add_organization(organization.uuid, partner_id=partner.id, starts_at=EPOCH)
    now = running.foundation.clock.now()
    records = traffic.records(RECORDS, now - 2 * rules.count_span, now)
    publisher.store.spool.put(
        Envelope(id="d9b1e6a0-0000-4000-8000-000000000001", source="test", channel="intake", received=now),
        b'{"items":[' + b",".join(records) + b"]}",
    )
    publisher.store.loader.drain()
    return publisher.directory.credentials.create_token(partner.id)


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Ours]:
    """Our own halves, at the speed of the contract."""
    async with ours_on(tmp_path / "home") as one:
        yield one
