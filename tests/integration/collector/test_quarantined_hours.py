"""An hour that lacks only what lies in quarantine: it is fetched again only when that can help, and says why."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

from structlog.testing import capture_logs
from typer.testing import CliRunner

from cdrelay.cli import quarantine as commands
from cdrelay.cli.context import Context
from cdrelay.collector.reconciliation import Asked, Reconciler
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from tests.integration.collector.collector_bench import START, Bench
from tests.support.provider import Call, Provider, body_of, calls, organization

A = organization(1)
TEN = START.replace(hour=10, minute=10)
GOOD, BROKEN, OTHER = calls(A, TEN, 3)
HOUR = timedelta(hours=1)


async def look(reconciler: Reconciler) -> None:
    """What the collector does in a minute, after a start."""
    looked = asyncio.Event()
    reconciler.step = lambda _source: looked.set()
    task = asyncio.create_task(reconciler.run())
    try:
        await asyncio.wait_for(looked.wait(), 30)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def fetched(provider: Provider) -> int:
    return len([request for request in provider.requests if "cdrsbyorg" in request])


def counted(provider: Provider) -> int:
    return len([request for request in provider.requests if "cdrcountbyorg" in request and "T10:00" in request])


def row(bench: Bench) -> tuple[str, str | None]:
    (found,) = bench.ledger.rows(bench.period(10), A)
    return found.state, found.reason


def without_id(*records: Call) -> bytes:
    """With a Report ID of BROKEN that cannot be read."""
    return body_of(records).replace(BROKEN.wire()["Report ID"].encode(), b"no-uuid")


async def test_what_the_provider_gave_broken_is_fetched_again_only_when_more_is_missing_and_at_the_second_looks(
    bench: Bench, provider: Provider
) -> None:
    provider.records, provider.record_pages = [GOOD, BROKEN], {A: without_id(GOOD, BROKEN)}
    reconciler = bench.reconciler(provider)
    await look(reconciler)
    assert (fetched(provider), row(bench)) == (1, ("short", "1 missing, 1 in quarantine"))
    for _ in range(3):
        asked = counted(provider)
        bench.clock.advance(2 * HOUR)
        await look(reconciler)
        assert counted(provider) > asked
        assert (fetched(provider), row(bench)) == (1, ("short", "1 missing, 1 in quarantine"))
    provider.records.append(OTHER)
    bench.clock.advance(3 * HOUR)
    await look(reconciler)
    assert fetched(provider) == 2
    assert (row(bench)[1] or "").startswith("2 missing, 1 in quarantine; ")
    provider.records.remove(OTHER)
    fetches = []
    for _ in range(6):
        bench.clock.advance(6 * HOUR)
        await look(reconciler)
        fetches.append(fetched(provider))
    assert fetches == [2, 2, 3, 3, 3, 4]  # 24 hours after its end, and an hour before it leaves the reach
    assert len(bench.store.quarantine.payloads()) == 4


async def test_a_record_in_quarantine_that_the_provider_withdrew_hides_no_loss(
    bench: Bench, provider: Provider
) -> None:
    provider.records, provider.record_pages = [GOOD, BROKEN], {A: without_id(GOOD, BROKEN)}
    reconciler = bench.reconciler(provider)
    await look(reconciler)
    assert row(bench) == ("short", "1 missing, 1 in quarantine")
    provider.records, provider.record_pages = [GOOD], {}
    bench.clock.advance(2 * HOUR)
    await look(reconciler)
    assert (fetched(provider), row(bench)) == (1, ("repaired", None))
    provider.records = [GOOD, OTHER]
    bench.clock.advance(2 * HOUR)
    await look(reconciler)
    assert (fetched(provider), row(bench)) == (2, ("repaired", None))


async def test_a_person_who_asks_for_it_has_it_fetched(bench: Bench, provider: Provider) -> None:
    provider.records, provider.record_pages = [GOOD, BROKEN], {A: without_id(GOOD, BROKEN)}
    reconciler = bench.reconciler(provider)
    await look(reconciler)
    provider.record_pages = {}  # the provider mended it
    await reconciler.run_once(asked=Asked(period=bench.period(10)))
    assert (fetched(provider), row(bench)) == (2, ("repaired", None))


async def test_it_is_known_also_of_records_that_do_not_say_whose_they_are(bench: Bench, provider: Provider) -> None:
    provider.records = [GOOD, BROKEN]
    provider.record_pages = {A: json.dumps({"items": [GOOD.wire(), {"Report ID": "?"}]}).encode()}
    reconciler = bench.reconciler(provider)
    await look(reconciler)
    assert row(bench) == ("short", "1 missing, 1 in quarantine")
    bench.clock.advance(2 * HOUR)
    await look(reconciler)
    assert fetched(provider) == 1


async def test_what_only_a_delivery_brought_broken_is_fetched_for_the_provider_may_give_it_whole(
    bench: Bench, provider: Provider
) -> None:
    provider.records = [GOOD, BROKEN]
    bench.deliver([GOOD])
    envelope = Envelope(id="bad", source="webex", channel="webhook", received=bench.clock.now())
    bench.store.spool.put(envelope, without_id(BROKEN))
    await look(bench.reconciler(provider))
    assert (fetched(provider), row(bench)) == (1, ("repaired", None))


async def test_a_record_that_is_stored_by_now_does_not_explain_another_that_is_missing(
    bench: Bench, provider: Provider
) -> None:
    loader = bench.store.loader
    limits, loader._limits = loader._limits, replace(loader._limits, max_age=HOUR)
    provider.records = [BROKEN]
    reconciler = bench.reconciler(provider)
    await look(reconciler)
    assert row(bench) == ("short", "1 missing, 1 in quarantine")
    loader._limits = limits
    bench.deliver([BROKEN])
    provider.records.append(OTHER)
    provider.record_pages = {A: body_of([BROKEN])}
    bench.clock.advance(2 * HOUR)
    await look(reconciler)
    assert fetched(provider) == 2
    assert (row(bench)[1] or "").startswith("1 missing; ")


async def test_after_loading_again_it_is_counted_again(bench: Bench, provider: Provider) -> None:
    loader = bench.store.loader
    loader._limits = replace(loader._limits, max_age=HOUR)  # what a person mends by a setting
    provider.records = [GOOD, BROKEN]
    reconciler = bench.reconciler(provider)
    await look(reconciler)
    bench.clock.advance(HOUR)
    await look(reconciler)
    assert (fetched(provider), row(bench)) == (1, ("short", "2 missing, 2 in quarantine"))
    context = Context(read_settings({"CDRELAY_HOME": str(bench.settings.home), "CDRELAY_DISK_RESERVE_BYTES": "0"}))
    with capture_logs():
        loaded = CliRunner().invoke(commands.app, ["load", "--all"], obj=context)
    context.close()
    assert loaded.exit_code == 0, loaded.output
    assert row(bench)[0] == "matched"
    bench.clock.advance(13 * HOUR)
    await look(reconciler)
    assert fetched(provider) == 1


async def test_what_is_still_broken_after_loading_again_is_still_not_fetched(bench: Bench, provider: Provider) -> None:
    provider.records, provider.record_pages = [GOOD, BROKEN], {A: without_id(GOOD, BROKEN)}
    reconciler = bench.reconciler(provider)
    await look(reconciler)
    context = Context(read_settings({"CDRELAY_HOME": str(bench.settings.home), "CDRELAY_DISK_RESERVE_BYTES": "0"}))
    with capture_logs():
        CliRunner().invoke(commands.app, ["load", "--all"], obj=context)
    context.close()
    assert [name[-2:] for name in bench.store.quarantine.payloads()] == ["~2"]
    bench.clock.advance(2 * HOUR)
    await look(reconciler)
    assert (fetched(provider), row(bench)) == (1, ("short", "1 missing, 1 in quarantine"))
