"""The kit's own callback: deliveries of our publisher, of one that does everything right, and of wrong ones."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cdrelay.clock import SystemClock
from cdrelay.conformance.checks import CannotRun, Result
from cdrelay.conformance.exchange import read_url
from cdrelay.conformance.publisher import PUBLISHER_CHECKS, WEBHOOK_CHECKS, Callback, check_publisher
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import EPOCH, floor_to
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from cdrelay.traffic import Plan, Traffic
from cdrelay.wiring import open_foundation, open_publisher
from tests.integration.conformance.wrong_deliverer import FAULTS, HARMLESS, Deliverer
from tests.support.process import Cdrelay, free_port
from tests.support.provider import TOKEN, Call, Provider, organization

SECRET = "a-secret-for-this-test"
COMPRESS = 120
"""Of our own process: a tick is two and a half seconds."""
RULES = Rules().compressed(200)
"""A tick is a second and a half."""
SLOW_SECONDS = 0.5


def calls_around(now: datetime) -> list[Call]:
    """Calls of two organizations, ten a tick, one of each just on its edge, from some ticks ago until long after."""
    start = floor_to(now, RULES.tick) - RULES.tick * 4
    return [
        Call(organization(number % 2), start + RULES.tick / 10 * (number // 2), number) for number in range(10 * 2 * 16)
    ]


async def watched(fault: str = "", **more: float) -> dict[str, Result]:
    """The results of the kit for a deliverer with that fault, by name of check."""
    clock, port = SystemClock(), free_port()
    async with Provider(clock, RULES, calls_around(clock.now())) as provider:
        deliverer = Deliverer(f"http://127.0.0.1:{port}/callback", provider.records, RULES, SECRET, fault)
        running = asyncio.create_task(deliverer.run())
        callback = Callback(
            host="127.0.0.1",
            port=port,
            secret=SECRET,
            seconds=more.get("seconds", 2 * RULES.tick.total_seconds()),
            slow_seconds=SLOW_SECONDS,
        )
        address = read_url(provider.base)
        try:
            results = await check_publisher(
                address, TOKEN, clock, rules=RULES, callback=callback, checks=WEBHOOK_CHECKS
            )
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
    return {one.name: one for one in results}


async def test_a_fault_in_deliveries_is_caught_by_the_check_that_is_for_it() -> None:
    """All at once, since each takes its ticks."""
    found = await asyncio.gather(*map(watched, FAULTS))

    caught = {
        fault: {name for name, one in results.items() if one.verdict == "failed"}
        for fault, results in zip(FAULTS, found, strict=True)
    }
    assert {fault: names for fault, names in caught.items() if FAULTS[fault] not in names} == {}


async def test_a_publisher_that_does_everything_right_passes_and_so_does_what_one_may_do() -> None:
    right, *harmless = await asyncio.gather(watched(), *map(watched, HARMLESS))
    found = dict(zip(HARMLESS, harmless, strict=True))

    assert [(one.name, one.what) for one in right.values() if one.verdict != "passed"] == []
    assert len(right) == len(WEBHOOK_CHECKS)
    assert [one for each in found.values() for one in each.values() if one.verdict == "failed"] == []
    assert found["says nothing of itself"]["manifest-kept"].verdict == "skipped"
    assert found["never sends again"]["same-bytes-again"].verdict == "warning"


async def test_a_callback_that_nothing_comes_to_cannot_be_judged() -> None:
    clock = SystemClock()
    rules = Rules().compressed(1_000)
    async with Provider(clock, rules) as provider:
        callback = Callback(host="127.0.0.1", port=free_port(), seconds=0.1)
        with pytest.raises(CannotRun, match=r"no delivery came to http://127\.0\.0\.1:\d+/callback within"):
            await check_publisher(read_url(provider.base), TOKEN, clock, rules=rules, callback=callback)


async def test_a_port_that_is_taken_cannot_be_listened_on() -> None:
    clock = SystemClock()
    async with Provider(clock, RULES) as provider:
        address = read_url(provider.base)
        callback = Callback(host="127.0.0.1", port=address.port or 0, seconds=0.1)
        with pytest.raises(CannotRun, match="cannot listen on"):
            await check_publisher(address, TOKEN, clock, rules=RULES, callback=callback)


@pytest.mark.slow
def test_our_publisher_passes_as_a_process_checked_by_the_command(tmp_path: Path) -> None:
    cdrelay, port, traffic = Cdrelay(tmp_path / "home"), free_port(), Traffic(Plan(organizations=3, shaped=False))
    settings = cdrelay.home / "settings.toml"
    settings.write_text(settings.read_text().replace("compress = 60", f"compress = {COMPRESS}"))
    set_up(cdrelay.home, traffic, f"http://127.0.0.1:{port}/callback")
    cdrelay.start()
    try:
        document = cdrelay.json(
            *("conformance", "publisher", cdrelay.address, "--token-file", str(cdrelay.home / "token")),
            *("--callback-listen", f"127.0.0.1:{port}", "--secret-file", str(cdrelay.home / "a-secret")),
            *("--compress", str(COMPRESS)),
        )
    finally:
        cdrelay.kill()

    assert [(one["name"], one["what"]) for one in document["checks"] if one["verdict"] != "passed"] == []
    assert document["passed"] == len(PUBLISHER_CHECKS)


def set_up(home: Path, traffic: Traffic, callback: str) -> None:
    """A partner whose webhook is the kit's, with customers and their records: also of the time to come."""
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home)}))
    publisher = open_publisher(foundation)
    partner = publisher.directory.add_partner("Reseller")
    for one in traffic.organizations:
        publisher.directory.add_organization(one.uuid, partner_id=partner.id, starts_at=EPOCH)
    publisher.webhooks.set(partner.id, callback, secret=SECRET)
    (home / "a-secret").write_text(SECRET)
    (home / "token").write_text(publisher.directory.credentials.create_token(partner.id))
    now = foundation.clock.now()
    records = traffic.records(1_000, now - timedelta(seconds=10), now + timedelta(seconds=60))
    envelope = Envelope(id="d9b1e6a0-0000-4000-8000-000000000001", source="test", channel="intake", received=now)
    publisher.store.spool.put(envelope, b'{"items":[' + b",".join(records) + b"]}")
    foundation.close()
