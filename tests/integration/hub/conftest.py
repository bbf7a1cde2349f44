"""A process's app with both halves, served over real HTTP, its loops not running: a test moves it step by step."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cdrelay.clock import ManualClock
from cdrelay.settings import read_settings
from cdrelay.wiring import Running, assemble, open_foundation
from tests.integration.hub.setup_bench import Office
from tests.support.homes import prepared
from tests.support.passwords import CHEAP
from tests.support.server import serving

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Served:
    """The running app, and the clock that stands still in it."""

    running: Running
    clock: ManualClock
    address: str

    async def get(self, path: str) -> Answer:
        """GET."""
        async with aiohttp.ClientSession() as session, session.get(self.address + path) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.text())

    def lose_database(self) -> None:
        """Put something else in the place of the control database, as a broken disk would."""
        database = self.running.foundation.database
        database.close()
        for suffix in ("-wal", "-shm"):
            database.path.with_name(database.path.name + suffix).unlink(missing_ok=True)
        database.path.write_bytes(b"no database " * 1_000)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """All roles on a fresh home."""
    clock = ManualClock(NOW)
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(prepared(tmp_path / "home"))}), clock)
    running = assemble(foundation, frozenset({"publisher", "collector", "hub"}))
    async with serving(running.app) as address:
        yield Served(running, clock, address)
    foundation.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Served]:
    """A publisher with its hub on a fresh home."""
    clock = ManualClock(NOW)
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(prepared(tmp_path / "home"))}), clock, CHEAP)
    running = assemble(foundation, frozenset({"publisher", "hub"}))
    async with serving(running.app) as address:
        yield Served(running, clock, address)
    foundation.close()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """A publisher with its hub and two partners; callbacks may be over http and on this machine."""
    clock = ManualClock(NOW)
    settings = read_settings(
        {}, home=prepared(tmp_path / "home"), allow_http_callbacks=True, allow_callbacks_to_private_addresses=True
    )
    foundation = open_foundation(settings, clock)
    running = assemble(foundation, frozenset({"publisher", "hub"}))
    assert running.publisher is not None
    one, other = (running.publisher.directory.add_partner(name) for name in ("Example Reseller", "Other Reseller"))
    async with serving(running.app) as address:
        yield Office(running, clock, address, one, other)
    foundation.close()
