"""Feeding a publisher that cannot be reached."""

import socket
from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.clock import SystemClock
from cdrelay.traffic import Plan, Traffic, feeding
from cdrelay.traffic.feeding import Feeder, IntakeUnreachable


async def test_feeding_for_a_time_ends_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "_PATIENCE_SECONDS", 0.2)
    # Enough calls that every second has some, at any hour of the day.
    busy = Traffic(Plan(records_per_second=200.0, shaped=False))
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen: nobody else can have the port meanwhile
        feeder = Feeder(busy, f"http://127.0.0.1:{deaf.getsockname()[1]}", "key", SystemClock())
        with pytest.raises(IntakeUnreachable, match="does not take records"):
            await feeder.run(datetime.now(UTC) + timedelta(seconds=0.5))
