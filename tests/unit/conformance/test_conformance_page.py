"""The page about the kit lists every check as the code has it."""

from pathlib import Path
from typing import Any

import pytest

from cdrelay.conformance.checks import Check
from cdrelay.conformance.publisher import PUBLISHER_CHECKS
from cdrelay.conformance.receiver import RECEIVER_CHECKS

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"


@pytest.mark.parametrize(
    ("heading", "checks"),
    [("## What a listener is asked", RECEIVER_CHECKS), ("## What a publisher is asked", PUBLISHER_CHECKS)],
)
def test_the_page_lists_every_check_in_order(heading: str, checks: tuple[Check[Any], ...]) -> None:
    section = PAGE.read_text("utf-8").partition(heading)[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    assert rows == [f"| `{one.name}` | {one.asks} | {one.section} |" for one in checks]


def test_no_two_checks_of_a_kit_have_the_same_name() -> None:
    for kit in (RECEIVER_CHECKS, PUBLISHER_CHECKS):
        names = [one.name for one in kit]
        assert len(names) == len(set(names))
