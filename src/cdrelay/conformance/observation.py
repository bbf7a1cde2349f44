"""Watching the deliveries of a publisher for some time, and asking its endpoints meanwhile what they should hold."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cdrelay.clock import Clock
from cdrelay.conformance.checks import CannotRun, CheckFailed, NothingToCheck
from cdrelay.conformance.listener import ELSEWHERE, Arrival, Listener, Record, Trouble
from cdrelay.conformance.partner_side import PartnerSide
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import read_time
from cdrelay.contract.windows import EPOCH, Period, ceil_to, floor_to, window_of_tick

_TICKS_UNTIL_THE_FIRST = 3


@dataclass(frozen=True, slots=True)
class Expected:
    """What the records endpoint held of the windows that had been delivered when it was asked."""

    records: Mapping[Period, frozenset[str]]
    """Report IDs by window."""
    problem: str = ""
    """Why that is not known."""


@dataclass(frozen=True, slots=True)
class Observation:
    """All that arrived, and what to judge it by."""

    arrivals: list[Arrival]
    expected: Expected
    rules: Rules
    secret: str | None

    @property
    def deliveries(self) -> list[Arrival]:
        """The first attempt of each, in the order in which they came."""
        first: dict[object, Arrival] = {}
        for one in self.attempts:
            first.setdefault(one.key, one)
        return list(first.values())

    @property
    def attempts(self) -> list[Arrival]:
        """All that came to the callback itself."""
        return [one for one in self.arrivals if not one.path.endswith(f"/{ELSEWHERE}")]

    def of(self, delivery: Arrival) -> list[Arrival]:
        """All attempts at it."""
        return [one for one in self.attempts if one.key == delivery.key]

    def tick_of(self, delivery: Arrival) -> datetime:
        """When it was due: as its headers say, else the edge of the grid next to when it came."""
        if (manifest := delivery.manifest) is not None:
            return manifest.window.end + self.rules.settle
        return floor_to(delivery.at + self.rules.tick / 2, self.rules.tick)

    def window_of(self, delivery: Arrival) -> Period:
        """The window that it should hold."""
        return window_of_tick(self.tick_of(delivery), self.rules)

    def held_up_until(self) -> datetime:
        """Until when deliveries may have waited behind one that was made to fail."""
        made_to_fail = [one for one in self.attempts if one.trouble]
        return max((each.answered_at or each.at for one in made_to_fail for each in self.of(one)), default=EPOCH)

    def troubled(self, trouble: Trouble) -> Arrival:
        """The delivery on which that was tried. Raises NothingToCheck when none came for it."""
        for one in self.attempts:
            if one.trouble == trouble:
                return one
        raise NothingToCheck("no delivery came to try it on; watch for longer with --seconds")


def ended(record: Record) -> datetime | None:
    """The Report time of a record; None when it has none of the contract's form."""
    try:
        return read_time(str(record.get("Report time")))
    except ValueError:
        return None


def identity(record: Record) -> tuple[str, str]:
    """What makes a record the same one: Report ID, and its version."""
    return str(record.get("Report ID")).lower(), str(record.get("Report time"))


async def observe(
    listener: Listener,
    side: PartnerSide,
    clock: Clock,
    *,
    seconds: float,
    secret: str | None,
    says: Callable[[str], None],
) -> Observation:
    """Wait for the first delivery, then watch for `seconds`, and for as long as what is due then may take to come.

    A tick before the end the records endpoint is asked for the windows that are due: a record that it has then, and
    that came too late for its own window, is still due within what is watched. Raises CannotRun when nothing comes.
    """
    tick = side.rules.tick
    patience = _TICKS_UNTIL_THE_FIRST * tick.total_seconds() + seconds
    says(f"set the webhook of the partner to {listener.url}, resource type Analytics, {_secret_in_words(secret)}")
    says(f"waiting for the first delivery, at most {patience:g} seconds")
    try:
        await asyncio.wait_for(listener.arrived.wait(), patience)
    except TimeoutError:
        raise CannotRun(f"no delivery came to {listener.url} within {patience:g} seconds") from None
    says(f"it has come; watching for {seconds:g} seconds more")
    first = listener.arrivals[0]
    end = first.at + timedelta(seconds=seconds)
    await _sleep_until(end - tick * 0.75, clock)
    due = Observation([first], Expected({}), side.rules, secret).tick_of(first)
    expected = await _expected(side, _windows(due, clock.now() - side.margin, side.rules))
    # What is due at a tick takes a while to come.
    await _sleep_until(max(end, ceil_to(clock.now(), tick)) + tick / 2, clock)
    return Observation(list(listener.arrivals), expected, side.rules, secret)


def _secret_in_words(secret: str | None) -> str:
    return "without a secret" if secret is None else "with the secret that was given here"


async def _sleep_until(moment: datetime, clock: Clock) -> None:
    await clock.sleep((moment - clock.now()).total_seconds())


def _windows(first: datetime, last: datetime, rules: Rules) -> list[Period]:
    """Those of the ticks from `first` to `last`."""
    return [window_of_tick(first + rules.tick * number, rules) for number in range((last - first) // rules.tick + 1)]


async def _expected(side: PartnerSide, windows: list[Period]) -> Expected:
    found: dict[Period, frozenset[str]] = {}
    for window in windows:
        try:
            counts = await side.counts(window)
            held = [await side.records(org, window) for org, count in counts.items() if count]
        except CheckFailed as error:
            return Expected({}, f"the endpoints do not say what the window {window.start:%H:%M:%S} holds: {error}")
        found[window] = frozenset(str(one.get("Report ID")).lower() for items in held for one in items)
    return Expected(found)
