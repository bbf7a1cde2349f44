"""What follows from an attempt."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.callbacks.retry import (
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
)
from cdrelay.contract.retry_after import read_retry_after

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


_ENDLESS = "9" * 20
_DATES_THAT_ARE_NONE = [
    "Tue, 99 Nov 2026 17:00:00 GMT",
    f"Tue, 24 Nov {_ENDLESS} 17:00:00 GMT",
    f"Tue, 24 Nov 2026 17:00:00 +{_ENDLESS}",
    f"Tue, 24 Nov 2026 {_ENDLESS}:00:00 GMT",
]


@pytest.mark.parametrize("asked", [None, "", "soon", "-5", "1.5", "²", *_DATES_THAT_ARE_NONE])
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


SINCE = NOW - timedelta(hours=24)
SWITCHES = replace(POLICY, switch_off_after=timedelta(hours=24))


FAILED = Answered(500)


def failing(since: datetime | None, outcome: Outcome = FAILED, policy: RetryPolicy = POLICY) -> Decision:
    """The decision at NOW for a partner that has been failing since then."""
    return decide(3, outcome, now=NOW, window_end=NOW, policy=policy, jitter=1.0, failing_since=since)


def test_after_the_time_that_is_set_without_a_success_the_webhook_is_switched_off_with_the_reason() -> None:
    decision = failing(SINCE, policy=SWITCHES)
    assert decision == SwitchOff(
        "nothing arrived since 2026-11-23 17:00 UTC; lastly: the callback answered 500", failing_since=SINCE
    )


@pytest.mark.parametrize(
    ("since", "outcome", "policy"),
    [
        (None, Answered(500), SWITCHES),
        (SINCE + timedelta(microseconds=1), Answered(500), SWITCHES),
        (SINCE, Answered(200), SWITCHES),
        (SINCE, Answered(500), POLICY),
    ],
)
def test_before_that_after_a_success_or_when_it_is_not_set_it_stays_on(
    since: datetime | None, outcome: Outcome, policy: RetryPolicy
) -> None:
    assert not isinstance(failing(since, outcome, policy), SwitchOff)


@pytest.mark.parametrize(("minutes", "waits"), [(0, 0), (1, 60), (10, 600), (15, 900), (600, 900)])
def test_the_partners_others_wait_for_as_long_as_the_callback_has_been_failing(minutes: int, waits: float) -> None:
    decision = failing(NOW - timedelta(minutes=minutes))
    assert isinstance(decision, RetryAt)
    assert decision.others_from == NOW + timedelta(seconds=waits)


def test_a_first_failure_keeps_no_other_waiting() -> None:
    decision = failing(None)
    assert isinstance(decision, RetryAt)
    assert decision.others_from == NOW


def test_what_failed_itself_does_not_come_again_before_the_others() -> None:
    decision = failing(NOW - timedelta(minutes=10))  # its own third wait would be 20 seconds
    assert isinstance(decision, RetryAt)
    assert decision.moment == decision.others_from == NOW + timedelta(minutes=10)


def test_a_retry_after_holds_for_all_of_the_partner() -> None:
    decision = failing(None, Answered(503, "60"))
    assert isinstance(decision, RetryAt)
    assert decision.moment == decision.others_from == NOW + timedelta(seconds=60)


OUTCOMES = st.one_of(
    st.builds(Answered, st.integers(100, 999), st.none() | st.text() | st.integers(0, 10**30).map(str)),
    st.builds(NotReached, st.text()),
)


AGES = st.timedeltas(timedelta(0), timedelta(hours=50))


@given(OUTCOMES, st.integers(1, 10_000), st.floats(0, 1), AGES, st.none() | AGES)
def test_a_retry_is_never_before_now_nor_later_than_the_clamp_nor_out_of_reach(
    outcome: Outcome, attempt: int, jitter: float, age: timedelta, failing_for: timedelta | None
) -> None:
    decision = decide(
        attempt,
        outcome,
        now=NOW,
        window_end=NOW - age,
        policy=POLICY,
        jitter=jitter,
        failing_since=None if failing_for is None else NOW - failing_for,
    )
    if isinstance(decision, RetryAt):
        assert NOW < decision.moment <= NOW + POLICY.longest
        assert NOW <= decision.others_from <= decision.moment
        assert decision.moment <= NOW - age + POLICY.reach


def test_words_hold_nothing_of_the_answer() -> None:
    assert in_words(Answered(500, text="the subscriber +49 30 …")) == "the callback answered 500"


def test_of_an_answer_200_printable_characters_are_kept() -> None:
    assert answer_kept("ä\x00\n" + "x" * 300) == "ä  " + "x" * 197
