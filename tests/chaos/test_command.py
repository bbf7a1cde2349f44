"""What `./dev chaos` tells."""

import json
from collections import Counter

from rich.console import Console

from tests.chaos.__main__ import as_json, show
from tests.chaos.checking import Violations
from tests.chaos.rounds import Outcome

GOOD = Outcome(
    seed=7, rounds=500, compress=100, own_disk=True, faults=Counter({"lost window": 2}), files={"lake": (1, 2, 2)}
)


def told(outcome: Outcome) -> str:
    """The table."""
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        show(outcome, console)
    return captured.get()


def test_the_outcome_is_json_for_programs() -> None:
    found = json.loads(json.dumps(as_json(GOOD)))

    assert (found["holds"], found["seed"], found["faults"], found["files"]) == (
        True,
        7,
        {"lost window": 2},
        {"lake": [1, 2, 2]},
    )


def test_what_does_not_hold_is_told_by_its_id() -> None:
    bad = Outcome(seed=7, rounds=500, compress=100, own_disk=True, violations=Violations(lost=[("an-org", "a-record")]))

    assert GOOD.holds
    assert not bad.holds
    assert "Report ID a-record of organization an-org" in told(bad)
    assert "a-record" not in told(GOOD)
