"""The heat map against a ledger in a real database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdrelay.collector.heat_map import HeatMap, HeatMaps, HeatQuestion, OrgKey, Sums
from cdrelay.collector.under_repair import read_under_repair
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from tests.integration.collector.collector_bench import Bench
from tests.support.ledger_builder import HOUR, LedgerBuilder, org

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
RULES = Rules()
A, B, C = org(1), org(2), org(3)


class Ledgers:
    """A ledger, and the map of it."""

    def __init__(self, bench: Bench) -> None:
        self.builder = LedgerBuilder(bench.database, bench.store.spool, bench.store.loader)
        self.builder.source("webex", NOW)
        self.maps = HeatMaps(bench.database, RULES)
        self.database = bench.database

    def say(self, org_uuid: str, ago: int, **values: Any) -> None:
        """A row of the hour that began so many hours before noon."""
        self.builder.rows([{"org_uuid": org_uuid, "window_start": NOON - ago * HOUR} | values])

    def draw(self, hours: int = 4, step: timedelta = HOUR, **asked: Any) -> HeatMap:
        """The last hours, the present one included."""
        return self.maps.draw(HeatQuestion(Period(NOON - (hours - 1) * HOUR, NOON + HOUR), step, **asked), NOW)


@pytest.fixture
def ledgers(bench: Bench) -> Ledgers:
    return Ledgers(bench)


def marks(drawn: HeatMap) -> dict[str, str]:
    return {row.key.org_uuid: " ".join(cell.mark for cell in row.cells) for row in drawn.rows}


def test_an_hour_without_a_row_is_unchecked_and_one_that_is_not_over_is_open(ledgers: Ledgers) -> None:
    ledgers.say(A, 3)
    ledgers.say(A, 2, expected=0, stored=0)

    drawn = ledgers.draw()

    assert marks(drawn) == {A: "matched quiet unchecked open"}
    assert drawn.sums == Sums(matched=1, quiet=1, unchecked=1, expected=10, stored=10)


def test_a_row_that_says_nothing_was_compared_is_as_good_as_none(ledgers: Ledgers) -> None:
    ledgers.say(A, 1, state="open", proof="none", expected=0, stored=0)
    ledgers.say(A, 0, state="open", proof="none", expected=4, stored=4)

    drawn = ledgers.draw(2)

    assert marks(drawn) == {A: "unchecked open"}
    assert (drawn.sums.unchecked, drawn.sums.open) == (1, 1)
    assert drawn.rows[0].cells[0].compared == 0


def test_the_worst_come_first(ledgers: Ledgers) -> None:
    ledgers.say(A, 1, state="short", stored=9)
    ledgers.say(B, 1, state="lost", stored=9)
    ledgers.say(C, 1)
    ledgers.say(org(4), 1, state="short", stored=2)
    ledgers.say(org(5), 2, state="repaired")

    drawn = ledgers.draw(2)

    # What had an hour just before and none since is unchecked: worse than well, better than short.
    assert [row.key.org_uuid for row in drawn.rows] == [B, org(4), A, org(5), C]
    assert drawn.sums.missing == 1 + 8 + 1


def test_an_hour_of_which_ids_are_missing_though_the_counts_are_equal_counts_as_one_record(ledgers: Ledgers) -> None:
    ledgers.say(A, 1, state="short", proof="ids")

    assert ledgers.draw(2).sums.missing == 1


def test_a_column_of_several_hours_is_marked_by_the_gravest_and_unchecked_hours_show(ledgers: Ledgers) -> None:
    for ago in range(1, 13):
        if ago != 8:
            ledgers.say(A, ago, state="short" if ago == 3 else "matched", stored=7 if ago == 3 else 10)

    period = Period(NOON - 12 * HOUR, NOON)
    drawn = ledgers.maps.draw(HeatQuestion(period, 4 * HOUR), NOW)

    assert marks(drawn) == {A: "matched unchecked short"}
    assert [(cell.compared, cell.unchecked, cell.expected, cell.stored) for cell in drawn.rows[0].cells] == [
        (4, 0, 40, 40),
        (3, 1, 30, 30),
        (4, 0, 40, 37),
    ]


def test_it_is_filtered_by_source_organization_and_state_and_the_sums_follow(ledgers: Ledgers) -> None:
    ledgers.builder.source("other", NOW)
    ledgers.say(A, 1)
    ledgers.say(A, 1, source="other", state="lost", stored=1)
    ledgers.say(B, 1, state="surplus", stored=11)

    def found(**asked: Any) -> set[OrgKey]:
        return {row.key for row in ledgers.draw(2, **asked).rows}

    assert found() == {OrgKey("webex", A), OrgKey("other", A), OrgKey("webex", B)}
    assert found(source="other") == {OrgKey("other", A)}
    assert found(organization=A[:9]) == {OrgKey("webex", A), OrgKey("other", A)}
    assert found(organization="%") == set()
    assert found(state="surplus") == {OrgKey("webex", B)}
    assert ledgers.draw(2, state="surplus").sums.stored == 11


def test_pages_hold_every_organization_once_and_one_past_the_end_is_the_last(ledgers: Ledgers) -> None:
    for number in range(7):
        ledgers.say(org(number), 1)

    pages = [ledgers.draw(2, rows=3, page=page) for page in (1, 2, 3, 9)]

    assert [(drawn.page, drawn.pages, drawn.organizations, len(drawn.rows)) for drawn in pages] == [
        (1, 3, 7, 3),
        (2, 3, 7, 3),
        (3, 3, 7, 1),
        (3, 3, 7, 1),
    ]
    assert {row.key.org_uuid for drawn in pages[:3] for row in drawn.rows} == {org(number) for number in range(7)}
    assert all(drawn.sums.matched == 7 for drawn in pages)


def test_an_organization_alone_is_drawn_also_when_the_ledger_never_heard_of_it(ledgers: Ledgers) -> None:
    ledgers.say(A, 1)
    period = Period(NOON - 2 * HOUR, NOON)

    known, unknown = (ledgers.maps.row(OrgKey("webex", one), period, NOW) for one in (A, B))

    assert [cell.mark for cell in known.cells] == ["unchecked", "matched"]
    assert [cell.mark for cell in unknown.cells] == ["unchecked", "unchecked"]
    assert (known.sums.unchecked, unknown.sums.unchecked) == (1, 2)
    assert ledgers.maps.knows(OrgKey("webex", A))
    assert not ledgers.maps.knows(OrgKey("webex", B))


def test_what_is_being_repaired_is_told_with_the_next_edge(ledgers: Ledgers) -> None:
    assert read_under_repair(ledgers.database, RULES).edge is None
    ledgers.say(A, 40, state="short", stored=3, recheck_at=NOW + HOUR)
    ledgers.say(B, 40, state="short", stored=9)
    ledgers.say(B, 5, state="short", stored=0)
    ledgers.say(C, 47, state="lost", stored=0)
    ledgers.builder.run(NOW - 2 * HOUR, short=3)
    ledgers.builder.run(NOW - HOUR, short=2, problem="the provider is away")

    repair = read_under_repair(ledgers.database, RULES)

    assert (repair.hours, repair.organizations, repair.missing, repair.recheck_at) == (3, 2, 18, NOW + HOUR)
    assert repair.edge is not None
    assert (repair.edge.leaves_at, repair.edge.organizations, repair.edge.missing) == (NOON + 8 * HOUR, 2, 8)
    assert [(run.source, run.problem) for run in repair.runs] == [("webex", "the provider is away")]
    assert read_under_repair(ledgers.database, RULES, "another").hours == 0
