"""A short run with every test run; `./dev chaos` is the long one."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.checking import Violations
from tests.chaos.plan import CALL_FAULTS, DELIVERY_FAULTS, QUESTION_FAULTS
from tests.chaos.rounds import run
from tests.chaos.world import Size

SEED, ROUNDS = 3, 15


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_short_run_under_fire_loses_nothing_stores_nothing_twice_and_proves_every_hour(tmp_path: Path) -> None:
    outcome = asyncio.run(run(tmp_path, SEED, ROUNDS, Size(compress=300, organizations=6, records_per_second=200)))

    assert outcome.violations == Violations()
    assert outcome.growth == []
    assert outcome.ended_by_itself == 0
    assert outcome.records > 4_000
    assert outcome.windows_in_part
    assert all(outcome.faults[kind] for kind in CALL_FAULTS)
    assert outcome.kills
    assert set(outcome.faults) & set(DELIVERY_FAULTS)
    assert set(outcome.faults) & set(QUESTION_FAULTS)
