"""Periods as people type them."""

from datetime import UTC, datetime

import pytest
import typer

from cdrelay.cli.period import read_moment, read_period


def test_a_date_is_the_start_of_that_day_in_utc() -> None:
    assert read_moment("--from", "2026-11-24") == datetime(2026, 11, 24, tzinfo=UTC)


def test_a_time_with_a_zone_is_that_moment() -> None:
    assert read_moment("--from", "2026-11-24T10:00+02:00") == datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_what_is_no_time_is_refused_with_an_example() -> None:
    with pytest.raises(typer.BadParameter, match="write 2026-11-24"):
        read_moment("--from", "yesterday")


def test_no_option_means_no_bound() -> None:
    assert read_period(None, None) is None
    period = read_period("2026-11-24", None)
    assert period is not None
    assert period.end.year == 9999


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="ends after it starts"):
        read_period("2026-11-24", "2026-11-23")
