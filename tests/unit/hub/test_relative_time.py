"""Times as a person says them, seen from now."""

from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.hub.relative_time import relative

NOW = datetime(2026, 11, 24, 12, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (timedelta(0), "now"),
        (timedelta(milliseconds=-999), "now"),
        (timedelta(seconds=1), "in 1 second"),
        (timedelta(seconds=-59.9), "59 seconds ago"),
        (timedelta(minutes=1), "in 1 minute"),
        (timedelta(minutes=-59, seconds=-59), "59 minutes ago"),
        (timedelta(hours=1), "in 1 hour"),
        (timedelta(hours=4, minutes=53), "in 4 hours 53 minutes"),
        (timedelta(hours=-47, minutes=-1), "47 hours 1 minute ago"),
        (timedelta(hours=48), "in 2 days"),
        (timedelta(days=-13, hours=-23), "13 days ago"),
    ],
)
def test_a_moment_is_said_as_far_as_it_is_away(away: timedelta, words: str) -> None:
    assert relative(NOW + away, NOW) == words
