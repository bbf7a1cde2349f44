"""What the running loop says on the terminal."""

from typing import Any

from cdrelay.cli.milestones import MILESTONES, Milestones, summary


def status(**numbers: int) -> dict[str, Any]:
    """A status with these numbers, all others 0."""
    states = dict.fromkeys(("open", "matched", "short", "repaired", "surplus", "lost"), 0)
    return {
        "publisher": {
            "records": numbers.get("taken", 0),
            "windows": numbers.get("windows", 0),
            "deliveries": {"delivered": numbers.get("delivered", 0), "pending": 0, "failed": 0},
        },
        "collector": {
            "records": numbers.get("stored", 0),
            "ledger": states,
            "confirmed": numbers.get("confirmed", 0),
        },
    }


def test_nothing_is_said_before_anything_happened() -> None:
    assert Milestones().new(status()) == []


def test_each_milestone_is_told_once_and_in_order() -> None:
    milestones = Milestones()

    first = milestones.new(status(taken=1_234, windows=1))
    rest = milestones.new(status(taken=2_000, windows=2, delivered=1, stored=5, confirmed=5))

    assert first[0] == "1,234 call records taken in and stored by the publisher"
    assert len(first) == 2
    assert len(first) + len(rest) == len(MILESTONES)
    assert milestones.new(status(taken=9, windows=9, delivered=9, stored=9, confirmed=9)) == []


def test_the_summary_names_every_stage() -> None:
    line = summary(status(taken=7, windows=2, delivered=1, stored=6, confirmed=6))

    assert line.startswith("in 7 · windows 2 · delivered 1")
    assert "stored 6 · confirmed 6" in line
