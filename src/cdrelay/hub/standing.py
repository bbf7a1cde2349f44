"""How things stand, in one sentence: what a person wants to know before any number."""

from dataclasses import dataclass
from typing import Literal

from cdrelay.collector.alarms.kinds import KINDS
from cdrelay.contract.query import in_words
from cdrelay.hub.status import CollectorStatus, PublisherStatus, Status
from cdrelay.hub.strip import reach_hours

LATE_TICKS = 2
"""Ticks after which a delivery that still waits is called late."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The sentence, and how it is to be taken."""

    tone: Literal["good", "idle", "warn", "grave"]
    text: str


_GRAVEST_FIRST = ("grave", "warn", "good", "idle")


def standing(status: Status) -> Standing:
    """The gravest that is to be said of the halves in this process."""
    found = []
    if status.publisher is not None:
        found.append(_of_publisher(status.publisher, status))
    if status.collector is not None:
        # Second, and so heard first where both are well: completeness is what the loop is for.
        found.insert(0, _of_collector(status.collector, status))
    if not found:
        return Standing("idle", "Neither publisher nor collector runs in this process.")
    return min(found, key=lambda one: _GRAVEST_FIRST.index(one.tone))


def _of_publisher(publisher: PublisherStatus, status: Status) -> Standing:
    oldest, deliveries = publisher.sending.oldest_pending, publisher.deliveries
    if failed := publisher.sending.recent_failed:
        given_up = _number(failed, "delivery was given up", "deliveries were given up")
        return Standing("grave", f"{given_up} in the last {in_words(status.rules.reach)}, and can be sent again.")
    if oldest is not None and status.now - oldest > LATE_TICKS * status.rules.tick:
        waits = _number(deliveries.pending, "delivery waits", "deliveries wait")
        return Standing("warn", f"{waits}, the oldest since {oldest:%Y-%m-%d %H:%M:%S} UTC.")
    if not deliveries.delivered:
        return Standing("idle", "Nothing has been delivered yet.")
    return Standing("good", "Deliveries are on time.")


def _of_collector(collector: CollectorStatus, status: Status) -> Standing:
    hours = reach_hours(collector.hours, status.now, status.rules)
    lost, short = (sum(getattr(hour.states, state) for hour in hours) for state in ("lost", "short"))
    reach = in_words(status.rules.reach)
    if lost:
        return Standing("grave", f"Records are lost: {_hours(lost)} left the provider’s reach incomplete.")
    if short:
        return Standing("warn", f"Records are missing in {_hours(short)}; the next reconciliation fetches them.")
    if alarms := collector.alarms:
        more = f", and {_number(len(alarms) - 1, 'alarm', 'alarms')} more" if len(alarms) > 1 else ""
        return Standing("warn", f"{KINDS.get(alarms[0].kind, alarms[0].kind)}{more}.")
    if not hours:
        return Standing("idle", f"Nothing of the last {reach} has been compared with the provider’s counts.")
    decided = [hour for hour in hours if not hour.states.open]
    if not decided:
        return Standing("idle", f"Of the last {reach} no hour is decided yet.")
    confirmed = sum(hour.expected for hour in decided)
    until = max(hour.window.end for hour in decided)
    return Standing(
        "good",
        f"Nothing is missing in what was compared, up to {until:%H:%M:%S} UTC:"
        f" all {confirmed:,} records that the provider counts are stored.",
    )


def _hours(number: int) -> str:
    return _number(number, "hour of an organization", "hours of organizations")


def _number(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
