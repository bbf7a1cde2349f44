"""Homes for the tests of backups and of the doctor."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.keeping.used_home import UsedHome


@pytest.fixture(scope="session")
def first_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with records, a source and a delivery that waits; nothing has it open."""
    used = UsedHome(tmp_path_factory.mktemp("used") / "home")
    used.use()
    used.close()
    return used.home


@pytest.fixture
def home(first_home: Path, tmp_path: Path) -> Path:
    """One like it, to be broken."""
    shutil.copytree(first_home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def used(home: Path) -> Iterator[UsedHome]:
    """The same, opened."""
    one = UsedHome(home)
    yield one
    one.close()
