"""Feeding a publisher that cannot be reached."""

import socket
from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.clock import SystemClock
from cdrelay.traffic import Plan, Traffic, feeding
from cdrelay.traffic.feeding import Feeder, IntakeUnreachable


async def test_feeding_for_a_time_ends_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "_PATIENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    feeder = Feeder(Traffic(Plan()), f"http://127.0.0.1:{port}", "key", SystemClock())
    with pytest.raises(IntakeUnreachable, match="does not take records"):
        await feeder.run(datetime.now(UTC) + timedelta(seconds=0.5))
