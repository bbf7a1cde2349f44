from datetime import timedelta

import pytest

from cdrelay.collector.comparison import Former, State, Verdict, window_of
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.ledger import LedgerTotals
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
    assert ledger.former("webex", row.window) == {A: Former(6, 3, "repaired")}


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
    assert ledger.organizations("webex") == {A, B}


def test_only_what_is_short_and_out_of_reach_is_given_up_and_once(ledger_bench: Bench) -> None:
    ledger = ledger_bench.ledger
    ledger.write("webex", [said(A, 3, 2, 1, "short"), said(B, 3, 2, 2, "matched"), said(A, 1, 2, 1, "short")], START)
    edge = window_of(START - timedelta(hours=3), Rules()).end
    assert ledger.give_up("webex", edge - timedelta(milliseconds=1)) == []
    (lost,) = ledger.give_up("webex", edge)
    assert (lost.org_uuid, lost.state) == (A, "lost")
    assert ledger.give_up("webex", edge) == []
    assert ledger.totals() == LedgerTotals(matched=1, short=1, lost=1)


def test_a_removed_source_takes_its_ledger_with_it(ledger_bench: Bench) -> None:
    ledger_bench.ledger.write("webex", [said(A, 2, 5, 5, "matched")], START)
    ledger_bench.sources.remove("webex")
    assert ledger_bench.ledger.rows() == []
    with pytest.raises(SourceUnknown):
        ledger_bench.ledger.write("webex", [said(A, 2, 5, 5, "matched")], START)
