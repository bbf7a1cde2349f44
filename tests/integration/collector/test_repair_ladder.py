"""The repair ladder: the records endpoint, cdr_feed, giving up."""

from datetime import timedelta

import pytest

from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.reconciliation import Asked
from cdrelay.lake.engine import EngineLimits
from cdrelay.lake.export import Reader
from tests.integration.collector.collector_bench import START, Bench, only
from tests.support.provider import NOTHING, Call, Provider, Trouble, calls, organization

A, B = organization(1), organization(2)
TEN = START.replace(hour=10, minute=0)


@pytest.fixture
def feed(bench: Bench) -> Provider:
    """A provider with a cdr_feed, not running yet."""
    return Provider(bench.clock, history=[])


def row_of(bench: Bench, org_uuid: str, hour: int = 10) -> LedgerRow:
    (row,) = bench.ledger.rows(bench.period(hour), org_uuid)
    return row


def channels(bench: Bench, org_uuid: str) -> set[str]:
    """By which channels the payloads came that are stored of it."""
    with Reader(bench.store.lake.folder, EngineLimits(512, 1), bench.store.folder / "reading") as reader:
        rows = reader.ask("SELECT DISTINCT org_uuid, channel FROM records").rows
        return {channel for org, channel in rows if org == org_uuid}


async def test_what_the_records_endpoint_does_not_give_comes_by_cdr_feed_and_says_so(
    bench: Bench, feed: Provider
) -> None:
    feed.records, feed.history = calls(A, TEN, 5), calls(A, TEN, 5)
    feed.record_troubles[A] = NOTHING
    bench.deliver(feed.records[:3])
    async with feed:
        report = await only(bench.reconciler(feed))
    row = row_of(bench, A)
    assert (report.short, report.repaired, report.fetched, report.problem) == (0, 1, 2, None)
    assert (row.state, row.ways, row.fetched) == ("repaired", ("history",), 2)
    assert channels(bench, A) == {"webhook", "history"}
    (request,) = feed.history_requests
    # Three hours more, because its times may mean the start of the call.
    assert f"orgId={A}" in request
    assert "startTime=2026-11-24T07:00:00.000Z&endTime=2026-11-24T11:00:00.000Z" in request


async def test_hours_close_together_are_asked_for_at_once(bench: Bench, feed: Provider) -> None:
    feed.records = [Call(A, TEN + timedelta(hours=hour)) for hour in (-2, -1, 0)]
    feed.history = feed.records
    feed.record_troubles[A] = NOTHING
    async with feed:
        report = await only(bench.reconciler(feed))
    assert (report.short, report.repaired, len(feed.history_requests)) == (0, 3, 1)


async def test_a_period_that_is_refused_is_asked_for_without_what_began_before(bench: Bench, feed: Provider) -> None:
    feed.records, feed.history = calls(A, TEN, 5), calls(A, TEN, 5)
    feed.record_troubles[A] = NOTHING
    feed.history_reach = START - TEN
    async with feed:
        await only(bench.reconciler(feed))
    assert row_of(bench, A).state == "repaired"
    assert ["startTime=2026-11-24T10:00" in request for request in feed.history_requests] == [False, True]


async def test_an_hour_that_left_the_reach_is_asked_for_once_more_before_it_is_lost(
    bench: Bench, feed: Provider
) -> None:
    feed.records, feed.history = calls(A, TEN, 5), []
    feed.record_troubles[A] = NOTHING
    async with feed:
        reconciler = bench.reconciler(feed)
        await only(reconciler)
        assert (row_of(bench, A).state, row_of(bench, A).reason) == (
            "short",
            "5 missing; cdr_feed does not give them either",
        )
        bench.clock.advance(timedelta(hours=49))
        feed.history += feed.records
        report = await only(reconciler)
    assert report.lost == 0
    assert (row_of(bench, A).state, row_of(bench, A).ways) == ("repaired", ("history",))


async def test_nothing_is_lost_while_cdr_feed_fails_until_it_was_tried_often_enough(
    bench: Bench, feed: Provider
) -> None:
    feed.records = calls(A, TEN, 5)
    feed.record_troubles[A] = NOTHING
    lost, told = [], 0
    async with feed:
        reconciler = bench.reconciler(feed)
        await only(reconciler)
        bench.clock.advance(timedelta(hours=49))
        feed.history_troubles.extend([Trouble(500)] * 1000)
        for _ in range(8):
            lost.append((await only(reconciler)).lost)
            told += row_of(bench, A).state == "short"
            bench.clock.advance(timedelta(hours=1))
    assert sum(lost) == 1
    assert lost[:4] == [0, 0, 0, 0]
    assert told == lost.index(1)
    assert row_of(bench, A).state == "lost"
    (incident,) = [one for one in bench.incidents.latest(100) if "are lost" in one.what]
    assert "5 records of 1 windows" in incident.what


async def test_an_oldest_hour_whose_missing_record_came_late_is_not_lost(bench: Bench, provider: Provider) -> None:
    """What is short when its beginning leaves the reach, and complete by a delivery after that."""
    provider.records = [Call(A, TEN), Call(A, TEN + timedelta(minutes=50))]
    bench.deliver(provider.records[1:])
    provider.record_troubles[A] = Trouble(500)
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    assert row_of(bench, A).state == "short"
    bench.clock.advance(TEN + timedelta(minutes=30) + timedelta(hours=48) - START)
    bench.deliver(provider.records[:1])
    await only(reconciler)
    assert (row_of(bench, A).state, row_of(bench, A).stored) == ("matched", 2)
    bench.clock.advance(timedelta(hours=2))
    assert (await only(reconciler)).lost == 0


async def test_what_came_after_it_left_the_reach_is_seen_before_anything_is_called_lost(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 3)
    provider.record_troubles[A] = Trouble(500)
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    bench.clock.advance(timedelta(hours=49))
    bench.deliver(provider.records)
    assert (await only(reconciler)).lost == 0
    assert row_of(bench, A).state == "matched"


async def test_a_lost_window_is_looked_at_again_by_hand(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 3)
    provider.record_troubles[A] = Trouble(500)
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    bench.clock.advance(timedelta(hours=49))
    assert (await only(reconciler)).lost == 1
    bench.deliver(provider.records)
    await reconciler.run_once(asked=Asked(period=bench.period(10)))
    assert row_of(bench, A).state == "repaired"


async def test_what_was_never_compared_in_reach_is_neither_matched_nor_lost(bench: Bench, provider: Provider) -> None:
    bench.deliver(calls(A, TEN, 3))
    provider.troubles.extend([Trouble(503)] * 1000)
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    row = row_of(bench, A)
    assert (row.state, row.proof, row.stored, row.reason) == ("open", "none", 3, "not compared yet")
    bench.clock.advance(timedelta(hours=49))
    await only(reconciler)
    row = row_of(bench, A)
    assert (row.state, row.proof) == ("open", "none")
    assert row.reason == "left the provider's reach uncompared; not compared yet"


async def test_an_hour_of_which_only_the_end_was_compared_is_not_proved_by_repairing_that(
    bench: Bench, provider: Provider
) -> None:
    """The first call of the hour was never compared; the second is missing, and fetched."""
    provider.records = [Call(A, TEN), Call(A, TEN + timedelta(minutes=50))]
    bench.clock.advance(TEN + timedelta(minutes=30) + timedelta(hours=48) - START)
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    row = row_of(bench, A)
    assert (row.state, row.proof, row.expected, row.stored) == ("open", "none", 1, 1)
    assert row.reason == "left the provider's reach uncompared, its beginning"


async def test_an_hour_of_which_only_the_end_was_compared_is_not_proved_by_what_comes_later(
    bench: Bench, provider: Provider
) -> None:
    provider.records = [Call(A, TEN), Call(A, TEN + timedelta(minutes=50))]
    provider.record_troubles[A] = Trouble(500)
    bench.clock.advance(TEN + timedelta(minutes=30) + timedelta(hours=48) - START)
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    assert (row_of(bench, A).state, row_of(bench, A).proof) == ("short", "none")
    bench.deliver(provider.records[1:])
    bench.clock.advance(timedelta(hours=13))
    assert (await only(reconciler)).lost == 0
    assert (row_of(bench, A).state, row_of(bench, A).proof) == ("open", "none")


async def test_an_hour_of_which_only_the_end_was_compared_is_lost_when_that_is_not_to_be_had(
    bench: Bench, provider: Provider
) -> None:
    provider.records = [Call(A, TEN), Call(A, TEN + timedelta(minutes=50))]
    provider.record_troubles[A] = Trouble(500)
    bench.clock.advance(TEN + timedelta(minutes=30) + timedelta(hours=48) - START)
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    bench.clock.advance(timedelta(hours=13))
    assert (await only(reconciler)).lost == 1
    assert row_of(bench, A).state == "lost"


async def test_every_known_organization_has_a_row_for_each_whole_hour_in_reach(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 1)
    bench.deliver(provider.records)
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    await only(reconciler)
    rows = bench.ledger.rows(org_uuid=A)
    assert len([row for row in rows if row.window.end <= START]) == 47
    assert {row.state for row in rows if not row.expected} == {"matched", "open"}  # the last is under way
