"""The world of a run: a sound publisher, a collector that is not left in peace, and what stands between them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation, open_publisher
from tests.chaos.calls import Calls
from tests.chaos.collector_machine import CollectorMachine
from tests.chaos.disk import RESERVE_BYTES, Disk
from tests.support.faulty_deliveries import FaultyDeliveries
from tests.support.faulty_provider import TOKEN_PATH, FaultyProvider
from tests.support.process import Cdrelay

SOURCE = "reseller"
_PARTS = 4
"""So many parts a window has, or one more, where nothing is lost."""
_READERS = timedelta(hours=2)
"""Hours of the contract that files of the lakes stay which others took the place of."""
_TOKEN_SECONDS = 65.0
"""A token is not refreshed for being refused within a minute of the last refresh, in real time as its life is."""

_PUBLISHER = """\
compress = {compress}
allow_http_callbacks = true
allow_callbacks_to_private_addresses = true
retry_first_seconds = 0.2
retry_longest_seconds = 1
disk_reserve_bytes = 0
records_per_post = {records_per_post}
replaced_files_minutes = {replaced_files_minutes}
partner_organizations_per_page = 5
history_first_requests_per_minute = 0
history_page_requests_per_minute = 0
"""
_COLLECTOR = """\
compress = {compress}
reconcile_every_minutes = 30
replaced_files_minutes = {replaced_files_minutes}
disk_reserve_bytes = {reserve}
api_seconds = 3
api_retry_longest_seconds = 0.5
api_attempts = 4
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a world is."""

    compress: float
    organizations: int
    records_per_second: float

    @property
    def records_per_post(self) -> int:
        """So few that a window has several parts."""
        tick = Rules().compressed(self.compress).tick
        return max(2, round(self.records_per_second * tick.total_seconds() / _PARTS))

    @property
    def replaced_files_minutes(self) -> float:
        """So short, beside a run, that what is kept for readers comes and goes in it many times."""
        return _READERS / timedelta(minutes=1) / self.compress


@dataclass(frozen=True, slots=True)
class World:
    """All of it, running."""

    rules: Rules
    publisher: Cdrelay
    collector: Cdrelay
    calls: Calls
    intake_key: str
    deliveries: FaultyDeliveries
    provider: FaultyProvider
    machine: CollectorMachine
    disk: Disk


@asynccontextmanager
async def running_world(folder: Path, seed: int, size: Size) -> AsyncIterator[World]:
    """Make a world in `folder` and let it run until the block ends. Nothing is wrong in it yet."""
    calls = Calls(seed, size.organizations, size.records_per_second, size.compress)
    kept = size.replaced_files_minutes
    settings = _PUBLISHER.format(
        compress=size.compress, records_per_post=size.records_per_post, replaced_files_minutes=kept
    )
    publisher = Cdrelay(folder / "publisher", settings)
    with Disk(folder / "collector") as disk:
        settings = _COLLECTOR.format(compress=size.compress, reserve=RESERVE_BYTES, replaced_files_minutes=kept)
        collector = Cdrelay(disk.folder, settings)
        # What the process says is kept elsewhere, so that a full disk does not keep it from saying it.
        (collector.home / "stderr.log").symlink_to(folder / "collector.log")
        secret, began = secrets.token_urlsafe(), datetime.now(UTC)
        rules = read_settings({"CDRELAY_HOME": str(publisher.home)}).rules
        second = rules.tick.total_seconds()
        async with FaultyDeliveries(collector.address, secret, second) as deliveries:
            token, intake_key = await asyncio.to_thread(_prepare_publisher, publisher.home, calls, deliveries, secret)

            def honest_until() -> str:
                # Later nobody asks again, and what is said last is what counts; and no call ended before the run.
                return write_time(max(began, datetime.now(UTC) - rules.reach / 2))

            async with FaultyProvider(publisher.address, token, honest_until, _TOKEN_SECONDS) as provider:
                await asyncio.to_thread(_prepare_collector, collector, provider, secret)
                machine = CollectorMachine(collector, disk, deliveries, second)
                try:
                    await asyncio.gather(
                        asyncio.to_thread(publisher.start, "serve", "--roles", "publisher"), machine.ensure_up()
                    )
                    yield World(rules, publisher, collector, calls, intake_key, deliveries, provider, machine, disk)
                finally:
                    for one in (publisher, collector):
                        if one.process is not None and one.process.poll() is None:
                            one.kill()


def _prepare_publisher(home: Path, calls: Calls, deliveries: FaultyDeliveries, secret: str) -> tuple[str, str]:
    """A partner with all customers and a webhook; its access token, and a key for handing calls in."""
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home)}))
    try:
        parts = open_publisher(foundation)
        partner = parts.directory.add_partner(SOURCE)
        for one in calls.organizations:
            parts.directory.add_organization(one.uuid, one.name, partner.id)
        parts.webhooks.set(partner.id, f"{deliveries.url}/webhooks/{SOURCE}", secret=secret)
        credentials = parts.directory.credentials
        token = credentials.create_token(partner.id, "chaos", timedelta(days=365))
        return token, credentials.create_intake_key("chaos")
    finally:
        foundation.close()


def _prepare_collector(collector: Cdrelay, provider: FaultyProvider, secret: str) -> None:
    collector.run("collector", "source", "add", SOURCE, "--secret-file", "-", "--api", provider.base, typed=secret)
    client = ("--client-id", "chaos", "--token-url", provider.base + TOKEN_PATH)
    tokens = f"{provider.token}\n{provider.refresh_token}\na-client-secret\n"
    collector.run("collector", "login", SOURCE, "--paste", *client, typed=tokens)
