"""A publisher on a home folder of its own: real database, spool, lake, outbox and HTTP; a clock moved by hand."""

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import aiohttp
from aiohttp.abc import AbstractResolver
from fastapi import FastAPI

from cdrelay.callbacks.client import CallbackClient, CallbackLimits
from cdrelay.clock import ManualClock
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH
from cdrelay.lake.spool import Envelope
from cdrelay.publisher.alerts.alerts import Alerts
from cdrelay.publisher.api.backlog import Backlog
from cdrelay.publisher.api.partner_api import partner_router
from cdrelay.publisher.api_errors import install_error_handlers
from cdrelay.publisher.delivery.cuts import Cuts
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.delivery.preparing import Preparation
from cdrelay.publisher.delivery.recording import Attempts
from cdrelay.publisher.delivery.resending import Resending
from cdrelay.publisher.delivery.sending import Sender
from cdrelay.publisher.delivery.spreading import Spreader
from cdrelay.publisher.delivery.ticks import Ticker
from cdrelay.publisher.delivery.webhooks import Webhooks
from cdrelay.publisher.directory.entitlement import Entitlement
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.intake.routes import intake_router
from cdrelay.publisher.intake.taking import Intake
from cdrelay.publisher.parties import Partner
from cdrelay.publisher.sources.limits import IntakeLimits
from cdrelay.publisher.sources.record_sources import RecordSources
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation, open_store, retry_policy
from tests.support.homes import prepared
from tests.support.server import serving

START = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
ORG = "11111111-2222-4333-8444-555555555555"
OTHER_ORG = "99999999-2222-4333-8444-555555555555"


def report_id(name: object) -> str:
    """The Report ID of the record that a test calls so."""
    return str(uuid5(NAMESPACE_OID, str(name)))


def record(name: object, ended: datetime, org: str = ORG, **more: str) -> dict[str, str]:
    """A record as it is on the wire."""
    times = {"Report time": write_time(ended), "Release time": write_time(ended)}
    return {"Report ID": report_id(name), "Org UUID": org, **times, "Call type": "SIP_INTERNATIONAL", **more}


def ids(body: bytes) -> list[str]:
    """The Report IDs in a delivery or an answer."""
    return [one["Report ID"] for one in json.loads(body)["items"]]


class Bench:
    """The publisher's parts. `again()` gives fresh ones on the same home folder, as after a kill."""

    def __init__(self, home: Path, clock: ManualClock, **settings: Any) -> None:
        self.home, self.clock, self._settings = home, clock, settings
        self.settings = read_settings({}, home=prepared(home), **settings)
        self.foundation = open_foundation(self.settings, clock)
        self.store = open_store(self.foundation, "publisher")
        database = self.foundation.database
        self.incidents = self.foundation.incidents
        self.directory = Directory(database, clock)
        self.record_sources = RecordSources(database, self.foundation.secrets, clock)
        self.webhooks = Webhooks(
            database, self.foundation.secrets, clock, allow_http_callbacks=self.settings.allow_http_callbacks
        )
        self.entitlement = Entitlement(database)
        self.outbox = Outbox(database, home / "publisher" / "outbox", clock)
        self.cuts = Cuts(database)
        self.alerts = Alerts(database, clock, by_mail=bool(self.settings.mail_server))

    def again(self) -> "Bench":
        """As after a restart."""
        self.close()
        return Bench(self.home, self.clock, **self._settings)

    def close(self) -> None:
        """Close what is open."""
        self.foundation.close()

    def partner(self, name: str = "Reseller", organizations: Iterable[str] = (ORG,)) -> Partner:
        """A partner with organizations that have always been its customers."""
        partner = self.directory.add_partner(name)
        for org in organizations:
            self.directory.add_organization(org, partner_id=partner.id, starts_at=EPOCH)
        return partner

    def hook(self, partner: Partner, url: str = "https://callback.example/", secret: str | None = None) -> None:
        """A webhook that is older than the next tick."""
        self.webhooks.set(partner.id, url, secret=secret)
        self.clock.advance(timedelta(milliseconds=1))

    def spool(self, *records: dict[str, str]) -> None:
        """Records that were acknowledged and are not loaded."""
        envelope = Envelope(id=str(uuid4()), source="test", channel="intake", received=self.clock.now())
        self.store.spool.put(envelope, json.dumps({"items": records}).encode())

    def ticker(self, *, send_empty: bool = True, per_post: int = 5_000, **parts: Any) -> Ticker:
        """A ticker; `parts` replaces some of what it stands on."""
        real = {
            "cuts": self.cuts,
            "lake": self.store.lake,
            "loader": self.store.loader,
            "webhooks": self.webhooks,
            "outbox": self.outbox,
            "incidents": self.incidents,
            "clock": self.clock,
            "rules": replace(self.settings.rules, records_per_post=per_post),
        }
        of = real | parts
        spreader = Spreader(
            of["lake"], self.entitlement, of["outbox"], self.clock, of["rules"], send_empty_windows=send_empty
        )
        return Ticker(spreader=spreader, **of)

    def resending(self) -> Resending:
        """Sends windows again."""
        spreader = Spreader(
            self.store.lake, self.entitlement, self.outbox, self.clock, self.settings.rules, send_empty_windows=True
        )
        return Resending(self.cuts, spreader, self.outbox, self.webhooks, self.clock, self.settings.rules)

    def advance(self, **step: float) -> None:
        """Move the clock."""
        self.clock.advance(timedelta(**step))

    def bodies(self) -> dict[datetime, list[bytes]]:
        """What lies in the outbox: the bodies of each tick, in the order of their parts."""
        found: dict[datetime, list[bytes]] = {}
        for one in sorted(self.outbox.latest(1_000), key=lambda one: (one.tick, one.partner_id, one.part)):
            found.setdefault(one.tick, []).append(self.outbox.read_body(one.id))
        return found

    @asynccontextmanager
    async def sender(
        self,
        *,
        slots: int = 8,
        connect_seconds: float = 5,
        answer_seconds: float = 15,
        resolver: AbstractResolver | None = None,
        jitter: Callable[[], float] = lambda: 1.0,
        attempts: Attempts | None = None,
    ) -> AsyncIterator[Sender]:
        """A sender over real HTTP."""
        settings = self.settings
        attempts = attempts or Attempts(self.foundation.database, self.clock, self.alerts)
        async with self.callbacks(
            resolver, connect_seconds=connect_seconds, answer_seconds=answer_seconds
        ) as callbacks:
            yield Sender(
                outbox=self.outbox,
                attempts=attempts,
                preparation=Preparation(self.outbox, self.webhooks, attempts, sha256=settings.sign_sha256),
                callbacks=callbacks,
                incidents=self.incidents,
                clock=self.clock,
                policy=retry_policy(settings),
                slots=slots,
                jitter=jitter,
            )

    def callbacks(
        self, resolver: AbstractResolver | None = None, *, connect_seconds: float = 5, answer_seconds: float = 15
    ) -> CallbackClient:
        """What deliveries and alerts go through."""
        settings = self.settings
        limits = CallbackLimits(
            connect_seconds,
            total_seconds=30,
            allow_http=settings.allow_http_callbacks,
            allow_private=settings.allow_callbacks_to_private_addresses,
            answer_seconds=answer_seconds,
        )
        return CallbackClient(limits, resolver)

    def backlog(self, load: Callable[[], object] | None = None) -> Backlog:
        """What waits to be loaded; `load` is in the loader's place."""
        return Backlog(self.store.spool, load or self.store.loader.drain, self.clock, self.settings.rules.settle)

    def app(self) -> FastAPI:
        """The HTTP interface of the publisher."""
        app, settings = FastAPI(), self.settings
        limits = IntakeLimits(
            settings.body_limit_bytes, settings.unpacked_limit_bytes, timedelta(days=400), timedelta(hours=1)
        )
        intake = Intake(self.store.spool, limits)
        app.include_router(intake_router(self.directory, intake, self.clock, self.record_sources.pushing))
        app.include_router(
            partner_router(
                self.directory, self.entitlement, self.store.lake, self.backlog(), self.clock, settings.rules
            )
        )
        install_error_handlers(app)
        return app


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[aiohttp.ClientSession]:
    """The app behind a real server on a free port, and a client for it."""
    async with serving(app) as address, aiohttp.ClientSession(address) as client:
        yield client
