"""How busy an hour is."""

from datetime import UTC, datetime
from random import Random

import pytest

from cdrelay.traffic.shape import draw_count, factor


def second(day: int, hour: int) -> int:
    """A second of March 2026, whose second day is a Monday."""
    return int(datetime(2026, 3, day, hour, tzinfo=UTC).timestamp())


def test_the_busiest_hour_of_a_working_day_is_the_measure():
    factors = [factor(at) for at in range(second(2, 0), second(3, 0), 60)]

    assert factor(second(2, 10)) == 1.0 == max(factors)
    assert min(factors) > 0


def test_nights_are_quieter_than_days():
    assert factor(second(4, 3)) < 0.1 * factor(second(4, 11))


@pytest.mark.parametrize("day", [7, 8])
def test_saturday_and_sunday_are_quieter_than_friday(day):
    assert factor(second(day, 11)) < 0.2 * factor(second(6, 11))


@pytest.mark.parametrize("mean", [0.0, 0.02, 3.0, 59.0, 5000.0])
def test_counts_have_their_mean_and_spread(mean):
    rng = Random(1)
    counts = [draw_count(rng, mean) for _ in range(2000)]
    average = sum(counts) / 2000

    assert average == pytest.approx(mean, rel=0.05, abs=0.02)
    assert sum((each - average) ** 2 for each in counts) / 2000 == pytest.approx(mean, rel=0.2, abs=0.02)
