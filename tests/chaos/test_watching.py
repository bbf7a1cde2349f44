"""Whether something grows is told from made-up runs."""

from collections.abc import Sequence

import pytest

from tests.chaos.watching import (
    DATABASE,
    DATABASE_LOG,
    FILLED_ROUNDS,
    MEMORY,
    PUBLISHER_MEMORY,
    Sample,
    course,
    courses,
    growth,
)

ROUNDS = 500
MIB = 2**20
QUIET = {"spool": 0, "aside": 0, "quarantine": 0, "scratch": 0, "lake": 9, "lake, replaced": 60, "lake log": 90}


def samples(pids: Sequence[int] = (), **figures: Sequence[float]) -> list[Sample]:
    """A sample a round; of one life when there is no other pid."""
    rounds = range(max(map(len, figures.values()), default=ROUNDS))
    return [
        Sample(number, pids[number] if pids else 1, QUIET | {name: series[number] for name, series in figures.items()})
        for number in rounds
    ]


def seen(**figures: Sequence[float]) -> str:
    """What is said of a run in which these were so."""
    return " ".join(growth(samples(**figures), 0))


def saw(height: int, every: int) -> list[float]:
    """Up by and by, and down at once, again and again."""
    return [100 + height * (number % every) / every for number in range(ROUNDS)]


@pytest.mark.parametrize("kind", ["lake log", "lake, replaced", "spool", "aside", "scratch", "lake", "whatever it is"])
def test_what_goes_on_growing_is_seen_of_every_kind(kind: str) -> None:
    assert f"grows: {kind}, 250 in the middle fifth, 450 in the last" in seen(**{kind: range(ROUNDS)})


@pytest.mark.parametrize("kind", ["lake log", "lake, replaced", "lake"])
def test_what_comes_and_goes_or_has_its_height_does_not_grow(kind: str) -> None:
    assert seen(**{kind: saw(50, 37)}) == ""
    assert seen(**{kind: [min(number, 200) for number in range(ROUNDS)]}) == ""


def test_a_tenth_more_is_allowed_and_not_more_than_that() -> None:
    assert seen(**{"whatever it is": [100] * 400 + [110] * 100}) == ""
    assert "grows: whatever it is" in seen(**{"whatever it is": [100] * 400 + [111] * 100})


def test_a_run_in_which_nothing_was_ever_let_go_of_is_told_from_one_that_is_busier_at_its_end() -> None:
    """As they were when log entries and replaced files stayed for an hour: 140 then 369, and 263 then 671."""
    assert "grows: lake log" in seen(**{"lake log": [369 * number / ROUNDS for number in range(ROUNDS)]})
    assert "grows: lake, replaced" in seen(**{"lake, replaced": [671 * number / ROUNDS for number in range(ROUNDS)]})
    assert seen(**{"lake log": [60] * 400 + [90] * 100, "lake, replaced": [50] * 400 + [90] * 100}) == ""
    assert seen(**{DATABASE_LOG: [100_000] * 400 + [4_200_000] * 100}) == ""


def test_memory_is_that_of_the_longest_life() -> None:
    """A process that was killed has less than one that was not: between two lives nothing can be said."""
    pids = [number // 7 if number < 350 else 99 for number in range(ROUNDS)]
    steady = [200.0 * MIB if number < 350 else 400.0 * MIB for number in range(ROUNDS)]
    growing = [200.0 * MIB if number < 350 else (400.0 + number - 350) * MIB for number in range(ROUNDS)]

    assert growth(samples(pids, **{MEMORY: steady}), 0) == []
    assert "grows: memory" in growth(samples(pids, **{MEMORY: growing}), 0)[0]


def test_of_memory_counts_what_stays_and_not_what_a_load_takes_for_a_moment() -> None:
    rounds, pids = range(FILLED_ROUNDS), [1] * FILLED_ROUNDS
    # In a third of the rounds, and in the end in two thirds.
    busier = [(350.0 + 60 * ((number % 3 > 0) == (number >= 800))) * MIB for number in rounds]
    leaking = [(350.0 + 60 * (number % 2) + number / 5) * MIB for number in rounds]

    assert growth(samples(pids, **{PUBLISHER_MEMORY: busier}), 0) == []
    assert "grows: memory" in growth(samples(pids, **{PUBLISHER_MEMORY: leaking}), 0)[0]
    while_its_lake_fills = samples(pids[1:], **{PUBLISHER_MEMORY: leaking[1:]})
    assert growth(while_its_lake_fills, 0) == []
    assert PUBLISHER_MEMORY in courses(while_its_lake_fills)


def test_too_few_rounds_say_nothing() -> None:
    assert course([1.0, 2.0] * 19) is None
    assert courses(samples(**{"lake log": range(20)})) == {}


def test_what_grows_by_its_nature_is_shown_and_not_judged() -> None:
    found = samples(**{DATABASE: range(ROUNDS)})

    assert growth(found, 0) == []
    assert courses(found)[DATABASE].grows()


def test_what_is_left_at_the_end_is_seen() -> None:
    assert "1 files are left in the spool" in seen(spool=[0] * (ROUNDS - 1) + [1])
    assert "2 payloads are in quarantine, and 0" in seen(quarantine=[2] * ROUNDS)
