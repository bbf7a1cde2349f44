"""How far apart first requests of `cdr_feed` are (FACTS 3.1: one a minute)."""

from datetime import UTC, datetime, timedelta

from cdrelay.clock import ManualClock
from cdrelay.collector.history_client import Pace
from cdrelay.contract.history import HistoryRules

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Waited(ManualClock):
    """Stands still, and keeps how long it was to be waited."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_each_request_waits_until_a_minute_after_the_one_before_it() -> None:
    clock = Waited()
    pace = Pace(clock, HistoryRules())
    for _ in range(3):
        await pace.turn()
    first, second, third = clock.seconds
    assert first == 0
    assert 60 < second < 66
    assert third == 2 * second


async def test_a_request_after_a_long_pause_does_not_wait() -> None:
    clock = Waited()
    pace = Pace(clock, HistoryRules())
    await pace.turn()
    clock.advance(timedelta(minutes=2))
    await pace.turn()
    assert clock.seconds == [0, 0]


async def test_without_a_limit_nobody_waits() -> None:
    clock = Waited()
    pace = Pace(clock, HistoryRules(first_requests=0))
    await pace.turn()
    await pace.turn()
    assert clock.seconds == [0, 0]


async def test_a_clock_that_was_set_back_makes_nobody_wait_for_a_day() -> None:
    clock = Waited()
    pace = Pace(clock, HistoryRules())
    await pace.turn()
    clock.set_back(timedelta(days=1))
    await pace.turn()
    await pace.turn()
    _, second, third = clock.seconds
    assert 60 < second < 66
    assert third == 2 * second
