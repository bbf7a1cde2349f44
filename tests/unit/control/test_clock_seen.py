"""Which clock is believed when something is removed by its age, by what it said alone."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cdrelay.control.clock_seen import Leap, Sight, next_sight

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY, HOUR, YEAR = timedelta(days=1), timedelta(hours=1), timedelta(days=365)


def seen(*moments: datetime) -> Sight:
    """What is known after the clock said these."""
    sight = None
    for moment in moments:
        sight = next_sight(sight, moment, DAY)
    assert sight is not None
    return sight


def test_a_clock_that_goes_on_by_a_day_at_most_is_believed() -> None:
    assert seen(NOON) == Sight(NOON)
    assert seen(NOON, NOON + DAY, NOON + 2 * DAY).leap is None
    assert seen(NOON, NOON - YEAR).leap is None


def test_a_leap_is_believed_a_day_later() -> None:
    after = NOON + YEAR
    leap = Leap(NOON, after, after + DAY)
    assert seen(NOON, after).leap == leap
    assert seen(NOON, after, after + 23 * HOUR).leap == leap
    assert seen(NOON, after, after + 23 * HOUR, after + DAY).leap is None


def test_another_leap_in_that_day_begins_the_day_anew() -> None:
    after = NOON + 2 * YEAR
    assert seen(NOON, NOON + YEAR, after).leap == Leap(NOON, after, after + DAY)


def test_a_clock_set_right_is_believed_at_once_and_one_set_back_too_little_is_not() -> None:
    assert seen(NOON, NOON + YEAR, NOON + HOUR).leap is None
    assert seen(NOON, NOON + YEAR, NOON - YEAR).leap is None
    week = NOON + timedelta(days=7)
    assert seen(NOON, NOON + YEAR, week).leap == Leap(NOON, week, week + DAY)


def test_processes_that_look_in_another_order_than_they_read_the_clock_do_not_begin_the_day_anew() -> None:
    after = NOON + YEAR
    jitter = [after + HOUR + step * timedelta(milliseconds=1) for step in (3, 1, 4, 0, 2)]
    assert seen(NOON, after, *jitter).leap == Leap(NOON, after, after + DAY)


@given(st.lists(st.integers(1, 24 * 60), max_size=50), st.timedeltas(timedelta(days=2), timedelta(days=4000)))
def test_a_clock_that_is_ahead_for_less_than_a_day_is_never_believed(steps: list[int], ahead: timedelta) -> None:
    sight, now = seen(NOON), NOON
    for step in steps:
        now += timedelta(minutes=step)
        if now >= NOON + DAY:
            break
        sight = next_sight(sight, now + ahead, DAY)
        assert sight.leap is not None
    # Set right, it is believed at once.
    assert next_sight(sight, min(now, NOON + DAY), DAY).leap is None


@given(st.lists(st.integers(1, 24 * 60), min_size=1), st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_a_machine_that_was_off_is_believed_after_a_day(steps: list[int], away: timedelta) -> None:
    back = NOON + away
    sight, now = next_sight(seen(NOON), back, DAY), back
    for step in steps:
        now += timedelta(minutes=step)
        sight = next_sight(sight, now, DAY)
        assert sight.leap is None or now < back + DAY
