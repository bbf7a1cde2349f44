"""A publisher for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdrelay.clock import ManualClock
from tests.integration.publisher.publisher_bench import START, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Callbacks over http and to loopback are allowed, as a test needs them; a test of the guard makes its own."""
    opened = Bench(
        tmp_path / "home", ManualClock(START), allow_http_callbacks=True, allow_callbacks_to_private_addresses=True
    )
    yield opened
    opened.close()
