"""Why it is silent, by what a real control database holds after deliveries, comparisons and absences."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from cdrelay.collector.alarms.facts import Facts
from cdrelay.collector.alarms.store import Alarms
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.reconciliation import Progress
from cdrelay.collector.silence import Explanation, Silence
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.manifest import Manifest, digest_of
from cdrelay.contract.windows import Period
from cdrelay.control.tables import compared_hours, ledger
from cdrelay.lake.spool import Envelope
from tests.integration.collector.collector_bench import START, Bench
from tests.support.provider import TOKEN, Call, Provider, body_of, calls, organization

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TEN = START.replace(hour=10, minute=0)
AT_TEN = Period(TEN, TEN + HOUR)
ONE, TWO = organization(1), organization(2)


@pytest.fixture
def silence(bench: Bench) -> Silence:
    """Of a bench with the source `webex`, which can be asked."""
    bench.sources.add("webex", SourceChange(api="https://api.example.com", token=TOKEN))
    return Silence(bench.database, bench.clock, bench.settings.rules)


def write(bench: Bench, statement: Any) -> None:
    with bench.database.write() as connection:
        connection.execute(statement)


def compared(bench: Bench, at: datetime | None = START, problem: str | None = None) -> None:
    """The hour from ten was asked about."""
    values = {"source": "webex", "window_start": TEN, "tried_at": START, "failures": int(at is None)}
    write(bench, insert(compared_hours).values(values | {"compared_at": at, "problem": problem}))


def counted(bench: Bench, org_uuid: str, expected: int, stored: int = 0) -> None:
    """What the ledger says of an organization's hour from ten."""
    row = {"source": "webex", "org_uuid": org_uuid, "window_start": TEN, "window_end": TEN + HOUR, "fetched": 0}
    values = row | {"expected": expected, "stored": stored, "state": "short", "checked_at": START}
    write(bench, insert(ledger).values(values))


def deliver(bench: Bench, received: datetime, window: Period | None = None) -> None:
    """A delivery of one record of another hour at that moment, loaded."""
    call = Call(ONE, START - 5 * HOUR)
    manifest = window and Manifest(window, 1, 1, 1, digest_of([call.wire()["Report ID"]]))
    envelope = Envelope(
        id=f"at-{received:%H%M}", source="webex", channel="webhook", received=received, manifest=manifest
    )
    bench.store.spool.put(envelope, body_of([call]))
    bench.store.loader.drain()


def of(silence: Silence, org_uuid: str | None = None, period: Period = AT_TEN) -> Explanation:
    return silence.explain("webex", org_uuid, period)


def test_counts_of_none_say_that_there_were_no_calls(bench: Bench, silence: Silence) -> None:
    compared(bench)
    counted(bench, ONE, 5, 5)
    assert of(silence, TWO).kind == "no calls"
    assert of(silence, ONE).kind == "records"
    assert of(silence).kind == "records"


def test_an_hour_compared_before_it_was_over_proves_nothing(bench: Bench, silence: Silence) -> None:
    compared(bench, TEN + 30 * MINUTE)
    assert of(silence, TWO).kind == "asked in part"


def test_an_hour_compared_before_its_last_delivery_was_past_proves_nothing(bench: Bench, silence: Silence) -> None:
    compared(bench, TEN + HOUR + 5 * MINUTE + timedelta(seconds=10))
    assert of(silence, TWO).kind == "asked in part"


def test_of_a_longer_time_every_hour_must_have_been_compared(bench: Bench, silence: Silence) -> None:
    compared(bench)
    assert of(silence, None, AT_TEN).kind == "no calls"
    assert of(silence, None, Period(TEN, TEN + 2 * HOUR)).kind == "asked in part"


async def test_an_hour_of_which_only_the_end_could_be_asked_is_not_without_calls(
    bench: Bench, provider: Provider
) -> None:
    bench.clock.advance(2 * 24 * HOUR - 2 * HOUR)  # half of the hour from ten has left the reach
    reconciler, silence = bench.reconciler(provider), Silence(bench.database, bench.clock, bench.settings.rules)
    await reconciler.run_once()
    found = of(silence, TWO)
    assert (found.kind, "nobody knows" in found.text) == ("asked in part", True)
    assert of(silence, TWO, Period(TEN + HOUR, TEN + 2 * HOUR)).kind == "no calls"


async def test_what_was_said_of_a_whole_hour_holds_when_its_end_is_asked_again(
    bench: Bench, provider: Provider
) -> None:
    reconciler, silence = bench.reconciler(provider), Silence(bench.database, bench.clock, bench.settings.rules)
    await reconciler.run_once()
    bench.clock.advance(2 * 24 * HOUR - 2 * HOUR)
    await reconciler.run_once()
    assert any("startTime=2026-11-24T10:30" in request for request in provider.requests)
    assert of(silence, TWO).kind == "no calls"


async def test_an_hour_that_ends_while_a_run_is_under_way_is_asked_for_as_it_is_then(
    bench: Bench, provider: Provider
) -> None:
    """The run was planned when the hour from twelve was under way, and asks for it when it is over."""
    reconciler, silence = bench.reconciler(provider), Silence(bench.database, bench.clock, bench.settings.rules)
    late = Period(TEN + 2 * HOUR, TEN + 3 * HOUR)

    def slowly(at: Progress) -> None:
        if at.done == at.spans - 1:
            provider.records = calls(ONE, late.end - 20 * MINUTE, 3)
            bench.clock.advance(40 * MINUTE)

    await reconciler.run_once(progress=slowly)
    assert of(silence, ONE, late).kind == "records"
    assert of(silence, TWO, late).kind == "no calls"


async def test_an_hour_whose_end_became_due_while_it_was_compared_is_not_taken_for_compared_whole(
    bench: Bench, provider: Provider
) -> None:
    noon = START.replace(minute=0)
    bench.clock.advance(noon + HOUR + 5 * MINUTE + timedelta(seconds=20) - START)
    provider.records = [Call(ONE, noon + MINUTE)]
    bench.deliver(provider.records)

    def slowly(_page: int) -> None:
        if provider.requests and "startTime=2026-11-24T11:00" in provider.requests[-1]:
            # The hour from twelve is asked for after that from eleven.
            bench.clock.advance(timedelta(seconds=20))

    provider.before_page = slowly
    await bench.reconciler(provider).run_once()
    assert bench.states() == {(ONE, 12): "open"}
    assert (
        of(Silence(bench.database, bench.clock, bench.settings.rules), TWO, Period(noon, noon + HOUR)).kind
        != "no calls"
    )


def test_what_nobody_asked_about_in_time_is_not_to_be_asked_for_any_more(bench: Bench, silence: Silence) -> None:
    assert "cdrelay reconcile" in of(silence).text
    bench.clock.advance(2 * 24 * HOUR)
    found = of(silence)
    assert (found.kind, "nobody knows" in found.text) == ("not asked", True)


@pytest.mark.parametrize("reason", ["not compared yet", "left the provider's reach uncompared, its beginning"])
def test_the_state_of_an_hour_is_not_taken_for_what_kept_it_from_being_asked_about(
    bench: Bench, silence: Silence, reason: str
) -> None:
    counted(bench, ONE, 0)
    write(bench, update(ledger).values(state="open", proof="none", reason=reason))
    assert of(silence, ONE).kind == "not asked"


def test_calls_that_the_provider_counts_and_no_delivery_are_a_webhook_that_is_off(
    bench: Bench, silence: Silence
) -> None:
    counted(bench, ONE, 5)
    assert of(silence, ONE).kind == "no deliveries"
    deliver(bench, TEN + 3 * HOUR)  # when the hour was due no more
    assert of(silence, ONE).kind == "no deliveries"
    deliver(bench, TEN + 30 * MINUTE)
    assert of(silence, ONE).kind == "missing"


def test_a_window_that_did_not_come_is_no_delivery(bench: Bench, silence: Silence) -> None:
    tick = 5 * MINUTE
    deliver(bench, TEN + 10 * MINUTE, Period(TEN, TEN + tick))
    deliver(bench, TEN + 2 * HOUR, Period(TEN + HOUR + tick, TEN + HOUR + 2 * tick))
    found = of(silence, ONE)
    assert (found.kind, "11 windows" in found.text) == ("no deliveries", True)


def test_a_provider_that_forbids_is_no_right(bench: Bench, silence: Silence) -> None:
    compared(bench, None, "the provider answered 403: the token may not do this")
    found = of(silence, ONE)
    assert (found.kind, "403" in found.text) == ("no rights", True)


async def test_a_real_provider_that_refuses_the_token_is_no_right(bench: Bench, provider: Provider) -> None:
    provider.token = "another"
    await bench.reconciler(provider).run_once()
    found = Silence(bench.database, bench.clock, bench.settings.rules).explain("webex", None, AT_TEN)
    assert found.kind == "no rights"
    assert TOKEN not in found.text


async def test_a_real_comparison_tells_no_calls_from_no_deliveries(bench: Bench, provider: Provider) -> None:
    provider.records = calls(ONE, TEN + MINUTE, 3)
    await bench.reconciler(provider).run_once()
    silence = Silence(bench.database, bench.clock, bench.settings.rules)
    assert of(silence, TWO).kind == "no calls"
    assert of(silence, ONE).kind == "records"  # fetched meanwhile


def test_without_an_address_nobody_can_ask(bench: Bench) -> None:
    bench.sources.add("webex", SourceChange())
    found = Silence(bench.database, bench.clock, bench.settings.rules).explain("webex", None, AT_TEN)
    assert (found.kind, "no address" in found.text) == ("not asked", True)


def test_while_the_collector_did_not_run_nothing_came(bench: Bench, silence: Silence) -> None:
    bench.clock.advance(HOUR)
    Alarms(bench.database, bench.clock).keep_past("not-running", "", "It did not run.", TEN - HOUR)
    found = of(silence, ONE)
    assert (found.kind, "from 2026-11-24 09:00 to 2026-11-24 13:30 UTC" in found.text) == ("not running", True)
    counted(bench, ONE, 5)
    assert of(silence, ONE).kind == "not running"
    assert of(silence, ONE, Period(TEN - 9 * HOUR, TEN - 8 * HOUR)).kind == "not asked"


def test_what_is_not_due_yet_is_no_silence(silence: Silence) -> None:
    assert of(silence, None, Period(START - HOUR, START)).kind == "too early"


def test_a_time_that_could_not_be_pulled_any_more_is_said_to_be_so(bench: Bench) -> None:
    bench.sources.add("customer", SourceChange(api="https://api.example.com", token=TOKEN), "cdr_stream")
    silence = Silence(bench.database, bench.clock, bench.settings.rules)
    assert "gave nothing for this time" in silence.explain("customer", None, AT_TEN).text
    bench.sources.alter("customer", lambda source: replace(source, gap_from=TEN - HOUR, gap_until=TEN + 5 * MINUTE))
    found = silence.explain("customer", None, AT_TEN)
    assert (found.kind, "may be missing" in found.text) == ("missing", True)
    later = silence.explain("customer", None, Period(TEN + HOUR, TEN + 2 * HOUR))
    assert later.kind == "unknown"


def test_a_source_that_is_not_there_is_an_error(silence: Silence) -> None:
    with pytest.raises(SourceUnknown):
        silence.explain("other", None, AT_TEN)


@pytest.mark.parametrize("what", ["pulled", "no client"])
def test_whoever_cannot_be_asked_for_counts_is_not_said_to_be(bench: Bench, what: str) -> None:
    """Counts are for partners; and a refresh token without the client it was given to is no token."""
    if what == "pulled":
        bench.sources.add("acme", SourceChange(api="https://api.example.com", token=TOKEN), "cdr_stream")
    else:
        bench.sources.add("acme", SourceChange(api="https://api.example.com"))
        bench.sources.alter("acme", lambda source: replace(source, refresh_token="r"))
    explained = Silence(bench.database, bench.clock, bench.settings.rules).explain("acme", None, AT_TEN)
    assert ("is pulled" if what == "pulled" else "no token") in explained.text
    facts = Facts(bench.database, bench.manifests, bench.store.spool, bench.settings.rules)
    (known,) = facts.sources(bench.clock.now())
    assert (known.askable, known.refreshable) == (False, False)
