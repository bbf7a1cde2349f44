"""A collector for every test, and a provider beside it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cdrelay.control.database import Database
from tests.integration.collector.collector_bench import Bench
from tests.support.provider import Provider


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """With a home of its own."""
    opened = Bench(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
async def provider(bench: Bench) -> AsyncIterator[Provider]:
    """Of the same time as the bench."""
    async with Provider(bench.clock) as running:
        yield running


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database with all tables and no rows, to be copied."""
    database = Database(tmp_path_factory.mktemp("migrated") / "control.db")
    database.migrate()
    database.close()
    return database.path
