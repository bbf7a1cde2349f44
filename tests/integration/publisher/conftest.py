"""A publisher for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdrelay.clock import ManualClock
from cdrelay.control.database import Database
from tests.integration.publisher.directory_bench import Desk, desk_in
from tests.integration.publisher.publisher_bench import START, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Callbacks over http and to loopback are allowed, as a test needs them; a test of the guard makes its own."""
    opened = Bench(
        tmp_path / "home", ManualClock(START), allow_http_callbacks=True, allow_callbacks_to_private_addresses=True
    )
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database with all tables and no rows, to be copied."""
    database = Database(tmp_path_factory.mktemp("empty") / "control.db")
    database.migrate()
    database.close()
    return database.path


@pytest.fixture
def desk(tmp_path: Path, empty_database: Path) -> Iterator[Desk]:
    """The directory alone, for tests that need no lake."""
    with desk_in(tmp_path, empty_database) as opened:
        yield opened
