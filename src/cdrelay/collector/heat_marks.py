"""How an hour is marked in the heat map, and which hours the ledger should speak of. Pure.

An hour whose deliveries are past and that was never compared is `unchecked`, whether the ledger says so or has no row:
nothing was proved about it, and it must not look as if there were. An hour that is not over is `open`.
"""

from datetime import datetime, timedelta
from typing import Literal, get_args

from cdrelay.collector.comparison import Proof, State, due_until
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period, ceil_to, floor_to

Mark = Literal["lost", "short", "unchecked", "surplus", "open", "repaired", "matched", "quiet"]
"""What marks a cell: a state of the ledger; `unchecked`: it says nothing; `quiet`: matched, and no record at all."""
MARKS: tuple[Mark, ...] = get_args(Mark)
"""The gravest first."""
GRAVITY = {mark: rank for rank, mark in enumerate(MARKS)}
"""The lower, the graver."""


def mark_of(state: State, proof: Proof, expected: int, *, due: bool) -> Mark:
    """How a row of the ledger is marked; `due`: its deliveries are past."""
    if state == "open" and proof == "none" and due:
        return "unchecked"
    return "quiet" if state == "matched" and not expected else state


def columns_of(period: Period, step: timedelta) -> list[Period]:
    """The period cut into columns; the last may be shorter."""
    count = -(-period.length // step)
    starts = [period.start + number * step for number in range(count)]
    return [Period(start, min(start + step, period.end)) for start in starts]


def due_edge(now: datetime, rules: Rules) -> datetime:
    """The end of the last hour that the ledger should speak of: its regular deliveries are past."""
    return floor_to(due_until(now, rules), rules.count_span)


def hours_due(period: Period, now: datetime, rules: Rules) -> int:
    """How many hours of a period the ledger should speak of."""
    end = min(period.end, due_edge(now, rules))
    return max(0, (end - ceil_to(period.start, rules.count_span)) // rules.count_span)
