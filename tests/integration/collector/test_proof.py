"""How a window is proved, and what is found though the counts are equal."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.reconciliation import Asked
from cdrelay.collector.recount import Recount
from cdrelay.contract.manifest import Manifest, digest_of
from cdrelay.contract.windows import Period
from cdrelay.lake.load_again import load_again
from cdrelay.lake.spool import Envelope
from tests.integration.collector.collector_bench import START, Bench, only
from tests.support.provider import NOTHING, Call, Provider, Trouble, body_of, calls, organization

A, B = organization(1), organization(2)
TEN = START.replace(hour=10, minute=0)
TICK = timedelta(minutes=5)


def deliver_window(bench: Bench, start: datetime, records: Sequence[Call], said: Sequence[Call] | None = None) -> None:
    """As the provider's webhook brings a window, with its manifest; `said` are the records that it speaks of."""
    told = records if said is None else said
    digest = digest_of(call.wire()["Report ID"] for call in told)
    envelope = Envelope(
        id=str(uuid4()),
        source="webex",
        channel="webhook",
        received=bench.clock.now(),
        manifest=Manifest(Period(start, start + TICK), 1, 1, len(told), digest),
    )
    bench.store.spool.put(envelope, body_of(records))


def deliver_hour(bench: Bench, records: Sequence[Call], missing: frozenset[int] = frozenset()) -> None:
    """All windows of the hour from ten but those of the numbers in `missing`."""
    for number in range(12):
        start = TEN + number * TICK
        if number not in missing:
            deliver_window(bench, start, [one for one in records if one.ended in Period(start, start + TICK)])
    bench.store.loader.drain()


def row_of(bench: Bench, org_uuid: str, hour: int = 10) -> LedgerRow:
    (row,) = bench.ledger.rows(bench.period(hour), org_uuid)
    return row


def records_requests(provider: Provider) -> list[str]:
    return [request for request in provider.requests if "cdrsbyorg" in request]


async def test_an_hour_whose_windows_all_came_whole_is_proved_by_ids_and_no_record_is_fetched(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 30, timedelta(minutes=2))
    reconciler = bench.reconciler(provider)
    deliver_hour(bench, provider.records)
    await only(reconciler)
    row = row_of(bench, A)
    assert (row.state, row.proof, row.reason) == ("matched", "ids", None)
    assert records_requests(provider) == []


async def test_without_a_manifest_counts_are_the_proof(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 3)
    bench.deliver(provider.records)
    await only(bench.reconciler(provider))
    assert (row_of(bench, A).state, row_of(bench, A).proof) == ("matched", "counts")


async def test_a_loss_that_equal_counts_hide_is_found_by_the_window_that_is_missing(
    bench: Bench, provider: Provider
) -> None:
    """TRAPS 3: one record is lost, and one is stored that the provider does not count."""
    kept, lost, withdrawn = (Call(A, TEN + timedelta(minutes=minute)) for minute in (1, 22, 41))
    provider.records = [kept, lost]
    reconciler = bench.reconciler(provider)
    deliver_hour(bench, [kept, withdrawn], missing=frozenset({4}))
    assert bench.store.lake.count_by_organization(bench.period(10)) == {A: 2}  # as many as the provider counts
    report = await only(reconciler)
    row = row_of(bench, A)
    assert (report.fetched, report.problem) == (1, None)
    assert (row.expected, row.stored, row.fetched, row.ways) == (2, 3, 1, ("repair",))
    assert (row.state, row.proof, row.reason) == ("surplus", "ids", "1 stored that the provider does not count")
    assert lost.wire()["Report ID"] in bench.store.lake.report_ids(A, bench.period(10))
    (request,) = records_requests(provider)
    assert "startTime=2026-11-24T10:20:00.000Z&endTime=2026-11-24T10:25:00.000Z" in request


async def test_a_window_whose_records_are_others_than_its_digest_says_is_looked_at_too(
    bench: Bench, provider: Provider
) -> None:
    kept, lost, withdrawn = (Call(A, TEN + 2 * TICK + timedelta(seconds=second)) for second in (1, 2, 3))
    provider.records = [kept, lost]
    reconciler = bench.reconciler(provider)
    deliver_hour(bench, [], missing=frozenset({2}))
    deliver_window(bench, TEN + 2 * TICK, [kept, withdrawn], said=[kept, lost])
    await only(reconciler)
    row = row_of(bench, A)
    assert (row.stored, row.fetched, row.proof) == (3, 1, "ids")


async def test_a_missing_window_without_calls_costs_one_question(bench: Bench, provider: Provider) -> None:
    provider.records = [Call(A, TEN)]
    reconciler = bench.reconciler(provider)
    deliver_hour(bench, provider.records, missing=frozenset({7, 8}))
    await only(reconciler)
    assert row_of(bench, A).proof == "ids"
    assert records_requests(provider) == []
    of_the_gap = [one for one in provider.requests if "10:35:00.000Z&endTime=2026-11-24T10:45" in one]
    assert len(of_the_gap) == 1


async def test_a_missing_window_that_cannot_be_looked_at_leaves_the_proof_to_the_counts_and_is_tried_again(
    bench: Bench, provider: Provider
) -> None:
    provider.records = [Call(A, TEN + timedelta(minutes=16))]
    reconciler = bench.reconciler(provider)
    deliver_hour(bench, [], missing=frozenset({3}))
    bench.deliver(provider.records)
    provider.record_troubles[A] = Trouble(400, '{"message": "no"}')
    await only(reconciler)
    assert (row_of(bench, A).state, row_of(bench, A).proof) == ("matched", "counts")
    facts = bench.stores.agenda.facts("webex", bench.clock.now(), bench.settings.rules)
    assert facts.hours[TEN].failures == 1


async def test_ids_are_compared_on_request_where_there_are_no_manifests(bench: Bench, provider: Provider) -> None:
    kept, lost, withdrawn = calls(A, TEN, 3)
    provider.records = [kept, lost, *calls(B, TEN, 2)]
    bench.deliver([kept, withdrawn, *calls(B, TEN, 2)])
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    assert row_of(bench, A).state == "matched"
    asked = Asked(organization=A, period=bench.period(10), by_ids=True)
    (report,) = await reconciler.run_once(asked=asked)
    row = row_of(bench, A)
    assert (report.windows, report.fetched) == (1, 1)
    assert (row.state, row.stored, row.proof) == ("surplus", 3, "ids")
    assert row_of(bench, B).proof == "counts"
    (report,) = await reconciler.run_once(asked=Asked(period=bench.period(10), by_ids=True))
    assert row_of(bench, B).proof == "ids"


async def test_a_window_that_lacks_what_is_in_quarantine_says_so_and_is_not_lost(
    bench: Bench, provider: Provider
) -> None:
    good, broken = calls(A, TEN, 2)
    provider.records = [good, broken]
    body = body_of([good, broken]).replace(broken.wire()["Report ID"].encode(), b"no-uuid")
    envelope = Envelope(id=str(uuid4()), source="webex", channel="webhook", received=bench.clock.now())
    bench.store.spool.put(envelope, body)
    provider.record_troubles[A] = NOTHING
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    assert (row_of(bench, A).state, row_of(bench, A).reason) == ("short", "1 missing, 1 in quarantine")
    bench.clock.advance(timedelta(hours=48))
    assert (await only(reconciler)).lost == 0
    assert row_of(bench, A).state == "short"
    # Once it can be stored, the window is complete.
    bench.deliver([broken])
    bench.clock.advance(timedelta(hours=1))
    await only(reconciler)
    assert row_of(bench, A).state == "matched"


async def test_a_window_of_which_records_are_in_quarantine_is_not_asked_for_and_proved_once_they_are_loaded_again(
    bench: Bench, provider: Provider
) -> None:
    good, odd = calls(A, TEN, 2)
    provider.records = [good, odd]
    reconciler = bench.reconciler(provider)
    loader = bench.store.loader
    deliver_hour(bench, [], missing=frozenset({0}))
    limits, loader._limits = loader._limits, replace(loader._limits, max_age=timedelta(hours=1))
    deliver_window(bench, TEN, [good, odd])  # both are thought too old
    await only(reconciler)
    missing = bench.manifests.missing("webex", bench.clock.now(), bench.settings.rules)
    assert TEN not in [one.window.start for one in missing]
    of_the_gap = [one for one in provider.requests if "10:00:00.000Z&endTime=2026-11-24T10:05" in one]
    assert of_the_gap == []
    assert (row_of(bench, A).state, row_of(bench, A).reason) == ("short", "2 missing, 2 in quarantine")
    assert not bench.manifests.proves("webex", bench.period(10))
    loader._limits = limits
    quarantine = bench.store.quarantine
    for name in quarantine.payloads():
        load_again(quarantine, bench.store.spool, name, bench.clock.now())
    loader.drain()
    assert bench.manifests.proves("webex", bench.period(10))
    Recount(bench.stores, bench.settings.rules).incomplete("webex", bench.clock.now())
    assert row_of(bench, A).state == "matched"
    await only(reconciler)
    assert (row_of(bench, A).state, row_of(bench, A).proof) == ("matched", "ids")


async def test_a_window_that_lacks_what_is_in_quarantine_is_not_looked_at_every_minute_once_it_is_out_of_reach(
    bench: Bench, provider: Provider
) -> None:
    good, broken = calls(A, TEN, 2)
    provider.records = [good, broken]
    provider.record_troubles[A] = NOTHING
    reconciler = bench.reconciler(provider)
    bench.deliver([good])
    body = body_of([broken]).replace(broken.wire()["Report ID"].encode(), b"no-uuid")
    bench.store.spool.put(Envelope(id="bad", source="webex", channel="webhook", received=bench.clock.now()), body)
    await only(reconciler)
    bench.clock.advance(timedelta(hours=60))
    await only(reconciler)
    now = bench.clock.now()
    gone = now - bench.settings.rules.reach
    assert [row.org_uuid for row in bench.ledger.short("webex", ended_by=gone)] == [A]
    assert bench.ledger.short("webex", ended_by=gone, due_by=now) == []


async def test_a_record_that_comes_and_is_not_stored_is_missing_though_the_counts_are_equal(
    bench: Bench, provider: Provider
) -> None:
    kept, other = calls(A, TEN, 2)
    too_new = Call(A, START + timedelta(days=3))  # a Report time that is put aside
    provider.records = [kept, other]
    bench.deliver([kept, other])
    reconciler = bench.reconciler(provider)
    provider.record_pages = {A: body_of([kept, too_new])}
    await reconciler.run_once(asked=Asked(period=bench.period(10), by_ids=True))
    assert (row_of(bench, A).state, row_of(bench, A).proof) == ("short", "counts")
