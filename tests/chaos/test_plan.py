"""A round can be repeated: what goes wrong in it follows from the seed and its number."""

from collections import Counter

import pytest

from tests.chaos.plan import (
    CALL_FAULTS,
    DELIVERY_FAULTS,
    KILLS,
    MACHINE_FAULTS,
    QUESTION_FAULTS,
    never_happened,
    plan_round,
)

ROUNDS = 500


def test_the_same_seed_and_number_give_the_same_round_and_others_another() -> None:
    plans = [plan_round(7, number, ROUNDS) for number in range(50)]

    assert plans == [plan_round(7, number, ROUNDS) for number in range(50)]
    assert plans != [plan_round(8, number, ROUNDS) for number in range(50)]
    assert len({(one.deliveries, one.questions, one.machine) for one in plans}) > 40


def test_a_run_of_500_rounds_holds_every_kind_of_trouble() -> None:
    plans = [plan_round(7, number, ROUNDS) for number in range(ROUNDS)]
    drawn = Counter(fault.kind for one in plans for faults in (one.deliveries, one.questions) for fault in faults)
    drawn += Counter(fault.kind for one in plans for fault in one.machine)

    assert set(drawn) == {*DELIVERY_FAULTS, *QUESTION_FAULTS, *MACHINE_FAULTS}
    assert sum(drawn[kind] for kind in KILLS) > 60


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_has_its_turn_whatever_the_seed(seed: int) -> None:
    plans = [plan_round(seed, number, ROUNDS) for number in range(150)]
    drawn = Counter(fault.kind for one in plans for fault in (*one.deliveries, *one.questions, *one.machine))

    assert set(drawn) == {*DELIVERY_FAULTS, *QUESTION_FAULTS, *MACHINE_FAULTS}
    assert never_happened(drawn) == list(CALL_FAULTS)


def test_nothing_is_killed_in_the_last_part_where_memory_is_watched() -> None:
    last = [plan_round(7, number, ROUNDS) for number in range(350, ROUNDS)]

    assert not [fault for one in last for fault in one.machine if fault.kind in KILLS]
    assert [fault for one in last for fault in one.machine]
