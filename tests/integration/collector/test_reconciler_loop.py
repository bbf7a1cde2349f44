"""The reconciler as it runs: by the schedule, after a start, an outage, a missing window; sources side by side."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from cdrelay.collector.reconciliation import Reconciler
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.manifest import Manifest
from cdrelay.contract.windows import Period
from cdrelay.control.tables import reconciliations
from cdrelay.lake.spool import Envelope
from cdrelay.wiring.alarms import open_alarms, open_watch
from tests.integration.collector.collector_bench import START, Bench, until
from tests.support.provider import NOTHING, Call, Provider, Trouble, body_of, calls, organization

A = organization(1)
TEN = START.replace(hour=10, minute=10)
MINUTE = timedelta(minutes=1)


class Loop:
    """A reconciler that runs while the test moves the clock."""

    def __init__(self, bench: Bench, reconciler: Reconciler) -> None:
        self._clock = bench.clock
        self._reconciler = reconciler
        self._looks = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """From its first look at its one source on."""

        def looked(_source: str) -> None:
            self._looks += 1

        self._reconciler.step = looked
        task = asyncio.create_task(self._reconciler.run())
        try:
            await until(lambda: self._looks == 1)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def minutes_pass(self, holds: Callable[[], bool], most: int = 60) -> int:
        """Move the clock from minute to minute, a look in each, until it holds; how many minutes that took."""
        for minute in range(most):
            if holds():
                return minute
            looks = self._looks
            self._clock.advance(MINUTE)
            await until(lambda looks=looks: self._looks > looks)  # type: ignore[misc]
        assert holds()
        return most


def causes(bench: Bench) -> list[str]:
    """Of all runs so far."""
    with bench.database.read() as connection:
        return list(connection.scalars(select(reconciliations.c.cause).order_by(reconciliations.c.id)))


def from_twelve(provider: Provider) -> bool:
    """Whether the hour from twelve was asked for."""
    return any("startTime=2026-11-24T12:00" in request for request in provider.requests)


def asked_about(provider: Provider, start: str) -> int:
    """How often the partner endpoints were asked from that moment on."""
    return len([request for request in provider.requests if f"startTime={start}" in request])


async def test_all_hours_are_compared_after_a_start_and_each_again_at_its_time(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 3)
    loop = Loop(bench, bench.reconciler(provider))
    async with loop.running():
        assert causes(bench) == ["start"]
        assert bench.states() == {(A, 10): "repaired"}
        assert len([one for one in provider.requests if "cdrcountbyorg" in one]) == 48
        # The hour under way is compared when it is over and its last delivery past: at 13:05:30.
        assert await loop.minutes_pass(lambda: from_twelve(provider)) == 36
    # And at 13:00 two that are looked at anyway: 24 hours after the end, and an hour before the reach ends.
    assert causes(bench) == ["start", "schedule", "schedule"]
    starts = [request.split("startTime=")[1][:16] for request in provider.requests if "cdrcount" in request][48:]
    assert starts == ["2026-11-22T14:00", "2026-11-23T12:00", "2026-11-24T12:00"]


async def test_a_process_that_starts_again_does_not_ask_for_everything_again(bench: Bench, provider: Provider) -> None:
    async with Loop(bench, bench.reconciler(provider)).running():
        assert causes(bench) == ["start"]
    asked = len(provider.requests)
    for _ in range(3):
        bench.clock.advance(MINUTE)
        async with Loop(bench, bench.reconciler(provider)).running():
            assert len(provider.requests) == asked


async def test_after_an_outage_of_the_deliveries_its_hours_are_compared(bench: Bench, provider: Provider) -> None:
    def deliver() -> None:
        bench.deliver([])
        bench.store.loader.drain()

    loop = Loop(bench, bench.reconciler(provider))
    deliver()
    async with loop.running():
        # The hour from twelve is compared at 13:06, while nothing comes.
        assert await loop.minutes_pass(lambda: from_twelve(provider)) == 36
        assert await loop.minutes_pass(lambda: bench.clock.now() == START + 40 * MINUTE) == 4
        asked = len(provider.requests)
        provider.records = [Call(A, START + 10 * MINUTE)]
        deliver()
        assert await loop.minutes_pass(lambda: len(provider.requests) > asked) == 1
    assert causes(bench)[-1] == "outage"
    assert {request.split("startTime=")[1][:16] for request in provider.requests[asked:]} == {"2026-11-24T12:00"}
    assert bench.states() == {(A, 12): "repaired"}


async def test_what_is_first_found_short_near_the_edge_is_judged_when_it_has_left(bench: Bench) -> None:
    """It is called lost, and the alarm goes out, within minutes; and nobody is asked again and again until then."""
    leaving = START.replace(day=22, hour=13, minute=0)  # its beginning leaves the reach half an hour after the start
    provider = Provider(
        bench.clock, history=[], records=calls(A, leaving + 10 * MINUTE, 3), record_troubles={A: NOTHING}
    )
    watch = open_watch(bench.foundation, bench.store, alarms := open_alarms(bench.foundation))
    async with provider:
        loop = Loop(bench, bench.reconciler(provider))
        async with loop.running():
            assert bench.states() == {(A, 13): "short"}
            requests = len(provider.history_requests), asked_about(provider, "2026-11-22T13")
            assert requests == (1, 2)  # counts, records
            assert await loop.minutes_pass(lambda: bench.states() == {(A, 13): "lost"}, most=100) == 90
            assert (len(provider.history_requests), asked_about(provider, "2026-11-22T13")) == (2, 2)
    watch.look()
    assert "records-lost" in {alarm.kind for alarm in alarms.standing()}


async def test_a_missing_window_is_asked_for_at_once(bench: Bench, provider: Provider) -> None:
    def deliver(minutes_ago: int) -> None:
        window = Period(START - minutes_ago * MINUTE, START - (minutes_ago - 5) * MINUTE)
        envelope = Envelope(
            id=str(uuid4()),
            source="webex",
            channel="webhook",
            received=bench.clock.now(),
            manifest=Manifest(window, 1, 1, 0, ""),
        )
        bench.store.spool.put(envelope, body_of([]))
        bench.store.loader.drain()

    loop = Loop(bench, bench.reconciler(provider))
    deliver(15)
    async with loop.running():
        assert causes(bench) == ["start"]
        provider.records = [Call(A, START - 7 * MINUTE)]
        # The window from 12:20 does not come; it is missing from 12:30:30 on.
        assert await loop.minutes_pass(lambda: "window" in causes(bench)) == 1
        assert bench.store.lake.total() == 1


async def test_a_provider_that_failed_and_works_again_is_asked_for_what_is_owed(
    bench: Bench, provider: Provider
) -> None:
    provider.records = calls(A, TEN, 3)
    provider.troubles.extend([Trouble(503)] * 9)
    loop = Loop(bench, bench.reconciler(provider))
    async with loop.running():
        assert len(provider.requests) == 9
        assert await loop.minutes_pass(lambda: len(causes(bench)) == 2) == 5
    assert causes(bench) == ["start", "outage"]
    assert bench.states() == {(A, 10): "repaired"}


async def test_a_provider_that_is_down_is_not_asked_again_and_again(bench: Bench, provider: Provider) -> None:
    provider.troubles.extend([Trouble(503)] * 10_000)
    loop = Loop(bench, bench.reconciler(provider))
    async with loop.running():
        with pytest.raises(AssertionError):
            await loop.minutes_pass(lambda: False, most=60)
    # In an hour at 0, 5, 15 and 35 minutes: nine requests each.
    assert len(provider.requests) == 4 * 9
    assert len([one for one in bench.incidents.latest(100) if one.part == "reconcile"]) == 1


async def test_a_provider_that_does_not_answer_holds_up_no_other(bench: Bench, provider: Provider) -> None:
    provider.records = calls(A, TEN, 3)
    held, reconciler = asyncio.Event(), bench.reconciler(provider)

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    dead = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = dead.sockets[0].getsockname()[1]
    for number in range(3):
        bench.sources.add(f"dead-{number}", SourceChange(api=f"http://127.0.0.1:{port}", token="any"))
    running = asyncio.create_task(reconciler.run())
    try:
        await until(lambda: bench.states().get((A, 10)) == "repaired")
    finally:
        held.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        dead.close()


async def test_the_hours_of_all_sources_are_asked_for_edge_first_where_there_is_one_slot(
    bench: Bench, provider: Provider
) -> None:
    bench.sources.add("another", SourceChange(api=provider.base, token=provider.token))
    bench.at_once = 1
    await bench.reconciler(provider).run_once()
    starts = [request.split("startTime=")[1][:24] for request in provider.requests]
    assert len(starts) == 98
    assert starts == sorted(starts)
