"""What `./dev chaos` tells."""

import json
from collections import Counter
from dataclasses import replace

from rich.console import Console

from tests.chaos.__main__ import as_json, show
from tests.chaos.checking import Violations
from tests.chaos.plan import KINDS
from tests.chaos.rounds import Outcome
from tests.chaos.watching import Course

GOOD = Outcome(
    seed=7,
    rounds=500,
    compress=100,
    own_disk=True,
    faults=Counter(dict.fromkeys(KINDS, 2)),
    courses={"lake log": Course(middle=1, last=2, end=3)},
)


def told(outcome: Outcome) -> str:
    """The table."""
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        show(outcome, console)
    return captured.get()


def test_the_outcome_is_json_for_programs() -> None:
    found = json.loads(json.dumps(as_json(GOOD)))

    assert (found["holds"], found["seed"], found["faults"]["lost part"], found["missing"]) == (True, 7, 2, [])
    assert found["courses"] == {"lake log": {"middle": 1, "last": 2, "end": 3}}


def test_what_does_not_hold_is_told_by_its_id() -> None:
    bad = replace(GOOD, violations=Violations(lost=[("an-org", "a-record")]))

    assert GOOD.holds
    assert not bad.holds
    assert "Report ID a-record of organization an-org" in told(bad)
    assert "a-record" not in told(GOOD)


def test_a_kind_of_trouble_that_never_happened_is_told_and_a_run_of_500_rounds_does_not_hold_then() -> None:
    without = replace(GOOD, faults=GOOD.faults - Counter({"lost part": 2}))

    assert not without.holds
    assert without.missing == ["lost part"]
    assert "never happened: lost part" in told(without)
    assert replace(without, rounds=499).holds


def test_how_files_and_memory_went_is_told() -> None:
    assert "lake log" in told(GOOD)
    assert "Too few rounds" in told(replace(GOOD, courses={}))
