"""What an answer's Date says of our clock."""

from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.contract.date_header import clock_is_off

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0, None),
        (4, None),
        (-4, None),
        (60, "this machine's clock is 60 minutes behind that of the answer"),
        (-60, "this machine's clock is 60 minutes ahead of that of the answer"),
        (-1440, "this machine's clock is 24 hours ahead of that of the answer"),
    ],
)
def test_a_difference_is_told_where_it_is_plain(minutes: int, said: str | None) -> None:
    date = NOW + timedelta(minutes=minutes)
    assert clock_is_off(f"{date:%a, %d %b %Y %H:%M:%S} GMT", NOW) == said


@pytest.mark.parametrize(
    "text", [None, "", "yesterday", "Tue, 99 Nov 2026 12:00:00 GMT", "Tue, 24 Nov 99999999 1:2:3 GMT"]
)
def test_a_header_that_makes_no_sense_says_nothing(text: str | None) -> None:
    assert clock_is_off(text, NOW) is None
