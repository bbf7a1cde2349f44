"""A control database for every test, made by the migrations."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdrelay.control.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Does not wait for locks that another process holds."""
    opened = Database(tmp_path / "home" / "control.db", busy_milliseconds=1)
    opened.migrate()
    yield opened
    opened.close()
