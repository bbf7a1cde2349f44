"""Looking again without the provider: no more is said than its last answer was about."""

from datetime import timedelta

from cdrelay.collector.certificate import CertifiedHour
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.reconciliation import Asked, Reconciler
from cdrelay.collector.recount import Recount
from tests.integration.collector.collector_bench import START, Bench, only
from tests.support.provider import NOTHING, Provider, Trouble, calls, organization

A = organization(1)
NOON = START.replace(minute=0)


def row_of(bench: Bench) -> LedgerRow:
    (row,) = bench.ledger.rows(bench.period(12), A)
    return row


async def short_under_way(bench: Bench, provider: Provider) -> Reconciler:
    """Half past: two of the hour's five records so far are missing. Then the provider answers no more."""
    provider.records = calls(A, NOON, 5)
    bench.deliver(provider.records[:3])
    provider.record_troubles[A] = NOTHING
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    assert (row_of(bench).state, row_of(bench).expected, row_of(bench).stored) == ("short", 5, 3)
    provider.records += calls(A, NOON + timedelta(minutes=40), 4)
    provider.troubles.extend([Trouble(503)] * 1_000)
    return reconciler


async def test_an_hour_that_was_only_compared_under_way_is_not_complete_when_what_was_missing_comes(
    bench: Bench, provider: Provider
) -> None:
    reconciler = await short_under_way(bench, provider)
    bench.clock.advance(timedelta(hours=1))
    bench.deliver(provider.records[3:5])
    await reconciler.run_once(asked=Asked(period=bench.period(12)))
    row = row_of(bench)
    assert (row.state, row.proof) == ("open", "none")
    assert "503" in (row.reason or "")
    assert CertifiedHour(row.window, row, 5, due=True).finding == "not compared"

    provider.troubles.clear()
    await only(reconciler)
    assert (row_of(bench).state, row_of(bench).expected, row_of(bench).stored) == ("short", 9, 5)


async def test_while_the_hour_goes_on_it_is_open_and_nothing_more_is_said(bench: Bench, provider: Provider) -> None:
    reconciler = await short_under_way(bench, provider)
    bench.deliver(provider.records[3:5])
    await reconciler.run_once(asked=Asked(period=bench.period(12)))
    row = row_of(bench)
    assert (row.state, row.proof, row.reason) == ("open", "counts", None)


async def test_a_report_that_brings_more_than_half_an_hour_had_makes_no_surplus(
    bench: Bench, provider: Provider
) -> None:
    reconciler = await short_under_way(bench, provider)
    bench.clock.advance(timedelta(hours=50))
    await only(reconciler)
    bench.deliver(provider.records[3:])
    Recount(bench.stores, bench.settings.rules).look(
        bench.ledger.rows(bench.period(12)), bench.clock.now(), way="report"
    )
    row = row_of(bench)
    assert (row.state, row.proof, row.stored, row.fetched) == ("open", "none", 9, 6)
    assert row.reason == "left the provider's reach uncompared; compared only while it was under way"
