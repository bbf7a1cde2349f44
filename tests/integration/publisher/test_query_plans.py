"""What is asked of the deliveries at every attempt and tick goes by an index, however many there are by now."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from cdrelay.callbacks.retry import RetryAt, SwitchOff
from cdrelay.contract.windows import Period
from cdrelay.publisher.delivery.deliveries import Attempt, Delivery
from cdrelay.publisher.delivery.delivery_log import DeliveryLog, LogFilter
from cdrelay.publisher.delivery.recording import Attempts, Judged
from tests.integration.publisher.publisher_bench import START, Bench

LATER = START + timedelta(minutes=1)
DAYS = Period(START - timedelta(days=2), START)


@contextmanager
def statements(bench: Bench) -> Iterator[list[tuple[str, Any]]]:
    """What the database is asked meanwhile."""
    seen: list[tuple[str, Any]] = []

    def see(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if not many and statement.startswith(("SELECT", "UPDATE", "DELETE")):
            seen.append((statement, values))

    database = bench.foundation.database
    engines = [database._readers, database._writer]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", see)


def plans(bench: Bench, asked: list[tuple[str, Any]]) -> list[str]:
    """How the database finds the deliveries that it is asked for."""
    with bench.foundation.database.read() as connection:
        rows = [
            row
            for statement, values in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).scalars(3)
        ]
    return [row for row in rows if "deliveries" in row]


def judged(bench: Bench, decision: RetryAt | SwitchOff) -> Judged:
    bench.foundation.database.migrate()
    delivery = Delivery(
        "d", "p", START, Period(START - timedelta(minutes=5), START), 1, 1, 0, 12, next_attempt_at=START
    )
    with bench.foundation.database.write() as connection:
        connection.execute(text("INSERT INTO partners VALUES ('p', 'p', '2026-11-24')"))
        connection.execute(
            text(
                "INSERT INTO webhooks (partner_id, url, resource_type, active, created_at)"
                " VALUES ('p', 'https://callback.example/', 'analytics', 1, '2026-11-24')"
            )
        )
    bench.outbox.add_windows([[delivery]])
    attempt = Attempt(1, START, 1, 500, "the callback answered 500", "")
    return Judged(delivery, attempt, decision, "https://callback.example/")


ASKED: dict[str, Callable[[Bench, DeliveryLog], object]] = {
    "due": lambda bench, _: bench.outbox.due(START),
    "due of some": lambda bench, _: bench.outbox.due(START, {"p", "q"}),
    "of a tick": lambda bench, _: bench.outbox.partners_with_window(START),
    "last round": lambda bench, _: bench.outbox.last_round("p", START),
    "forget": lambda bench, _: bench.outbox.forget_before(START),
    "given up": lambda bench, _: bench.alerts.raise_for_given_up(),
    "log": lambda _, log: log.windows("p", LogFilter("failed", DAYS), skip=0, number=20),
    "states": lambda _, log: log.states("p", DAYS),
    "waiting": lambda _, log: log.waiting("p"),
    "last attempt": lambda _, log: log.last_attempt_at("p"),
}


@pytest.mark.parametrize("name", ASKED)
def test_deliveries_are_looked_up_by_an_index(bench: Bench, name: str) -> None:
    with statements(bench) as asked:
        ASKED[name](bench, DeliveryLog(bench.foundation.database))
    found = plans(bench, asked)
    assert found
    assert all(row.startswith("SEARCH") for row in found), found


@pytest.mark.parametrize("decision", [RetryAt(LATER, "no", LATER), SwitchOff("gone")])
def test_a_failure_looks_up_what_waits_of_its_partner_and_nothing_of_others(
    bench: Bench, decision: RetryAt | SwitchOff
) -> None:
    one = judged(bench, decision)
    with statements(bench) as asked:
        Attempts(bench.foundation.database, bench.clock, bench.alerts).record([one])
    of_others = [row for row in plans(bench, asked) if "(id=?)" not in row]
    assert [row.rpartition(" USING ")[2] for row in of_others] == ["INDEX ix_deliveries_pending (partner_id=?)"]
