"""What an import does, or would do: in lines for people, and as values for programs."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from cdrelay.publisher.bulk.changes import ACTIONS, KEYS, Change, Plan
from cdrelay.publisher.directory.rows import fields_of, wire_value


def report_lines(plan: Plan) -> Iterator[str]:
    """One line an entry that is added, changed or ended and a row that is refused; then the numbers."""
    for change in plan.changes:
        yield f"{change.action} {change.kind} {change.key}: {_in_words(change)}"
    for refusal in plan.refused:
        yield f"refused {refusal}"
    for kind in plan.kept:
        yield f"kept {kind}: none is ended while rows are refused that may mean it"
    numbers = report_numbers(plan)
    yield ", ".join(f"{number} {what}" for what, number in numbers.items())


def report_numbers(plan: Plan) -> dict[str, int]:
    """How many entries were added, changed, ended and left as they are, and how many rows were refused."""
    numbers = {action: sum(change.action == action for change in plan.changes) for action in ACTIONS}
    return numbers | {"unchanged": plan.unchanged, "refused": len(plan.refused)}


def report_values(plan: Plan, *, done: bool, limit: int | None = None) -> dict[str, Any]:
    """The whole report; of the changes and of the refusals the first `limit`."""
    return {
        "done": done,
        "numbers": report_numbers(plan),
        "changes": [_change(change) for change in islice(plan.changes, limit)],
        "refused": [
            {"kind": one.place.kind, one.place.unit: one.place.number, "field": one.field, "rule": one.rule}
            for one in islice(plan.refused, limit)
        ],
        "kept": list(plan.kept),
    }


def _change(change: Change) -> dict[str, Any]:
    place: dict[str, int] = {} if change.place is None else {change.place.unit: change.place.number}
    fields = {name: {"before": before, "after": after} for name, (before, after) in change.fields().items()}
    return {"kind": change.kind, "action": change.action, "id": change.key, **place, "fields": fields}


def _in_words(change: Change) -> str:
    if change.action == "added":
        return ", ".join(f"{name} {_value(after)}" for name, (_, after) in change.fields().items() if name != "id")
    if change.never_began:
        return f"{_named(change)} is taken away before it begins"
    fields = ", ".join(
        f"{name} {_value(before)} → {_value(after)}" for name, (before, after) in change.fields().items()
    )
    return fields if change.action == "changed" else f"{_named(change)}: {fields}"


def _named(change: Change) -> str:
    passed_over = (KEYS[change.kind], "starts_at", "ends_at")
    pairs = (
        (name, change.values[column]) for name, column in fields_of(change.kind).items() if column not in passed_over
    )
    return ", ".join(f"{name} {_value(wire_value(value))}" for name, value in pairs)


def _value(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
