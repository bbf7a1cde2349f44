"""A collector in which much is not well: alarms, sources of every kind, and a quarantine; for tests of its pages."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from cdrelay.collector.aside import Aside
from cdrelay.collector.source_settings import SourceChange
from cdrelay.control.tables import alarms, compared_hours, sources
from cdrelay.lake.spool import Channel, Envelope
from cdrelay.wiring import Running
from tests.support.ledger_builder import HOUR, org, records_of

SECRET, TOKEN = "secret-of-the-webhook", "token-of-the-provider"
PERSON, NUMBER = "Ada Lovelace", "+15551234567"
OLD = "2025-06-01T00:00:00.000Z"
"""A Report time that is not plausible."""


class CollectingBuilder:
    """Puts into a process's collector what its loops would, at the moment `now`."""

    def __init__(self, running: Running, now: datetime) -> None:
        assert running.collector is not None
        self._collector = running.collector
        self._database = running.foundation.database
        self._aside = Aside(running.foundation.settings.home / "collector" / "aside")
        self._now = now

    def source(self, name: str, kind: str = "webhook", *, org_id: str | None = None, **columns: Any) -> None:
        """A source with secret, token and provider; `columns` are put into its row as they are."""
        signed = {"secret": SECRET, "feed_type": "analytics"} if kind == "webhook" else {"org_id": org_id}
        given = SourceChange(api="https://analytics.webexapis.com", token=TOKEN, **signed)
        self._collector.sources.add(name, given, kind)
        with self._database.write() as connection:
            connection.execute(update(sources).where(sources.c.name == name).values(created_at=self._now, **columns))

    def payload(self, name: str, records: Iterable[dict[str, Any]], received: datetime, *, source: str = "webex",
                channel: Channel = "webhook") -> None:  # fmt: skip
        """One of these records, loaded at the end."""
        envelope = Envelope(id=name, source=source, channel=channel, received=received)
        self._collector.store.spool.put(envelope, json.dumps({"items": list(records)}).encode())
        self._collector.store.loader.drain()

    def refused(self, name: str, broken: int, good: int = 0, *, source: str = "webex", received: datetime | None = None,
                **changed: Any) -> None:  # fmt: skip
        """A payload of records that can be stored and then some that cannot, which name a person."""
        person = {"User": PERSON, "Calling number": NUMBER}
        bad = [one | {"Report time": OLD} | person | changed for one in records_of(org(9), self._now - HOUR, broken)]
        stored = records_of(org(1), self._now - HOUR, good)
        self.payload(name, [*stored, *bad], received or self._now, source=source)

    def body(self, name: str, content: bytes, *, encoding: str = "", lines: bool = False) -> None:
        """A payload of this body, loaded or put aside at the end."""
        envelope = Envelope(
            id=name, source="webex", channel="webhook", received=self._now, content_encoding=encoding, lines=lines  # type: ignore[arg-type]
        )  # fmt: skip
        self._collector.store.spool.put(envelope, content)
        self._collector.store.loader.drain()

    def aside(self, name: str, content: bytes, received: datetime | None = None) -> None:
        """A body that was answered with 400."""
        envelope = Envelope(id=name, source="webex", channel="webhook", received=received or self._now)
        self._aside.keep(envelope, content)

    def alarm(self, kind: str, subject: str, what: str, raised: datetime, cleared: datetime | None = None) -> None:
        """One that stands, or is over."""
        row = {"kind": kind, "subject": subject, "what": what, "raised_at": raised, "seen_at": cleared or self._now}
        with self._database.write() as connection:
            connection.execute(insert(alarms).values(**row, cleared_at=cleared))

    def compared(self, source: str, at: datetime, start: datetime) -> None:
        """An hour of a source that was compared."""
        row = {"source": source, "window_start": start, "tried_at": at, "failures": 0, "compared_at": at}
        with self._database.write() as connection:
            connection.execute(insert(compared_hours).values(row))


def fill(builder: CollectingBuilder, now: datetime) -> None:
    """Something of everything, for looking at."""
    day, minute = timedelta(days=1), timedelta(minutes=1)
    lasting: dict[str, Any] = {
        "refresh_token": b"sealed",
        "client_secret": b"sealed",
        "client_id": "C1",
        "token_url": "https://x.example",
    }
    builder.source("webex", token_expires_at=now + 9 * day, refresh_expires_at=now + 83 * day, **lasting)
    builder.source("second-region", token_expires_at=now + day + 3 * HOUR)
    builder.source("acme", "cdr_stream", org_id=org(4), pulled_at=now - 20 * HOUR, pull_problem=f"403: {PERSON}")
    for number in range(12):
        received = now - number * 5 * minute
        builder.payload(f"{number:08x}-5b1c-4d3e-9a30-0c2f4d6e8a90", records_of(org(1), received, 40), received)
    builder.payload("repair", records_of(org(2), now - 5 * HOUR, 7), now - 2 * HOUR, channel="repair")
    builder.payload("old", records_of(org(3), now - 30 * HOUR, 9), now - 29 * HOUR, source="second-region")
    builder.compared("webex", now - 7 * minute, now - 2 * HOUR)
    for number in range(70):
        builder.refused(f"{number:02d}7c1e0aa-6f52-4d9e-8a11-0c2f4d6e8a90", 1 + number % 3, number % 5)
    builder.refused("b7c1e0aa-6f52-4d9e-8a11-0c2f4d6e8a90", 130, 20)
    builder.body("c9d1f2a4-77c4-4e0b-9a30-5b1c2d3e4f00", b'{"items":[{"User":"Ada')
    for number in range(3):
        builder.aside(f"d{number}d1f2a4-77c4-4e0b-9a30-5b1c2d3e4f00", b"<html>Ada</html>", now - number * HOUR)
    silent = (
        "second-region has delivered nothing since 2026-11-23 07:07 UTC. The provider counts 118 records since then."
    )
    builder.alarm("source-silent", "second-region", silent, now - 28 * HOUR)
    ends = "The access token of second-region ends on 2026-11-25 15:07 UTC, and there is none to refresh it."
    builder.alarm("token-expiring", "second-region", ends, now - 3 * HOUR)
    edge = "webex: 4 records in 1 hour of 1 organization are missing and will soon be out of reach."
    builder.alarm("records-near-edge", "webex", edge, now - 40 * minute)
    refused = (
        f"acme was not read to its end since 2026-11-23 16:07 UTC. Lastly: ada@example.com ({NUMBER}) has no right."
    )
    builder.alarm("source-silent", "acme", refused, now - 20 * HOUR)
    builder.alarm("disk-full", "", "3.1 GB are free on the disk of the spool; below 1.1 GB no payload is taken.",
                  now - 50 * HOUR, now - 47 * HOUR)  # fmt: skip
    slept = "The collector was not running from 2026-11-22 02:00 UTC to 2026-11-22 02:41 UTC."
    builder.alarm("not-running", "", slept, now - 58 * HOUR, now - 57 * HOUR)
