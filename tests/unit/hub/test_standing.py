"""The one sentence before all numbers: the gravest that is to be said."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cdrelay.collector.alarms.store import Alarm
from cdrelay.collector.drift import DriftTotals
from cdrelay.collector.ledger_rows import LedgerHour, LedgerTotals
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.hub.payload_figures import Payloads
from cdrelay.hub.sending_figures import Sending
from cdrelay.hub.standing import standing
from cdrelay.hub.status import CollectorStatus, PublisherStatus, Status
from cdrelay.publisher.delivery.deliveries import DeliveryStatistics

NOW = datetime(2026, 11, 24, 12, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
NO_PAYLOADS = Payloads(0, 0, 0, 0, 0, None)


def publisher(waiting_for: timedelta | None = None, delivered: int = 9, failed: int = 0) -> PublisherStatus:
    waits = waiting_for is not None
    return PublisherStatus(
        records=0,
        last_load=0,
        spool_waiting=0,
        spool_damaged=0,
        quarantined=0,
        intake=NO_PAYLOADS,
        windows=0,
        last_cut=None,
        deliveries=DeliveryStatistics(delivered, int(waits)),
        sending=Sending(0, NOW - waiting_for if waiting_for is not None else None, failed),
        latest=[],
    )


def collector(ago: int = 2, alarms: Sequence[Alarm] = (), **states: int) -> CollectorStatus:
    start = NOW.replace(minute=0) - ago * HOUR
    hours = [LedgerHour(Period(start, start + HOUR), 1200, 1200, LedgerTotals(**states))] if states else []
    return CollectorStatus(
        records=0,
        last_load=0,
        spool_waiting=0,
        spool_damaged=0,
        loaded=NO_PAYLOADS,
        latest=[],
        ledger=LedgerTotals(**states),
        hours=hours,
        alarms=list(alarms),
        drift=DriftTotals(),
        quarantined=0,
        refused={},
    )


def say(publisher: PublisherStatus | None, collector: CollectorStatus | None) -> tuple[str, str]:
    found = standing(Status(NOW, Rules(), publisher, collector, []))
    return found.tone, found.text


def test_lost_records_are_said_before_late_deliveries() -> None:
    assert say(publisher(HOUR), collector(lost=2)) == (
        "grave",
        "Records are lost: 2 hours of organizations left the provider’s reach incomplete.",
    )


def test_records_lost_long_ago_are_not_said_for_ever() -> None:
    assert say(None, collector(ago=60, lost=2))[0] == "idle"


def test_missing_records_are_a_warning() -> None:
    assert say(publisher(), collector(short=1)) == (
        "warn",
        "Records are missing in 1 hour of an organization; the next reconciliation fetches them.",
    )


def test_a_delivery_is_late_after_two_ticks() -> None:
    assert say(publisher(timedelta(minutes=10)), None) == ("good", "Deliveries are on time.")
    assert say(publisher(timedelta(minutes=10, seconds=1)), None)[0] == "warn"


def test_when_both_are_well_completeness_is_said_and_how_far_it_goes() -> None:
    tone, text = say(publisher(), collector(matched=3))

    assert tone == "good"
    assert text == (
        "Nothing is missing in what was compared, up to 11:00:00 UTC:"
        " all 1,200 records that the provider counts are stored."
    )


def test_nothing_is_claimed_of_hours_that_nobody_compared() -> None:
    assert say(None, collector()) == (
        "idle",
        "Nothing of the last 48 hours has been compared with the provider’s counts.",
    )


def test_nothing_is_claimed_of_hours_that_are_open() -> None:
    assert say(None, collector(ago=0, matched=3, open=1)) == ("idle", "Of the last 48 hours no hour is decided yet.")


def test_a_delivery_that_was_given_up_is_graver_than_one_that_is_late() -> None:
    assert say(publisher(HOUR, failed=1), collector(matched=3)) == (
        "grave",
        "1 delivery was given up in the last 48 hours, and can be sent again.",
    )


def test_while_an_alarm_stands_all_is_not_well() -> None:
    alarms = [Alarm(kind, "webex", "since 11:00", NOW, NOW) for kind in ("source-silent", "disk-full", "unheard-of")]

    assert say(publisher(), collector(alarms=alarms[:1], matched=3)) == ("warn", "Deliveries have stopped.")
    assert say(None, collector(alarms=alarms, matched=3))[1] == "Deliveries have stopped, and 2 alarms more."
    assert say(None, collector(alarms=alarms, matched=3, short=1))[1].startswith("Records are missing")


def test_before_the_first_delivery_nothing_is_on_time() -> None:
    assert say(publisher(delivered=0), None) == ("idle", "Nothing has been delivered yet.")


def test_a_process_without_halves_says_so() -> None:
    assert say(None, None) == ("idle", "Neither publisher nor collector runs in this process.")
