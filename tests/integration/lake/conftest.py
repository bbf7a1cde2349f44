"""A lake for every test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cdrelay.clock import ManualClock
from tests.support.lake_builder import LakeBuilder

NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    """It stands at 17:00."""
    return ManualClock(NOW)


@pytest.fixture
def open_lake(tmp_path: Path, clock: ManualClock) -> Iterator[Callable[..., LakeBuilder]]:
    """Opens builders on one folder, or on the one named, and closes them after the test."""
    with ExitStack() as closing:

        def opened(folder: str = "half", **given: Any) -> LakeBuilder:
            builder = LakeBuilder(tmp_path / folder, clock, **given)
            closing.callback(builder.close)
            return builder

        yield opened


@pytest.fixture
def lake(open_lake: Callable[..., LakeBuilder]) -> LakeBuilder:
    """A lake without a record."""
    return open_lake()
