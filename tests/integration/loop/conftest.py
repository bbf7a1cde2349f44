"""A server in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import Cdrelay


@pytest.fixture
def cdrelay(tmp_path: Path) -> Iterator[Cdrelay]:
    """A server on a home of its own, killed at the end if it still runs."""
    one = Cdrelay(tmp_path / "home")
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        one.kill()
