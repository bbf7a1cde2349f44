"""Alarms of a whole collector: what raises and clears them, and that people are told, over real SMTP and HTTP."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI
from sqlalchemy import Row, insert, select, update

from cdrelay.clock import ManualClock
from cdrelay.collector.alarms.store import Alarms
from cdrelay.collector.sources import SourceChange, Sources
from cdrelay.contract.manifest import Manifest, digest_of
from cdrelay.contract.signature import SHA256_HEADER, SIGNATURE_HEADER, sign, sign_sha256
from cdrelay.contract.windows import Period
from cdrelay.control.tables import alerts, compared_hours, ledger, sources
from cdrelay.lake.spool import Envelope
from cdrelay.settings import SettingError, read_settings
from cdrelay.wiring import Foundation, assemble, open_foundation, open_store
from cdrelay.wiring.alarms import alarm_workers, open_alarms, open_watch, try_out
from cdrelay.wiring.foundation import Store
from tests.integration.collector.collector_bench import START
from tests.support.callback import Answer, Callback
from tests.support.homes import prepared
from tests.support.mailbox import Mailbox, mail_server
from tests.support.provider import Call, body_of, organization
from tests.support.server import serving as serving_app

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TICK = 5 * MINUTE
ONE, TWO = organization(1), organization(2)
MAIL = {"mail_from": "cdrelay@example.com", "mail_starttls": False, "alarm_mail": "ops@example.com, night@example.com"}
PRIVATE = {"alarm_webhook_to_private_address": True, "alarm_webhook_secret": "the-secret-4711"}


class Watched:
    """A collector with a source `webex`, and what looks for its alarms."""

    def __init__(self, home: Path, clock: ManualClock, **settings: object) -> None:
        given = {"disk_reserve_bytes": 0} | settings
        self.clock = clock
        self.foundation: Foundation = open_foundation(
            read_settings({"CDRELAY_HOME": str(prepared(home))}, **given), clock
        )
        self.store: Store = open_store(self.foundation, "collector")
        self.alarms: Alarms = open_alarms(self.foundation)
        self.watch = open_watch(self.foundation, self.store, self.alarms)

    def write(self, statement: Any, rows: Any = None) -> None:
        """Into the control database."""
        with self.foundation.database.write() as connection:
            connection.execute(statement, rows)

    def add_source(self, **values: object) -> None:
        """`webex`, which is signed by nobody."""
        plain = {"name": "webex", "created_at": START - 30 * DAY, "api": "https://api.example.com", "token": b"sealed"}
        a_secret = self.foundation.secrets.seal("a-secret")
        sealed = {name: a_secret if value == b"sealed" else value for name, value in (plain | values).items()}
        self.write(insert(sources).values(sealed))

    def deliver(self, window_end: datetime, **more: str) -> None:
        """A delivery of one record now, with its manifest, loaded."""
        call = Call(ONE, window_end - MINUTE)
        body = body_of([call])
        manifest = Manifest(Period(window_end - TICK, window_end), 1, 1, 1, digest_of([call.wire()["Report ID"]]))
        envelope = Envelope(
            id=f"{window_end:%d%H%M}", source="webex", channel="webhook", received=self.clock.now(), manifest=manifest
        )
        self.store.spool.put(envelope, json.dumps({"items": [call.wire() | more]}).encode() if more else body)
        self.store.loader.drain()

    def look(self, after: timedelta = TICK) -> list[str]:
        """The kinds that stand after another look, so much later, with a sign of life at every tick in between."""
        until = self.clock.now() + after
        while self.clock.now() + TICK < until:
            self.clock.advance(TICK)
            (self.store.folder / "alive").write_text(self.clock.now().isoformat())
        self.clock.advance(until - self.clock.now())
        self.watch.look()
        return [alarm.kind for alarm in self.alarms.standing()]

    def notices(self) -> Sequence[Row[Any]]:
        """All that people are told, the oldest first."""
        with self.foundation.database.read() as connection:
            return connection.execute(select(alerts).order_by(alerts.c.id)).all()

    def subjects(self) -> list[str]:
        """Of the mails to one of the two addresses."""
        return [row.subject for row in self.notices() if row.target == "ops@example.com"]

    def close(self) -> None:
        """Close what was opened."""
        self.foundation.close()


def window(org_uuid: str, start: datetime, expected: int, stored: int, state: str) -> dict[str, object]:
    """A row of the ledger."""
    return {
        "source": "webex",
        "org_uuid": org_uuid,
        "window_start": start,
        "window_end": start + HOUR,
        "expected": expected,
        "stored": stored,
        "state": state,
        "fetched": 0,
        "checked_at": START,
    }


def compared(start: datetime, at: datetime | None = START, failures: int = 0, problem: str | None = None) -> Any:
    """That an hour was asked about."""
    values = {"source": "webex", "window_start": start, "tried_at": at or START, "failures": failures}
    return insert(compared_hours).values(values | {"compared_at": at, "problem": problem})


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """One that tells two addresses."""
    opened = Watched(tmp_path / "home", ManualClock(START), mail_server="127.0.0.1:1", **MAIL)
    yield opened
    opened.close()


def at(hours_ago: int) -> datetime:
    """The start of that whole hour before the test's."""
    return START.replace(minute=0) - hours_ago * HOUR


def quiet(watched: Watched) -> None:
    """All hours in reach were compared."""
    for number in range(1, 60):
        watched.write(compared(at(number)))


def test_a_collector_in_which_all_is_well_has_no_alarm(watched: Watched) -> None:
    watched.add_source()
    quiet(watched)
    watched.write(insert(ledger), [window(ONE, at(2), 5, 5, "matched"), window(TWO, at(2), 5, 5, "repaired")])
    for number in range(6):
        watched.deliver(START - (10 - 5 * number) * MINUTE)
        assert watched.look() == []
    assert watched.notices() == []


def test_an_alarm_is_told_when_it_is_raised_every_day_and_when_it_is_over(watched: Watched) -> None:
    client = {"token_url": "https://api.example.com/v1/access_token", "client_id": "C1", "client_secret": b"sealed"}
    watched.add_source(**client, refresh_token=b"sealed", refresh_expires_at=START + 10 * DAY)
    quiet(watched)
    raised = watched.clock.now() + TICK
    assert watched.look() == ["token-expiring"]
    assert watched.look() == ["token-expiring"]
    assert watched.subjects() == ["Alarm: Access to the provider is about to end (webex)"]
    assert [alarm.raised_at for alarm in watched.alarms.standing()] == [raised]
    assert "token-expiring" in watched.look(DAY - 2 * TICK)
    assert len(watched.subjects()) == 1
    assert "token-expiring" in watched.look()
    assert watched.subjects()[1:] == ["Still an alarm: Access to the provider is about to end (webex)"]
    watched.write(update(sources).values(refresh_expires_at=START + 90 * DAY))
    assert "token-expiring" in watched.look()
    assert "token-expiring" not in watched.look()
    assert watched.subjects()[2:] == ["Over: Access to the provider is about to end (webex)"]
    text = watched.notices()[-1].what
    assert f"Since: {raised:%Y-%m-%d %H:%M} UTC" in text
    assert "Over since: 2026-11-25 12:45 UTC" in text
    (over,) = watched.alarms.latest()
    assert over.cleared_at == watched.clock.now()


def test_what_comes_and_goes_within_two_ticks_is_told_once(watched: Watched) -> None:
    watched.add_source(token_problem="the provider answered 500")
    quiet(watched)
    for problem in (None, "the provider answered 500", None, "the provider answered 502"):
        watched.look()
        watched.write(update(sources).values(token_problem=problem))
    assert watched.look() == ["token-expiring"]
    assert len(watched.subjects()) == 1
    assert "502" in watched.alarms.standing()[0].what


def test_every_mail_says_what_since_when_and_what_to_do(watched: Watched) -> None:
    watched.alarms.raise_("disk-full", "", "12 MB are free.")
    first, second = watched.notices()
    assert [first.target, second.target] == ["ops@example.com", "night@example.com"]
    assert first.what.splitlines() == [
        "Alarm: The disk is nearly full.",
        "",
        "12 MB are free.",
        "",
        "Since: 2026-11-24 12:30 UTC",
        "What to do: docs/operations/disk-full.md",
        "All that stands: cdrelay alarms",
    ]
    watched.alarms.clear("disk-full", "")
    watched.alarms.clear("disk-full", "")
    assert len(watched.notices()) == 4


def test_a_gap_between_deliveries_is_a_missing_window_until_its_hour_was_compared(watched: Watched) -> None:
    watched.add_source()
    quiet(watched)
    missing = START + 5 * MINUTE
    for number in range(9):
        if (end := START + 5 * number * MINUTE - 10 * MINUTE) != missing:
            watched.deliver(end)
        kinds = watched.look()
    assert kinds == ["window-missing"]
    (alarm,) = watched.alarms.standing()
    assert "between 2026-11-24 12:30 UTC and 2026-11-24 12:35 UTC" in alarm.what
    watched.write(compared(START.replace(minute=0), watched.clock.now()))
    watched.write(insert(ledger).values(window(ONE, START.replace(minute=0), 9, 8, "short")))
    watched.deliver(START + 35 * MINUTE)
    assert watched.look() == ["window-missing"]
    watched.write(update(ledger).values(stored=9, state="repaired"))
    watched.deliver(START + 40 * MINUTE)
    watched.look()
    watched.deliver(START + 45 * MINUTE)
    assert watched.look() == []


def test_a_source_whose_every_window_came_is_silent_after_half_an_hour(watched: Watched) -> None:
    watched.add_source()
    quiet(watched)
    watched.deliver(START - 5 * MINUTE)
    assert watched.look(29 * MINUTE) == []
    assert watched.look(MINUTE) == ["source-silent"]
    assert "nothing since 2026-11-24 12:30 UTC" in watched.alarms.standing()[0].what
    watched.look(20 * DAY)
    assert "source-silent" in {alarm.kind for alarm in watched.alarms.standing()}  # also after so long
    watched.deliver(watched.clock.now() - 10 * MINUTE)
    watched.look(0 * TICK)
    watched.clock.advance(TICK)
    watched.deliver(watched.clock.now() - 10 * MINUTE)
    watched.look()
    assert "source-silent" not in {alarm.kind for alarm in watched.alarms.standing()}


def test_a_source_without_manifests_is_silent_when_the_provider_counts_calls(watched: Watched) -> None:
    watched.add_source()
    quiet(watched)
    envelope = Envelope(id="plain", source="webex", channel="webhook", received=START)
    watched.store.spool.put(envelope, body_of([Call(ONE, START - HOUR)]))
    watched.store.loader.drain()
    assert watched.look(100 * MINUTE) == []
    watched.write(insert(ledger).values(window(ONE, START.replace(hour=13, minute=0), 7, 7, "repaired")))
    assert watched.look() == ["source-silent"]
    assert "counts 7 records since" in watched.alarms.standing()[0].what


def test_while_payloads_wait_for_their_load_nothing_is_said_of_what_arrived(watched: Watched) -> None:
    watched.add_source()
    quiet(watched)
    watched.deliver(START - 5 * MINUTE)
    watched.store.spool.put(
        Envelope(id="waits", source="webex", channel="webhook", received=START), body_of([Call(ONE, START)])
    )
    assert watched.look(HOUR) == ["spool-grows"]
    watched.store.loader.drain()
    watched.look()
    assert "spool-grows" not in watched.look(2 * TICK)


def test_records_that_stay_missing_are_told_and_then_that_they_are_near_the_edge_and_lost(watched: Watched) -> None:
    watched.add_source()
    quiet(watched)
    watched.write(insert(ledger), [window(ONE, at(3), 9, 5, "short"), window(TWO, at(3), 3, 2, "short")])
    assert watched.look() == ["source-silent", "repair-failed"]
    silent, failed = watched.alarms.standing()
    assert "No delivery of webex is known. The provider counts 12 records" in silent.what
    assert "5 records in 2 hours of 2 organizations are still missing" in failed.what
    watched.clock.advance(38 * HOUR)
    for number in range(-39, 0):
        watched.write(compared(at(number)))
    assert "records-near-edge" not in watched.look(25 * MINUTE)
    assert "records-near-edge" in watched.look(2 * HOUR)
    watched.write(update(ledger).values(state="lost"))
    assert "records-lost" in watched.look(6 * HOUR)
    watched.write(update(ledger).values(state="repaired", stored=ledger.c.expected))
    watched.look()
    assert "records-lost" not in watched.look()
    assert "repair-failed" not in {alarm.kind for alarm in watched.alarms.standing()}


def test_an_hour_near_the_edge_that_nobody_could_compare_is_an_alarm(watched: Watched) -> None:
    watched.add_source()
    quiet(watched)
    watched.write(update(compared_hours).values(compared_at=None, failures=3, problem="the provider answered 503"))
    assert watched.look() == ["repair-failed", "records-near-edge"]
    assert all("503" in alarm.what for alarm in watched.alarms.standing() if alarm.kind == "repair-failed")


def test_a_source_whose_secrets_do_not_open_is_an_alarm_until_they_are_set_again(watched: Watched) -> None:
    watched.add_source(secret=b"of another key")
    quiet(watched)
    assert watched.look() == ["source-unreadable"]
    (alarm,) = watched.alarms.standing()
    assert (alarm.subject, "its secret. Its deliveries are refused" in alarm.what) == ("webex", True)
    known = Sources(watched.foundation.database, watched.foundation.secrets, watched.clock)
    known.change("webex", SourceChange(secret="another-secret"))
    watched.look()
    assert watched.look() == []
    assert watched.subjects() == [
        "Alarm: Secrets of a source cannot be opened (webex)",
        "Over: Secrets of a source cannot be opened (webex)",
    ]


def test_a_disk_without_room_is_an_alarm(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "home", ManualClock(START), disk_reserve_bytes=10**15)
    assert watched.look() == ["disk-full"]
    assert "No payload can be taken" in watched.alarms.standing()[0].what
    watched.close()


def test_new_keys_are_told_by_name_and_never_what_they_hold(watched: Watched) -> None:
    watched.add_source()
    quiet(watched)
    watched.deliver(START - 5 * MINUTE, **{"Brand new": "+15550001"})
    assert watched.look() == ["schema-drift"]
    (alarm,) = watched.alarms.standing()
    assert "Brand new" in alarm.what
    assert all("+15550001" not in row.what for row in watched.notices())
    watched.clock.advance(2 * MINUTE)
    watched.deliver(watched.clock.now() - 5 * MINUTE, Another="x")
    assert len(watched.subjects()) == 1
    watched.look(HOUR)
    assert "Another" in watched.notices()[-1].what  # within the hour, though it stood already
    assert "schema-drift" not in watched.look(26 * HOUR)


def test_the_time_in_which_the_collector_did_not_run_is_told_when_it_runs_again(watched: Watched) -> None:
    watched.watch.look()
    watched.clock.advance(3 * HOUR)
    watched.watch.look()
    watched.watch.look()
    (past,) = watched.alarms.latest()
    assert (past.kind, past.raised_at, past.cleared_at) == ("not-running", START, START + 3 * HOUR)
    assert watched.subjects() == ["Over: The collector was not running"]


def test_silence_while_the_collector_did_not_run_is_not_the_sources(watched: Watched) -> None:
    watched.add_source()
    quiet(watched)
    watched.deliver(START - 5 * MINUTE)
    watched.watch.look()
    watched.clock.advance(HOUR)
    watched.watch.look()
    assert "source-silent" not in watched.look(29 * MINUTE)
    assert "source-silent" in watched.look(MINUTE)
    watched.clock.advance(HOUR)
    watched.watch.look()
    assert "source-silent" in watched.look(3 * TICK)  # nobody has heard from it: it is not over


def test_an_alarm_is_not_forgotten_by_a_restart_nor_told_twice(watched: Watched, tmp_path: Path) -> None:
    watched.alarms.raise_("disk-full", "", "12 MB are free.")
    again = Watched(tmp_path / "home", watched.clock, mail_server="127.0.0.1:1", **MAIL)
    again.alarms.raise_("disk-full", "", "11 MB are free.")
    assert [alarm.what for alarm in again.alarms.standing()] == ["11 MB are free."]
    assert len(again.notices()) == 2
    again.close()


async def working(foundation: Foundation, store: Store, alarms: Alarms, over: Callable[[], bool]) -> None:
    """Let the loops run until it is over."""
    loops = [asyncio.create_task(loop()) for loop in alarm_workers(foundation, store, alarms)]  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(20):
            while not over():
                foundation.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]
                await asyncio.sleep(0.02)
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def test_the_loops_find_an_alarm_and_tell_it_by_mail_and_webhook(tmp_path: Path) -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port, Callback() as hook:
        settings = MAIL | PRIVATE | {"mail_server": f"127.0.0.1:{port}", "alarm_webhook": hook.url}
        watched = Watched(tmp_path / "home", ManualClock(START), disk_reserve_bytes=10**15, **settings)
        hook.answers.append(Answer(503))
        await working(
            watched.foundation,
            watched.store,
            watched.alarms,
            lambda: len(mailbox.messages) == 2 and len(hook.requests) == 2,
        )
        watched.close()
    assert sorted(to for _, to in mailbox.envelopes) == [["night@example.com"], ["ops@example.com"]]
    assert mailbox.messages[0]["Subject"] == "Alarm: The disk is nearly full"
    assert "docs/operations/disk-full.md" in mailbox.messages[0].get_content()
    first, second = hook.requests
    assert first.body == second.body
    assert first.headers[SIGNATURE_HEADER] == sign("the-secret-4711", first.body)
    assert first.headers[SHA256_HEADER] == sign_sha256("the-secret-4711", first.body)
    said = json.loads(first.body)
    assert said.pop("raised_at").startswith("2026-11-24T12:3")
    assert said == {
        "kind": "disk-full",
        "subject": "",
        "state": "raised",
        "what": "No payload can be taken: the disk is full, or the spool cannot be written.",
        "cleared_at": None,
        "page": "docs/operations/disk-full.md",
    }


async def test_a_webhook_on_a_private_address_is_not_told_unless_that_is_set(tmp_path: Path) -> None:
    async with Callback() as hook:
        with pytest.raises(SettingError, match=r"alarm_webhook: .*https"):
            Watched(tmp_path / "http", ManualClock(START), alarm_webhook=hook.url)
        url = hook.url.replace("http:", "https:")
        watched = Watched(tmp_path / "https", ManualClock(START), alarm_webhook=url)
        (trial,) = await try_out(watched.foundation)
        watched.close()
        assert hook.requests == []
    assert not trial.arrived
    assert "is loopback" in trial.outcome


async def test_a_test_says_what_came_of_every_way(tmp_path: Path) -> None:
    mailbox = Mailbox()
    mailbox.answers = ["550 no such user"]
    async with mail_server(mailbox) as port, Callback(otherwise=Answer(404)) as hook:
        settings = MAIL | PRIVATE | {"mail_server": f"127.0.0.1:{port}", "alarm_webhook": hook.url}
        watched = Watched(tmp_path / "home", ManualClock(START), **settings)
        trials = await try_out(watched.foundation)
        assert watched.notices() == []
        watched.close()
    assert [(one.target.partition(":")[0], one.arrived) for one in trials] == [
        ("ops@example.com", False),
        ("night@example.com", True),
        ("http", False),
    ]
    assert [one.outcome for one in trials] == [
        "the mail server answered 550 for the address",
        "delivered",
        "the callback answered 404",
    ]
    assert json.loads(hook.requests[0].body)["kind"] == "test"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"alarm_mail": "ops@example.com"}, "mail_server"),
        (MAIL | {"mail_server": "a:1", "alarm_mail": "ops@example.com; b@example.com"}, "alarm_mail"),
    ],
)
def test_settings_that_reach_nobody_are_refused(tmp_path: Path, settings: dict[str, object], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        read_settings({"CDRELAY_HOME": str(tmp_path)}, **settings)


async def test_the_page_the_status_and_the_metrics_show_what_stands(tmp_path: Path) -> None:
    settings = read_settings({"CDRELAY_HOME": str(tmp_path / "home"), "CDRELAY_DISK_RESERVE_BYTES": "0"})
    foundation = open_foundation(settings, ManualClock(START))
    running = assemble(foundation, frozenset({"collector", "hub"}))
    assert running.collector is not None
    running.collector.sources.add("webex", SourceChange())
    running.collector.alarms.raise_("source-silent", "webex", "webex has delivered <nothing>.")
    app: FastAPI = running.app
    async with serving_app(app) as address, aiohttp.ClientSession() as session:
        status = await (await session.get(f"{address}/api/status")).json()
        metrics = await (await session.get(f"{address}/metrics")).text()
        page = await (await session.get(f"{address}/")).text()
    foundation.close()
    assert status["collector"]["alarms"] == [
        {
            "kind": "source-silent",
            "subject": "webex",
            "what": "webex has delivered <nothing>.",
            "page": "docs/operations/source-silent.md",
            "raised_at": "2026-11-24T12:30:00.000Z",
            "seen_at": "2026-11-24T12:30:00.000Z",
        }
    ]
    assert 'cdrelay_alarms{kind="source-silent"} 1.0' in metrics
    assert 'cdrelay_alarms{kind="disk-full"} 0.0' in metrics
    assert "webex has delivered &lt;nothing&gt;." in page


def test_an_upkeep_that_cannot_write_is_told_after_an_hour_and_over_when_it_can(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.add_source()
    quiet(watched)

    def full() -> None:
        raise OSError("no space left on device")

    watched.clock.advance(DAY)
    with monkeypatch.context() as patched:
        patched.setattr(watched.store.loader._upkeep._table, "vacuum", full)
        watched.store.loader.drain()
    assert "upkeep-failed" not in watched.look(55 * MINUTE)
    assert "upkeep-failed" in watched.look()
    watched.clock.advance(DAY)
    watched.store.loader.drain()
    watched.look()
    assert "upkeep-failed" not in watched.look()
