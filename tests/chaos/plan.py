"""What goes wrong in a round: chosen by the seed and the number of the round alone, so that it can be chosen again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

DELIVERY_FAULTS = {
    "lost window": 5,
    "lost part": 5,
    "delivered twice": 3,
    "delivered at once twice": 3,
    "out of order": 5,
    "delayed": 3,
    "cut off": 3,
    "cut short": 3,
    "answer lost": 4,
    "turned away": 3,
    "records left out": 3,
    "record spoiled": 2,
}
"""Kinds of trouble between publisher and collector, by how often each is drawn; `faulty_deliveries` describes them."""

QUESTION_FAULTS = {
    "429 with Retry-After": 3,
    "429 without": 2,
    "451 elsewhere": 3,
    "500": 3,
    "HTML with 200": 3,
    "HTML with 502": 2,
    "slow": 2,
    "cut answer": 2,
    "token expired": 4,
    "wrong counts": 5,
    "page repeated": 3,
    "records withheld": 3,
    "404 though there is something": 2,
}
"""The same between collector and provider; `faulty_provider` describes them."""

MACHINE_FAULTS = {
    "killed": 0.16,
    "killed in a delivery": 0.10,
    "down for long": 0.01,
    "disk below reserve": 0.03,
    "disk full": 0.03,
    "database locked": 0.06,
    "database taken away": 0.05,
}
"""The same with the collector's machine, and how likely each is in a round."""

CALL_FAULTS = ("call late", "call twice", "call corrected", "call broken", "calls out of order")
"""What goes wrong with the calls themselves, in every round; `calls` describes it."""

KINDS = (*DELIVERY_FAULTS, *QUESTION_FAULTS, *MACHINE_FAULTS, *CALL_FAULTS)
"""All that is asked for, and is to happen in a run of ENOUGH_ROUNDS."""
ENOUGH_ROUNDS = 500
_EACH_IN_TURN = 4
"""Every so many rounds one kind has its turn, whatever is drawn: so that none depends on chance."""

KILLS = frozenset({"killed", "killed in a delivery", "down for long"})
_KILLED_UNTIL = 0.7
"""In the last part of a run nothing is killed, so that the memory of one process can be watched."""
_BURST_EVERY = 40


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong on the way of a request."""

    kind: str
    times: int
    """How many requests in a row it strikes, where more than one makes a difference."""
    detail: float
    """Chooses among the forms it can take, 0 up to 1."""


@dataclass(frozen=True, slots=True)
class MachineFault:
    """One thing that goes wrong with the collector's machine."""

    kind: str
    at: float
    """When in the round it begins, 0 up to 1."""
    lasts: float
    """How many rounds it lasts."""
    detail: float


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """All that goes wrong in one round."""

    number: int
    deliveries: tuple[Fault, ...]
    questions: tuple[Fault, ...]
    machine: tuple[MachineFault, ...]
    burst: bool
    """Whether so many calls end that their window has many parts."""


def plan_round(seed: int, number: int, rounds: int) -> RoundPlan:
    """The plan of one round of a run of `rounds`; `number` counts from 0. The same arguments give the same plan."""
    rng = Random(f"{seed}/{number}")
    deliveries = _drawn(rng, DELIVERY_FAULTS, (0, 0, 1, 1, 1, 2))
    questions = _drawn(rng, QUESTION_FAULTS, (0, 1, 1, 2, 3))
    machine = tuple(
        MachineFault(kind, rng.random(), _lasts(kind, rng), rng.random())
        for kind, chance in MACHINE_FAULTS.items()
        # All is drawn in every case: so a round does not depend on the length of the run, but for its kills.
        if rng.random() < chance
    )
    kind, turn = _whose_turn(number), (rng.random(), rng.random())
    if kind in DELIVERY_FAULTS:
        deliveries += (Fault(kind, 1, turn[0]),)
    elif kind in QUESTION_FAULTS:
        questions += (Fault(kind, 1, turn[0]),)
    elif kind is not None:
        machine += (MachineFault(kind, turn[0], _lasts(kind, rng), turn[1]),)
    if number >= rounds * _KILLED_UNTIL:
        machine = tuple(fault for fault in machine if fault.kind not in KILLS)
    return RoundPlan(number, deliveries, questions, machine, number % _BURST_EVERY == _BURST_EVERY // 5)


def never_happened(struck: Mapping[str, int]) -> list[str]:
    """The kinds that were asked for and did not happen once."""
    return [kind for kind in KINDS if not struck.get(kind)]


def _whose_turn(number: int) -> str | None:
    kinds = (*DELIVERY_FAULTS, *QUESTION_FAULTS, *MACHINE_FAULTS)
    turn, between = divmod(number, _EACH_IN_TURN)
    return None if between else kinds[turn % len(kinds)]


def _drawn(rng: Random, kinds: dict[str, int], how_many: Sequence[int]) -> tuple[Fault, ...]:
    chosen = rng.choices(tuple(kinds), tuple(kinds.values()), k=rng.choice(how_many))
    return tuple(Fault(kind, rng.choice((1, 1, 1, 2, 3)), rng.random()) for kind in chosen)


def _lasts(kind: str, rng: Random) -> float:
    if kind == "down for long":
        return rng.uniform(8, 16)
    if kind in KILLS:
        return rng.choice((0.0, 0.0, 0.0, 0.5, 2.0))
    return rng.uniform(0.3, 2.5)
