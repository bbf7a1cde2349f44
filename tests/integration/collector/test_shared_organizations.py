"""Two sources that bring the same organization: what one brought must not hide what the other lost."""

from datetime import timedelta

import pytest

from cdrelay.collector.sources import SourceChange
from tests.integration.collector.collector_bench import START, Bench, only
from tests.integration.collector.test_proof import deliver_hour, records_requests, row_of
from tests.support.provider import Call, Provider, Trouble, calls, organization

SHARED, OWN = organization(1), organization(2)
TEN = START.replace(hour=10, minute=0)
MINE = calls(SHARED, TEN, 4)
"""What the provider of `webex` counts of it."""
OTHERS = [Call(SHARED, TEN + timedelta(minutes=50 + number), 9) for number in range(6)]
"""What only the other source's provider counts of it."""


@pytest.fixture
def shared(bench: Bench, provider: Provider) -> Bench:
    """A bench with a second source, which delivered all that it counts; `provider` is that of the first."""
    provider.records = [*MINE, Call(OWN, TEN)]
    bench.sources.add("other", SourceChange())
    bench.deliver(OTHERS, source="other")
    return bench


async def test_a_loss_is_found_that_a_surplus_of_another_source_hides(shared: Bench, provider: Provider) -> None:
    shared.deliver([*MINE[:1], Call(OWN, TEN)])
    report = await only(shared.reconciler(provider))
    row = row_of(shared, SHARED)
    assert (report.fetched, row.expected, row.stored, row.fetched) == (3, 4, 10, 3)
    assert (row.state, row.proof, row.ways) == ("surplus", "ids", ("repair",))
    assert {call.wire()["Report ID"] for call in MINE} <= shared.store.lake.report_ids(SHARED, shared.period(10))


async def test_a_loss_is_found_that_equal_counts_hide(shared: Bench, provider: Provider) -> None:
    provider.records = [*MINE, *calls(SHARED, TEN + timedelta(minutes=30), 2)]  # six, as the other source brought
    report = await only(shared.reconciler(provider))
    assert (report.fetched, row_of(shared, SHARED).proof) == (6, "ids")


async def test_what_both_brought_is_fetched_once_and_then_only_when_the_count_changed(
    shared: Bench, provider: Provider
) -> None:
    shared.deliver(MINE, source="other")
    shared.store.loader.drain()
    shared.deliver([*MINE, Call(OWN, TEN)])
    reconciler = shared.reconciler(provider)
    for _ in range(3):
        await only(reconciler)
        assert row_of(shared, SHARED).proof == "ids"
    assert len(records_requests(provider)) == 1
    provider.records = [*MINE, Call(SHARED, TEN + timedelta(minutes=40)), Call(OWN, TEN)]
    report = await only(reconciler)
    assert (report.fetched, len(records_requests(provider))) == (1, 2)


async def test_counts_do_where_all_that_is_expected_came_by_the_source_itself(
    shared: Bench, provider: Provider
) -> None:
    shared.deliver([*MINE, Call(OWN, TEN)])
    await only(shared.reconciler(provider))
    assert [(row_of(shared, org).state, row_of(shared, org).proof) for org in (SHARED, OWN)] == [
        ("surplus", "counts"),
        ("matched", "counts"),
    ]
    assert records_requests(provider) == []


async def test_windows_that_came_whole_need_no_fetching(shared: Bench, provider: Provider) -> None:
    provider.records = list(MINE)
    reconciler = shared.reconciler(provider)
    shared.deliver(MINE, source="other")
    shared.store.loader.drain()
    deliver_hour(shared, MINE)
    await only(reconciler)
    assert (row_of(shared, SHARED).proof, records_requests(provider)) == ("ids", [])


async def test_nothing_is_called_complete_while_the_records_cannot_be_fetched(
    shared: Bench, provider: Provider
) -> None:
    reconciler = shared.reconciler(provider)
    provider.record_troubles = {SHARED: Trouble(500)}
    await only(reconciler)
    row = row_of(shared, SHARED)
    assert (row.state, row.proof) == ("open", "none")
    assert "no usable answer" in (row.reason or "")
    provider.record_troubles = {}
    await only(reconciler)
    assert (row_of(shared, SHARED).state, row_of(shared, SHARED).fetched) == ("surplus", 4)
