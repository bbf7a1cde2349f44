"""Reconciling a real lake with a provider over real HTTP."""

import asyncio
from datetime import timedelta

import pytest

from cdrelay.collector.comparison import margin
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.ledger_rows import LedgerTotals
from cdrelay.collector.sources import SourceChange
from tests.integration.collector.collector_bench import START, Bench, only
from tests.support.provider import NOTHING, Call, Provider, Trouble, calls, organization

A, B = organization(1), organization(2)
TEN = START.replace(hour=10, minute=10)


async def test_a_missing_payload_is_repaired_and_the_ledger_says_so(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 5) + calls(B, TEN, 3)
    bench.deliver(calls(B, TEN, 3))
    report = await only(bench.reconciler(provider))
    assert (report.problem, report.short, report.repaired, report.fetched) == (None, 0, 1, 5)
    assert bench.store.lake.total() == 8
    assert bench.states() == {(A, 10): "repaired", (B, 10): "matched"}
    (row,) = bench.ledger.rows(org_uuid=A)
    assert (row.expected, row.stored, row.fetched, row.source) == (5, 5, 5, "webex")


async def test_part_of_an_hour_missing_is_repaired_and_what_was_there_is_stored_once(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 5)
    bench.deliver(calls(A, TEN, 3))
    report = await only(bench.reconciler(provider))
    assert report.fetched == 2
    assert bench.store.lake.total() == 5


async def test_a_second_run_finds_nothing_and_keeps_what_is_known(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 5)
    reconciler = bench.reconciler(provider)
    await reconciler.run_once()
    report = await only(reconciler)
    assert (report.short, report.repaired, report.fetched) == (0, 0, 0)
    assert bench.states() == {(A, 10): "repaired"}


async def test_a_late_record_makes_a_matched_hour_short_and_then_repaired(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 5)
    bench.deliver(provider.records)
    reconciler = bench.reconciler(provider)
    await reconciler.run_once()
    assert bench.states() == {(A, 10): "matched"}
    late = Call(A, TEN + timedelta(minutes=3), 99)
    provider.records.append(late)
    provider.record_troubles[A] = Trouble(500)
    report = await only(reconciler)
    assert bench.states() == {(A, 10): "short"}
    assert report.short == 1
    del provider.record_troubles[A]
    await reconciler.run_once()
    assert bench.states() == {(A, 10): "repaired"}


async def test_equal_counts_hide_a_loss_when_the_provider_withdrew_another_record(
    bench: Bench, provider: Provider
) -> None:
    """The stated limit of counts: of the provider's two records one is missing here, and one of ours it dropped."""
    kept, missing, withdrawn = calls(A, TEN, 3)
    provider.records = [kept, missing]
    bench.deliver([kept, withdrawn])
    await bench.reconciler(provider).run_once()
    assert bench.states() == {(A, 10): "matched"}


async def test_a_repeated_delivery_does_not_hide_a_loss(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 2)
    bench.deliver(provider.records[:1] * 2)
    await bench.reconciler(provider).run_once()
    assert bench.states() == {(A, 10): "repaired"}


async def test_283_organizations_are_two_pages_and_all_are_compared(bench: Bench, provider: Provider) -> None:
    organizations = [organization(number) for number in range(283)]
    provider.records = [Call(org, TEN) for org in organizations]
    bench.deliver(provider.records[:-2])
    report = await only(bench.reconciler(provider))
    assert (report.windows, report.repaired) == (283, 2)
    assert bench.ledger.totals() == LedgerTotals(matched=281, repaired=2)


async def test_trouble_with_one_organization_does_not_stop_the_others(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 5) + calls(B, TEN, 3)
    provider.record_troubles[A] = Trouble(500)
    report = await only(bench.reconciler(provider))
    assert bench.states() == {(A, 10): "short", (B, 10): "repaired"}
    assert report.problem is not None
    assert A in report.problem
    assert [incident.part for incident in bench.incidents.latest()] == ["reconcile"]


async def test_trouble_with_one_hour_does_not_stop_the_others(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 5)
    provider.troubles.extend([Trouble(400, '{"message": "no"}')])
    report = await only(bench.reconciler(provider))
    assert bench.states() == {(A, 10): "repaired"}
    assert report.problem is not None
    assert "no" in report.problem


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_ends_the_run_of_its_source_at_once(
    bench: Bench, provider: Provider, status: int
) -> None:
    provider.troubles.append(Trouble(status, '{"message": "no"}'))
    report = await only(bench.reconciler(provider))
    assert report.requests == 1
    assert report.problem is not None
    assert "access token" in report.problem


async def test_a_token_that_expires_between_two_pages_is_told_and_nothing_is_called_matched(
    bench: Bench, provider: Provider
) -> None:
    provider.records = [Call(organization(number), TEN) for number in range(283)]
    bench.deliver(provider.records)

    def expire(page: int) -> None:
        provider.token = "another" if page == 2 else provider.token

    provider.before_page = expire
    report = await only(bench.reconciler(provider))
    assert report.problem is not None
    assert "access token" in report.problem
    assert set(bench.states().values()) == {"open"}
    assert {row.proof for row in bench.ledger.rows(bench.period(10))} == {"none"}
    assert "access token" in (bench.ledger.rows(bench.period(10))[0].reason or "")


async def test_a_provider_that_does_not_answer_is_left_alone_after_three_hours(
    bench: Bench, provider: Provider
) -> None:
    provider.troubles.extend([Trouble(503)] * 1000)
    report = await only(bench.reconciler(provider))
    assert report.requests == 9
    assert report.problem is not None


async def test_one_source_s_trouble_does_not_stop_the_next(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 1)
    bench.sources.add("first", SourceChange(api=provider.base, token="wrong"))
    bench.sources.add("unasked", SourceChange())
    first, second = await bench.reconciler(provider).run_once()
    assert (first.source, second.source) == ("first", "webex")
    assert first.problem
    assert second.problem is None
    assert bench.states() == {(A, 10): "repaired"}


async def test_a_source_can_be_named_and_must_exist_and_have_a_provider(bench: Bench, provider: Provider) -> None:
    reconciler = bench.reconciler(provider)
    bench.sources.add("unasked", SourceChange())
    (report,) = await reconciler.run_once("unasked")
    assert report.problem is not None
    with pytest.raises(SourceUnknown):
        await reconciler.run_once("other")


async def test_an_hour_under_way_stays_open_until_its_last_delivery_is_past(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, START.replace(minute=10), 5)
    bench.deliver(provider.records)
    reconciler = bench.reconciler(provider)
    await reconciler.run_once()
    assert bench.states() == {(A, 12): "open"}
    bench.clock.advance(timedelta(minutes=36))
    await reconciler.run_once()
    assert bench.states() == {(A, 12): "matched"}


async def test_a_call_whose_regular_delivery_is_still_to_come_is_not_missed(bench: Bench, provider: Provider) -> None:
    bench.clock.advance(timedelta(minutes=3))
    provider.records = calls(A, START - timedelta(minutes=4), 1)
    report = await only(bench.reconciler(provider))
    assert (report.windows, report.fetched) == (0, 0)


async def test_a_loss_in_the_hour_under_way_is_repaired_without_waiting(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, START.replace(minute=10), 5)
    report = await only(bench.reconciler(provider))
    assert report.fetched == 5
    assert bench.states() == {(A, 12): "open"}


async def test_an_hour_whose_beginning_left_the_reach_keeps_its_verdict(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 5) + calls(A, TEN + timedelta(minutes=30), 4)
    bench.deliver(provider.records)
    reconciler = bench.reconciler(provider)
    await reconciler.run_once()
    bench.clock.advance(TEN + timedelta(minutes=20) + timedelta(hours=48) - START)
    await reconciler.run_once()
    (row,) = bench.ledger.rows(bench.period(10), A)
    assert (row.expected, row.stored, row.state) == (9, 9, "matched")


async def test_a_late_record_is_still_fetched_when_the_beginning_of_its_hour_left_the_reach(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 5) + calls(A, TEN + timedelta(minutes=30), 4)
    bench.deliver(provider.records)
    reconciler = bench.reconciler(provider)
    await reconciler.run_once()
    provider.records.append(Call(A, TEN + timedelta(minutes=40), 99))
    bench.clock.advance(TEN + timedelta(minutes=20) + timedelta(hours=48) - START)
    await reconciler.run_once()
    (row,) = bench.ledger.rows(bench.period(10), A)
    assert (row.expected, row.stored, row.state) == (10, 10, "repaired")


async def test_what_is_still_short_when_it_leaves_the_reach_is_lost_and_told_once(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 5)
    provider.record_troubles[A] = NOTHING
    reconciler = bench.reconciler(provider)
    await reconciler.run_once()
    assert bench.states() == {(A, 10): "short"}
    bench.clock.advance(timedelta(hours=48))
    reports = [await only(reconciler), await only(reconciler)]
    assert [report.lost for report in reports] == [1, 0]
    assert bench.states() == {(A, 10): "lost"}
    (told,) = [one.what for one in bench.incidents.latest() if one.part == "reconcile"]
    assert "5 records of 1 windows" in told


async def test_counts_that_were_wrong_once_are_right_in_the_next_run(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 5)
    bench.deliver(provider.records)
    reconciler = bench.reconciler(provider)
    # The first question is now for the whole hour from ten.
    bench.clock.advance(TEN.replace(minute=0) + timedelta(hours=48) - margin(bench.settings.rules) - START)
    provider.miscount_once = {A: 2}
    await reconciler.run_once()
    assert bench.states() == {(A, 10): "short"}
    await reconciler.run_once()
    assert bench.states() == {(A, 10): "matched"}


async def test_records_the_provider_does_not_list_are_a_surplus(bench: Bench, provider: Provider) -> None:
    bench.deliver(calls(A, TEN, 2))
    await bench.reconciler(provider).run_once()
    assert bench.states() == {(A, 10): "surplus"}


async def test_records_of_another_source_are_no_surplus(bench: Bench, provider: Provider) -> None:
    bench.sources.add("other", SourceChange())
    bench.deliver(calls(A, TEN, 2), source="other")
    await bench.reconciler(provider).run_once()
    assert bench.states() == {}


async def test_two_runs_at_once_store_once(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 5)
    bench.sources.add("webex", SourceChange(api=provider.base, token=provider.token))
    reports = await asyncio.gather(bench.reconciler(provider).run_once(), bench.reconciler(provider).run_once())
    assert all(report.problem is None for (report,) in reports)
    assert bench.store.lake.total() == 5
    (row,) = bench.ledger.rows(bench.period(10), A)
    assert (row.state, row.expected, row.stored, row.fetched, row.ways) == ("repaired", 5, 5, 5, ("repair",))


async def test_a_source_removed_during_its_run_ends_the_run(bench: Bench, provider: Provider) -> None:
    reconciler = bench.reconciler(provider)
    provider.before_page = lambda _: bench.sources.remove("webex")
    report = await only(reconciler)
    assert report.problem is not None
    assert "no source 'webex'" in report.problem
    assert report.requests == 1


async def test_the_oldest_hour_is_asked_for_first(bench: Bench, provider: Provider) -> None:
    await bench.reconciler(provider).run_once()
    starts = [request.split("startTime=")[1] for request in provider.requests]
    assert starts == sorted(starts)
    assert len(starts) == 49


async def test_a_token_that_is_replaced_between_two_pages_costs_one_request_and_not_the_run(
    bench: Bench, provider: Provider
) -> None:
    provider.records = [Call(organization(number), TEN) for number in range(283)]
    bench.deliver(provider.records)
    reconciler = bench.reconciler(provider)

    def replace(page: int) -> None:
        if page == 2 and provider.token != "newer":
            provider.token = "newer"
            bench.sources.change("webex", SourceChange(token="newer"))

    provider.before_page = replace
    report = await only(reconciler)
    assert report.problem is None
    assert bench.ledger.totals().matched == 283
    # 49 hours, the second page of one, and that page again.
    assert report.requests == 51
