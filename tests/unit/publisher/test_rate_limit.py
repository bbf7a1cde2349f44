"""How often a token may ask, and that it is told to the second when it may again."""

from collections import deque
from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.clock import ManualClock
from cdrelay.publisher.api import rate_limit
from cdrelay.publisher.api.rate_limit import RateLimit

MINUTE = timedelta(minutes=1)
START = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


def test_the_second_request_in_a_minute_waits_for_the_rest_of_it_and_then_goes_ahead(clock: ManualClock) -> None:
    limit = RateLimit(clock, 1, MINUTE)
    assert limit.seconds_to_wait("a") == 0
    clock.advance(timedelta(seconds=12.3))
    assert limit.seconds_to_wait("a") == 48
    clock.advance(timedelta(seconds=48))
    assert limit.seconds_to_wait("a") == 0


def test_one_millisecond_before_the_minute_is_over_is_too_early_and_the_wait_is_never_0(clock: ManualClock) -> None:
    limit = RateLimit(clock, 1, MINUTE)
    limit.seconds_to_wait("a")
    clock.advance(MINUTE - timedelta(milliseconds=1))
    assert limit.seconds_to_wait("a") == 1
    clock.advance(timedelta(milliseconds=1))
    assert limit.seconds_to_wait("a") == 0


def test_who_has_to_wait_does_not_wait_longer_for_asking_again(clock: ManualClock) -> None:
    limit = RateLimit(clock, 1, MINUTE)
    waits = []
    for _ in range(7):
        waits.append(limit.seconds_to_wait("a"))
        clock.advance(timedelta(seconds=10))
    assert waits == [0, 50, 40, 30, 20, 10, 0]


def test_ten_in_any_minute_not_in_minutes_of_the_clock_on_the_wall(clock: ManualClock) -> None:
    limit = RateLimit(clock, 10, MINUTE)
    clock.advance(timedelta(seconds=55))
    assert [limit.seconds_to_wait("a") for _ in range(10)] == [0] * 10
    clock.advance(timedelta(seconds=10))
    assert limit.seconds_to_wait("a") == 50


def test_one_token_does_not_use_up_what_another_has(clock: ManualClock) -> None:
    limit = RateLimit(clock, 1, MINUTE)
    assert [limit.seconds_to_wait(key) for key in "abc"] == [0, 0, 0]


def test_0_is_no_limit(clock: ManualClock) -> None:
    limit = RateLimit(clock, 0, MINUTE)
    assert [limit.seconds_to_wait("a") for _ in range(100)] == [0] * 100


def test_a_clock_that_was_set_back_bars_nobody_for_as_long_as_it_was_wrong() -> None:
    clock = ManualClock(START)
    limit = RateLimit(clock, 1, MINUTE)
    limit.seconds_to_wait("a")
    clock.set_back(timedelta(days=1))
    assert limit.seconds_to_wait("a") == 0
    assert limit.seconds_to_wait("a") == 60


def test_tokens_that_no_longer_ask_are_forgotten_and_those_that_do_are_not(clock: ManualClock) -> None:
    limit = RateLimit(clock, 1, MINUTE)
    for number in range(rate_limit.SWEEP_AT - 1):
        limit.seconds_to_wait(str(number))
    clock.advance(MINUTE)
    limit.seconds_to_wait("still there")
    assert limit.keys == rate_limit.SWEEP_AT
    limit.seconds_to_wait("one more")
    assert limit.keys == 2
    assert limit.seconds_to_wait("still there") == 60


def test_many_keys_cost_no_look_at_each_at_every_request(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = RateLimit(clock, 1, MINUTE)
    looked_at = 0
    forget = limit._forget

    def counted(asked: deque[datetime], now: datetime) -> None:
        nonlocal looked_at
        looked_at += 1
        forget(asked, now)

    monkeypatch.setattr(limit, "_forget", counted)
    for number in range(5_000):
        limit.seconds_to_wait(str(number))
    assert looked_at < 5_000 * 3

    clock.advance(2 * MINUTE)
    for number in range(5_000, 15_000):
        limit.seconds_to_wait(str(number))
    assert limit.keys <= 10_000
