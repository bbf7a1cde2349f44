"""Words of the collector's pages: what of a person is withheld, how long tokens last, places in a payload."""

import pytest

from cdrelay.hub.collecting.quarantine_page import places_in_words
from cdrelay.hub.impersonal import impersonal


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("403: ada.rowe@example.com lacks a right.", "403: (withheld) lacks a right."),
        ("sip:15551234567@example.com", "sip:(withheld)"),
        ("to +1 (555) 123-4567, twice", "to (withheld), twice"),
        ("to +15551234567.", "to (withheld)."),
        ("number 15551234567 is unknown", "number (withheld) is unknown"),
        ("'ada@example.com' (+4930123456)", "'(withheld)' ((withheld))"),
    ],
)
def test_addresses_and_numbers_of_people_are_withheld(text: str, left: str) -> None:
    assert impersonal(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "webex has delivered nothing since 2026-11-24 11:31 UTC. The provider counts 1,234,567 records since then.",
        "organization 408806bc-a013-4a4b-9a24-123456789012, hour from 2026-11-24T11:00:00.000Z: HTTP 403",
        "3.1 GB are free; below 8388608 bytes no payload is taken",
        "2026-11-24T11:00:00+00:00",
        "the last was: HTTP 503 @ 5 + 7 seconds",
    ],
)
def test_times_counts_and_ids_stay(text: str) -> None:
    assert impersonal(text) == text


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([0], "0"),
        ([9, 7, 8, 3], "3, 7–9"),
        (list(range(1_500, 2_500)), "1,500–2,499"),
        (list(range(0, 50, 2)), ", ".join(map(str, range(0, 40, 2))) + " and 5 more"),
    ],
)
def test_places_are_told_in_runs(places: list[int], words: str) -> None:
    assert places_in_words(places) == words
