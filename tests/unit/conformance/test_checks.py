"""How checks are run and judged."""

import pytest

from cdrelay.conformance.checks import (
    Check,
    CheckFailed,
    NothingToCheck,
    Outcome,
    check,
    chosen,
    exit_status,
    failed,
    judged,
    passed,
    run_checks,
    skipped,
    warning,
)


@check("FACTS 1.4", "It answers what it is told.")
async def says_what_it_hears(subject: Outcome) -> Outcome:
    return subject


@check("FACTS 2.1", "It goes wrong in the middle.")
async def breaks_off(subject: Outcome) -> Outcome:
    raise CheckFailed(subject.what)


@check("FACTS 2.2", "It needs data.")
async def finds_nothing(subject: Outcome) -> Outcome:
    raise NothingToCheck(subject.what)


CHECKS: list[Check[Outcome]] = [says_what_it_hears, breaks_off, finds_nothing]


def test_the_name_of_a_check_is_that_of_its_function() -> None:
    assert [one.name for one in CHECKS] == ["says-what-it-hears", "breaks-off", "finds-nothing"]


async def test_every_check_comes_to_a_verdict_and_is_announced_before() -> None:
    announced: list[str] = []

    results = await run_checks(CHECKS, passed("fine"), announced.append)

    assert [one.verdict for one in results] == ["passed", "failed", "warning"]
    assert announced == [one.name for one in CHECKS]
    assert results[0].section == "FACTS 1.4"
    assert results[0].asks == "It answers what it is told."


@pytest.mark.parametrize(
    ("outcome", "status"), [(passed("x"), 0), (warning("x"), 0), (skipped("x"), 0), (failed("x"), 1)]
)
async def test_only_a_failure_is_a_failure(outcome: Outcome, status: int) -> None:
    assert exit_status(await run_checks([says_what_it_hears], outcome)) == status


def test_checks_are_chosen_by_name_in_their_own_order() -> None:
    assert chosen(CHECKS, ["finds-nothing", "breaks-off"]) == [breaks_off, finds_nothing]
    assert chosen(CHECKS, []) == CHECKS
    with pytest.raises(ValueError, match="no check 'other'"):
        chosen(CHECKS, ["breaks-off", "other"])


def test_the_first_complaints_are_told_and_the_rest_counted() -> None:
    assert judged([], "fine") == passed("fine")
    assert judged(["a", "b", "c", "d", "e"], "fine") == failed("a; b; c; and 2 more")
