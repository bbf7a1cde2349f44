"""What the endpoints accept, at the very edges (TRAPS 4), and that a refusal names parameter and rule."""

from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.contract.query import ParameterError, in_words, read_count_period, read_page, read_period
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import read_time, write_time
from cdrelay.contract.windows import Period

RULES = Rules()
NOW = datetime(2026, 11, 24, 17, 0, 0, 500_000, tzinfo=UTC)
MILLISECOND, HOUR = timedelta(milliseconds=1), timedelta(hours=1)
OLDEST, NEWEST = NOW - timedelta(hours=48), NOW - timedelta(minutes=5)


def _read(start: datetime, end: datetime) -> Period:
    return read_period(write_time(start), write_time(end), NOW, RULES)


def _counts(start: datetime, end: datetime) -> Period:
    return read_count_period(write_time(start), write_time(end), NOW, RULES)


def test_a_start_exactly_48_hours_old_and_an_end_exactly_5_minutes_old_are_allowed() -> None:
    assert _read(OLDEST, NEWEST) == Period(OLDEST, NEWEST)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (OLDEST - MILLISECOND, NEWEST, "startTime: must be no more than 48 hours ago"),
        (NEWEST + MILLISECOND, NEWEST + HOUR, "startTime: must be at least 5 minutes ago"),
        (NEWEST - HOUR, NEWEST + MILLISECOND, "endTime: must be at least 5 minutes ago"),
        (NEWEST - HOUR, NEWEST - HOUR, "endTime: must be later than startTime"),
        (NEWEST - HOUR, NEWEST - HOUR - MILLISECOND, "endTime: must be later than startTime"),
    ],
)
def test_a_period_out_of_reach_is_refused_by_parameter_and_rule(start: datetime, end: datetime, message: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        _read(start, end)
    assert str(refusal.value).startswith(message)
    assert message.startswith(refusal.value.parameter)


@pytest.mark.parametrize("off", [timedelta(minutes=10), -timedelta(hours=1)])
def test_a_caller_whose_clock_is_off_is_told_what_time_it_is_here(off: timedelta) -> None:
    start, end = (OLDEST, NEWEST - HOUR) if off < timedelta(0) else (NEWEST - HOUR, NEWEST)
    with pytest.raises(ParameterError, match=r"it is 2026-11-24T17:00:00\.500Z here"):
        _read(start + off, end + off)


def test_counts_of_60_minutes_to_the_millisecond_are_allowed() -> None:
    assert _counts(OLDEST, OLDEST + HOUR).length == HOUR


def test_counts_of_one_millisecond_more_are_refused() -> None:
    with pytest.raises(ParameterError, match="endTime: must be no more than 60 minutes after startTime"):
        _counts(OLDEST, OLDEST + HOUR + MILLISECOND)


def test_records_may_be_asked_for_more_than_60_minutes() -> None:
    assert _read(OLDEST, OLDEST + HOUR + MILLISECOND).length > HOUR


def test_compressed_time_is_spoken_of_in_its_own_units() -> None:
    with pytest.raises(ParameterError, match=r"must be no more than 48 minutes ago; it is"):
        read_period(write_time(NOW - HOUR), write_time(NEWEST), NOW, RULES.compressed(60))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "2026-11-24",
        "2026-11-24T15:00:00Z",
        "2026-11-24T15:00:00.000",
        "2026-11-24T15:00:00.0000Z",
        "2026-11-24 15:00:00.000Z",
        "2026-11-24T15:00:00.000+00:00",
        "2026-11-24T15:00:00.000z",
        "2026-02-30T15:00:00.000Z",
        "2026-11-24T25:00:00.000Z",
        "２０２６-11-24T15:00:00.000Z",
        "2026-11-24T15:00:00.000Z\n",
    ],
)
@pytest.mark.parametrize("parameter", ["startTime", "endTime"])
def test_a_time_of_another_form_is_refused_with_the_form(text: str | None, parameter: str) -> None:
    good = {"startTime": write_time(NEWEST - HOUR), "endTime": write_time(NEWEST)}
    with pytest.raises(ParameterError, match=f"{parameter}: .*YYYY-MM-DDTHH:MM:SS.mmmZ"):
        read_period(*(good | {parameter: text}).values(), NOW, RULES)


@pytest.mark.parametrize(("text", "number"), [(None, 1), ("1", 1), ("2", 2), ("002", 2), ("999999999", 999_999_999)])
def test_a_page_is_a_whole_number_and_the_first_unless_told(text: str | None, number: int) -> None:
    assert read_page(text) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "two", "²", "٣", " 1", "1" * 10])
def test_any_other_page_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="page: must be a whole number from 1"):
        read_page(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (48 * 3600, "48 hours"),
        (3600, "60 minutes"),
        (7200, "2 hours"),
        (300, "5 minutes"),
        (60, "1 minute"),
        (0.5, "0.5 seconds"),
        (90, "90 seconds"),
    ],
)
def test_durations_are_put_in_words(seconds: float, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize("moment", [NOW, datetime(1, 1, 1, tzinfo=UTC), datetime(999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_a_written_time_is_read_as_itself(moment: datetime) -> None:
    assert read_time(write_time(moment)) == moment


def test_a_time_is_cut_to_milliseconds_and_not_rounded() -> None:
    assert write_time(NOW + timedelta(microseconds=999)) == "2026-11-24T17:00:00.500Z"


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    assert write_time(datetime.fromisoformat("2026-11-24T23:30:00+06:30")) == "2026-11-24T17:00:00.000Z"
