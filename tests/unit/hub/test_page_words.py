"""Sizes as the page says them."""

import pytest

from cdrelay.hub.page import size_in_words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (116_400_000, "116.4 MB"),
        (4_000_000_000, "4.0 GB"),
        (5_000_000_000_000, "5,000.0 GB"),
    ],
)
def test_a_size_is_said_in_the_unit_that_fits(size: int, words: str) -> None:
    assert size_in_words(size) == words
