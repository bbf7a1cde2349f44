"""The machine's clock was wrong by an hour or a day and is set right: nothing waits until it catches up."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cdrelay.clock import ManualClock
from cdrelay.contract.times import write_time
from cdrelay.provider_history import read_cursor
from tests.integration.collector.collector_bench import START, Bench, until
from tests.integration.collector.test_alarms import Watched, quiet
from tests.integration.collector.test_pulling_collector import NAME as PULLED
from tests.integration.collector.test_pulling_collector import Pull, homes, rig
from tests.support.provider import Provider, Trouble, calls, organization

A = organization(1)
TEN = START.replace(hour=10, minute=10)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

__all__ = ["homes", "rig"]


async def reconciled(bench: Bench, provider: Provider, state: str) -> None:
    """A collector that starts now comes to this state, by its schedule."""
    running = asyncio.create_task(bench.reconciler(provider).run())
    try:
        await until(lambda: bench.states() == {(A, 10): state})
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@pytest.mark.parametrize("wrong", [HOUR, DAY])
async def test_what_was_short_under_a_clock_that_was_ahead_is_repaired_once_it_is_set_back(
    bench: Bench, provider: Provider, wrong: timedelta
) -> None:
    provider.records = calls(A, TEN, 5)
    provider.record_troubles[A] = Trouble(500)
    bench.clock.advance(wrong)
    await reconciled(bench, provider, "short")

    del provider.record_troubles[A]
    bench.clock.set_back(wrong)

    await reconciled(bench, provider, "repaired")


async def test_what_was_given_up_under_a_clock_that_was_a_day_ahead_is_lost_no_more_once_it_is_set_back(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 5)
    provider.record_troubles[A] = Trouble(500)
    await reconciled(bench, provider, "short")
    bench.clock.advance(40 * HOUR + DAY)
    await reconciled(bench, provider, "lost")

    del provider.record_troubles[A]
    bench.clock.set_back(DAY)

    await reconciled(bench, provider, "repaired")


async def test_an_hour_that_failed_under_a_clock_that_was_ahead_holds_up_nothing(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 5)
    provider.troubles.extend([Trouble(400)] * 100)
    bench.clock.advance(DAY)
    await bench.reconciler(provider).run_once()
    assert bench.states() == {}

    provider.troubles.clear()
    bench.clock.set_back(DAY)

    await reconciled(bench, provider, "repaired")


async def test_a_cursor_that_lies_ahead_is_set_back_to_what_the_stream_gives(rig: Pull) -> None:
    rig.store(1, 2)
    await rig.pull()
    rig.collector.sources.alter(PULLED, lambda now: replace(now, cursor=write_time(rig.clock.now() + 12 * HOUR)))
    rig.store(3, stored_ago=3 * HOUR)

    for _ in range(8):
        await rig.pull()

    assert rig.pulled() == 3
    cursor = read_cursor(rig.source.cursor)
    assert cursor is not None
    assert cursor <= rig.clock.now()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """With a source that delivers."""
    opened = Watched(tmp_path / "watched", ManualClock(START))
    opened.add_source()
    yield opened
    opened.close()


def test_a_source_is_silent_also_where_it_delivered_last_under_a_clock_that_was_ahead(watched: Watched) -> None:
    quiet(watched)
    watched.deliver(START - 5 * MINUTE)
    watched.clock.advance(HOUR)
    watched.deliver(START + 55 * MINUTE)
    watched.clock.set_back(HOUR)

    assert "source-silent" not in watched.look(29 * MINUTE)
    assert "source-silent" in watched.look(MINUTE)


def test_an_alarm_is_over_also_where_it_was_seen_under_a_clock_that_was_ahead(watched: Watched) -> None:
    quiet(watched)
    watched.clock.advance(DAY)
    watched.alarms.raise_("spool-grows", "", "Payloads wait.")
    watched.clock.set_back(DAY)

    assert "spool-grows" not in watched.look()


def test_a_clock_that_is_set_forward_is_not_called_a_collector_that_did_not_run(watched: Watched) -> None:
    quiet(watched)
    watched.watch.look()
    watched.clock.advance(DAY)
    watched.watch.look()

    (past,) = [alarm for alarm in watched.alarms.latest() if alarm.kind == "not-running"]
    assert past.what.endswith("its machine slept, or its clock was set forward.")


async def test_a_provider_that_refuses_a_period_shows_whose_clock_is_off(bench: Bench, provider: Provider) -> None:
    date = bench.clock.now() - DAY
    refused = Trouble(400, '{"message": "endTime"}', {"Date": f"{date:%a, %d %b %Y %H:%M:%S} GMT"})
    provider.troubles.extend([refused] * 100)

    (report,) = await bench.reconciler(provider).run_once()

    assert report.problem is not None
    assert "endTime; this machine's clock is 24 hours ahead of that of the answer" in report.problem


async def test_a_clock_that_is_set_back_in_the_middle_of_a_run_does_not_end_it_with_an_error(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 5)
    provider.before_page = lambda page: bench.clock.set_back(HOUR)  # again and again

    (report,) = await bench.reconciler(provider).run_once()

    assert report.requests > 0
    provider.before_page = lambda page: None
    bench.clock.advance(START - bench.clock.now())
    await reconciled(bench, provider, "repaired")
