from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from cdrelay.collector.comparison import Former, State, Verdict, window_of
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.ledger_rows import LedgerTotals
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from tests.integration.collector.collector_bench import START, Bench
from tests.support.provider import organization

A, B = organization(1), organization(2)


@pytest.fixture
def ledger_bench(bench: Bench) -> Bench:
    bench.sources.add("webex", SourceChange())
    return bench


def said(org_uuid: str, hours_ago: int, expected: int, stored: int, state: State, *, brought: int = 0) -> Verdict:
    return Verdict(org_uuid, window_of(START - timedelta(hours=hours_ago), Rules()), expected, stored, brought, state)


def test_a_later_verdict_replaces_the_former_and_adds_what_was_brought(ledger_bench: Bench) -> None:
    ledger = ledger_bench.ledger
    ledger.write("webex", [said(A, 2, 5, 4, "short", brought=1)], START)
    ledger.write("webex", [said(A, 2, 6, 6, "repaired", brought=2)], START + timedelta(hours=1))
    (row,) = ledger.rows()
    assert (row.expected, row.stored, row.state, row.fetched) == (6, 6, "repaired", 3)
    assert row.checked_at == START + timedelta(hours=1)
    seen: dict[str, Former] = {}

    def look(former: Mapping[str, Former]) -> list[Verdict]:
        seen.update(former)
        return []

    ledger.revise("webex", row.window, START, look)
    assert seen == {A: Former(6, 3, "repaired", 6, START + timedelta(hours=1))}


def test_since_when_nothing_is_missing_and_by_which_ways_it_came_is_kept(ledger_bench: Bench) -> None:
    ledger = ledger_bench.ledger
    short, complete = said(A, 2, 5, 4, "short", brought=1), said(A, 2, 5, 5, "repaired", brought=1)
    ledger.write("webex", [replace(short, way="repair", reason="1 missing")], START)
    (row,) = ledger.rows()
    assert (row.ways, row.completed_at, row.reason) == (("repair",), None, "1 missing")
    ledger.write("webex", [replace(complete, way="history", proof="ids")], START + timedelta(hours=1))
    ledger.write("webex", [replace(complete, way="repair", brought=0)], START + timedelta(hours=2))
    (row,) = ledger.rows()
    assert (row.ways, row.completed_at) == (("repair", "history"), START + timedelta(hours=1))
    assert (row.proof, row.reason) == ("counts", None)
    ledger.write("webex", [short], START + timedelta(hours=3))
    assert ledger.rows()[0].completed_at is None


def test_hours_and_totals_add_up_over_organizations(ledger_bench: Bench) -> None:
    ledger = ledger_bench.ledger
    ledger.write("webex", [said(A, 2, 5, 5, "matched"), said(B, 2, 3, 1, "short"), said(A, 1, 7, 7, "open")], START)
    newest, older = ledger.by_hour(2)
    assert (newest.expected, newest.states) == (7, LedgerTotals(open=1))
    assert (older.expected, older.stored, older.states) == (8, 6, LedgerTotals(matched=1, short=1))
    assert ledger.by_hour(1) == [newest]
    assert ledger.totals() == LedgerTotals(open=1, matched=1, short=1)
    assert ledger.totals("other") == LedgerTotals()


def test_rows_are_chosen_by_period_organization_and_state(ledger_bench: Bench) -> None:
    ledger = ledger_bench.ledger
    ledger.write("webex", [said(A, 3, 1, 1, "matched"), said(B, 2, 3, 1, "short"), said(A, 1, 7, 7, "open")], START)
    of_two_hours_ago = Period(START - timedelta(hours=2), START - timedelta(hours=2) + timedelta(seconds=1))
    assert [row.org_uuid for row in ledger.rows(of_two_hours_ago)] == [B]
    assert [row.state for row in ledger.rows(org_uuid=A)] == ["open", "matched"]
    assert [row.org_uuid for row in ledger.rows(states=["short"])] == [B]
    assert len(ledger.rows(most=2)) == 2
    assert ledger.organizations("webex", START - timedelta(hours=4)) == {A, B}
    assert ledger.organizations("webex", START - timedelta(hours=2)) == {A}


def test_only_what_is_short_is_given_up_and_once(ledger_bench: Bench) -> None:
    ledger = ledger_bench.ledger
    ledger.write("webex", [said(A, 3, 2, 1, "short"), said(B, 3, 2, 2, "matched"), said(A, 1, 2, 1, "short")], START)
    edge = window_of(START - timedelta(hours=3), Rules()).end
    assert ledger.short("webex", ended_by=edge - timedelta(milliseconds=1)) == []
    rows = ledger.short("webex", ended_by=edge)
    assert [row.org_uuid for row in rows] == [A]
    assert ledger.give_up(rows, "no way is left") == rows
    assert ledger.give_up(rows, "no way is left") == []
    assert [row.reason for row in ledger.rows(states=["lost"])] == ["1 missing; no way is left"]
    assert ledger.totals() == LedgerTotals(matched=1, short=1, lost=1)


def test_a_removed_source_takes_its_ledger_with_it(ledger_bench: Bench) -> None:
    ledger_bench.ledger.write("webex", [said(A, 2, 5, 5, "matched")], START)
    ledger_bench.sources.remove("webex")
    assert ledger_bench.ledger.rows() == []
    with pytest.raises(SourceUnknown):
        ledger_bench.ledger.write("webex", [said(A, 2, 5, 5, "matched")], START)


def test_a_window_that_was_not_compared_says_so_and_stays_so_out_of_reach(ledger_bench: Bench) -> None:
    ledger = ledger_bench.ledger
    window = window_of(START - timedelta(hours=2), Rules())
    ledger.write("webex", [said(A, 2, 5, 5, "matched")], START)
    ledger.note_uncompared("webex", window, {B: 3}, [A, B], "not compared yet", START)
    ledger.note_uncompared("webex", window, {B: 3}, [A, B], "HTTP 503", START)
    row = next(row for row in ledger.rows() if row.org_uuid == B)
    assert (row.state, row.proof, row.stored, row.reason) == ("open", "none", 3, "HTTP 503")
    for _ in range(2):
        ledger.leave_uncompared("webex", window.start, window.end)
    states = {row.org_uuid: (row.state, row.proof, row.reason) for row in ledger.rows()}
    assert states == {
        A: ("matched", "counts", None),
        B: ("open", "none", "left the provider's reach uncompared; HTTP 503"),
    }


def plan(bench: Bench, ask: Callable[[Ledger], object]) -> str:
    """How the database finds what is asked of the ledger, at first."""
    asked: list[tuple[str, Any]] = []

    def see(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    event.listen(bench.database._readers, "before_cursor_execute", see)
    ask(bench.ledger)
    event.remove(bench.database._readers, "before_cursor_execute", see)
    statement, values = next(one for one in asked if "FROM ledger " in one[0].replace("\n", " "))
    with bench.database.read() as connection:
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).scalars(3).all()
    return str(steps[0])


def test_what_is_short_is_found_by_its_index_however_old_the_ledger_is(ledger_bench: Bench) -> None:
    assert "ix_ledger_incomplete" in plan(
        ledger_bench, lambda ledger: ledger.short("webex", ended_by=START, due_by=START)
    )


@pytest.mark.parametrize("source", [None, "webex"])
def test_to_count_states_no_row_of_the_ledger_is_read(ledger_bench: Bench, source: str | None) -> None:
    assert "COVERING INDEX ix_ledger_source_state" in plan(ledger_bench, lambda ledger: ledger.totals(source))
