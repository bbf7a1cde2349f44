"""What follows from an attempt."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.publisher.retry import (
    Answered,
    Decision,
    Delivered,
    GiveUp,
    NotReached,
    Outcome,
    RetryAt,
    RetryPolicy,
    SwitchOff,
    Unsendable,
    answer_kept,
    decide,
    in_words,
    read_retry_after,
)

NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
POLICY = RetryPolicy(timedelta(seconds=5), timedelta(seconds=900), timedelta(hours=48))


def after(outcome: Outcome, attempt: int = 1, *, window_end: datetime = NOW, jitter: float = 1.0) -> Decision:
    """The decision at NOW."""
    return decide(attempt, outcome, now=NOW, window_end=window_end, policy=POLICY, jitter=jitter)


def wait(outcome: Outcome, attempt: int = 1, jitter: float = 1.0) -> float:
    """Seconds until the next attempt."""
    decision = after(outcome, attempt, jitter=jitter)
    assert isinstance(decision, RetryAt)
    return (decision.moment - NOW).total_seconds()


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    assert after(Answered(status)) == Delivered()


def test_410_switches_off() -> None:
    assert isinstance(after(Answered(410)), SwitchOff)


def test_what_cannot_be_sent_any_more_is_given_up() -> None:
    assert after(Unsendable("its body is gone")) == GiveUp("its body is gone")


@pytest.mark.parametrize(
    "outcome", [*map(Answered, (100, 301, 307, 400, 401, 404, 500, 503, 599)), NotReached("no such name")]
)
def test_anything_else_is_tried_again(outcome: Outcome) -> None:
    assert wait(outcome) == 5


def test_each_wait_is_twice_the_one_before_up_to_the_longest() -> None:
    waits = [wait(Answered(500), attempt) for attempt in range(1, 11)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert wait(Answered(500), 100_000) == 900


def test_up_to_half_of_a_wait_is_chance() -> None:
    assert wait(Answered(500), jitter=0) == 2.5
    assert wait(Answered(500), jitter=0.5) == 3.75


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("60", 60),
        (" 60 ", 60),
        ("0", 5),
        ("900", 900),
        ("901", 900),
        ("9" * 400, 900),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 5),
        (format_datetime(NOW + timedelta(days=1), usegmt=True), 900),
    ],
)
def test_retry_after_is_obeyed_between_the_first_wait_and_the_longest(status: int, asked: str, seconds: float) -> None:
    assert wait(Answered(status, asked), attempt=1) == seconds


@pytest.mark.parametrize("asked", [None, "", "soon", "-5", "1.5", "²", "Tue, 99 Nov 2026 17:00:00 GMT"])
def test_a_retry_after_that_asks_nothing_is_like_none(asked: str | None) -> None:
    assert read_retry_after(asked, NOW, POLICY.longest) is None
    assert wait(Answered(429, asked)) == 5


def test_retry_after_counts_only_with_429_and_503() -> None:
    assert wait(Answered(500, "60")) == 5


def test_it_is_given_up_only_when_the_next_attempt_would_come_out_of_reach() -> None:
    in_reach = NOW + timedelta(seconds=5) - POLICY.reach
    assert isinstance(after(Answered(500), window_end=in_reach), RetryAt)
    just_out = in_reach - timedelta(microseconds=1)
    assert isinstance(after(Answered(500), window_end=just_out), GiveUp)
    assert after(Answered(200), window_end=just_out) == Delivered()


OUTCOMES = st.one_of(
    st.builds(Answered, st.integers(100, 999), st.none() | st.text() | st.integers(0, 10**30).map(str)),
    st.builds(NotReached, st.text()),
)


@given(OUTCOMES, st.integers(1, 10_000), st.floats(0, 1), st.timedeltas(timedelta(0), timedelta(hours=50)))
def test_a_retry_is_never_before_now_nor_later_than_the_clamp_nor_out_of_reach(
    outcome: Outcome, attempt: int, jitter: float, age: timedelta
) -> None:
    decision = after(outcome, attempt, window_end=NOW - age, jitter=jitter)
    if isinstance(decision, RetryAt):
        assert NOW < decision.moment <= NOW + POLICY.longest
        assert decision.moment <= NOW - age + POLICY.reach


def test_words_hold_nothing_of_the_answer() -> None:
    assert in_words(Answered(500, text="the subscriber +49 30 …")) == "the callback answered 500"


def test_of_an_answer_200_printable_characters_are_kept() -> None:
    assert answer_kept("ä\x00\n" + "x" * 300) == "ä  " + "x" * 197
