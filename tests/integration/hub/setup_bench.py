"""A partner's office: a running publisher with its hub, administrators who sign in over real HTTP, and deliveries."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from argon2 import PasswordHasher

from cdrelay.callbacks.retry import Decision
from cdrelay.clock import ManualClock
from cdrelay.contract.windows import window_of_tick
from cdrelay.publisher.access.administrators import Administrators
from cdrelay.publisher.alerts.alerts import Alerts
from cdrelay.publisher.delivery.deliveries import Attempt, Delivery, delivery_id
from cdrelay.publisher.delivery.recording import Attempts, Judged
from cdrelay.publisher.errors import AdministratorUnknown
from cdrelay.publisher.parties import Partner, Role
from cdrelay.wiring import PublisherParts, Running
from tests.support.visitor import Seen, Visitor, visiting

PASSWORD = "correct horse battery"
_CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def words(seen: Seen) -> str:
    """The text of a page, with single spaces."""
    return " ".join(re.sub(r"<[^>]*>", "", seen.text).split())


def described_by(seen: Seen, field: str) -> str:
    """The text of what describes a field to a screen reader."""
    (tag,) = re.findall(rf'<(?:input|select|fieldset)[^>]* ?id="{field}"[^>]*>', seen.text)
    ids = re.findall(r'aria-describedby="([^"]*)"', tag)
    texts = [re.findall(rf'id="{one}"[^>]*>(.*?)</p>', seen.text, re.DOTALL) for one in " ".join(ids).split()]
    return " ".join(text for (text,) in texts)


@dataclass
class Office:
    """The running app, its clock, and two partners."""

    running: Running
    clock: ManualClock
    address: str
    partner: Partner
    other: Partner
    _made: dict[str, Delivery] = field(default_factory=dict)

    @property
    def publisher(self) -> PublisherParts:
        """The publisher half."""
        assert self.running.publisher is not None
        return self.running.publisher

    @asynccontextmanager
    async def signed_in(self, role: Role = "full", partner: Partner | None = None) -> AsyncIterator[Visitor]:
        """The browser of an administrator who has just signed in."""
        partner = partner or self.partner
        administrators = Administrators(self.running.foundation.database, self.clock, hasher=_CHEAP)
        email = f"{role}@{partner.id}.example.com"
        try:
            administrators.by_email(email)
        except AdministratorUnknown:
            administrators.add(partner.id, email, "Ada Example", role, PASSWORD)
        async with visiting(self.address) as visitor:
            await visitor.sign_in(email, PASSWORD)
            yield visitor

    def window(
        self, tick: datetime, partner: Partner | None = None, *, parts: int = 1, round_: int = 0, records: int = 10
    ) -> list[str]:
        """A window that was cut at a tick; the ids of its deliveries."""
        partner_id = (partner or self.partner).id
        made = [
            Delivery(
                id=delivery_id(partner_id, tick, part, round_),
                partner_id=partner_id,
                tick=tick,
                window=window_of_tick(tick, self.running.foundation.settings.rules),
                part=part,
                parts=parts,
                records=records,
                body_bytes=records * 2_300,
                round=round_,
                next_attempt_at=tick,
            )
            for part in range(1, parts + 1)
        ]
        self.publisher.outbox.add_windows([made])
        self._made |= {one.id: one for one in made}
        return [one.id for one in made]

    def attempt(self, delivery: str, decision: Decision, outcome: str = "delivered", answer: str = "") -> None:
        """A try at a delivery, now, and what follows from it."""
        database = self.running.foundation.database
        known = self._made.get(delivery) or next(one for one in self.publisher.outbox.latest() if one.id == delivery)
        said = re.search(r"[0-9]{3}$", outcome)
        status = 200 if outcome == "delivered" else int(said[0]) if said else None
        tried = Attempt(0, self.clock.now(), 12, status, outcome, answer)
        webhook = self.publisher.webhooks.get(known.partner_id)
        alerts = Alerts(database, self.clock, by_mail=False)
        Attempts(database, self.clock, alerts).record([Judged(known, tried, decision, webhook.url)])
