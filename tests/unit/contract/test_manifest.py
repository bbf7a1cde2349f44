from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.contract.manifest import COUNT, PART, PARTS, WINDOW_END, WINDOW_START, Manifest
from cdrelay.contract.windows import Period

START = datetime(2026, 11, 24, 16, 50, tzinfo=UTC)
MANIFEST = Manifest(Period(START, START + timedelta(minutes=5)), part=2, parts=3, count=5_000)


def test_a_manifest_is_read_as_it_is_written() -> None:
    assert Manifest.read(MANIFEST.headers()) == MANIFEST


def test_an_empty_window_has_a_manifest_too() -> None:
    empty = Manifest(MANIFEST.window, part=1, parts=1, count=0)
    assert Manifest.read(empty.headers()) == empty


@pytest.mark.parametrize("missing", [WINDOW_START, WINDOW_END, PART, PARTS, COUNT])
def test_without_one_of_its_headers_there_is_none(missing: str) -> None:
    headers = MANIFEST.headers()
    del headers[missing]
    assert Manifest.read(headers) is None


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (WINDOW_START, "yesterday"),
        (WINDOW_START, "2026-11-24T16:55:00.000Z"),
        (WINDOW_END, "2026-11-24T16:55:00Z"),
        (PART, "0"),
        (PART, "4"),
        (PART, "-1"),
        (PARTS, "many"),
        (PARTS, "10001"),
        (PARTS, "9" * 5_000),
        (WINDOW_START, "2026-11-23T16:54:59.999Z"),
        (COUNT, "-1"),
        (COUNT, ""),
    ],
)
def test_headers_that_say_nothing_sensible_are_no_manifest(header: str, value: str) -> None:
    assert Manifest.read(MANIFEST.headers() | {header: value}) is None
