"""The last 48 hours of a partner's windows as a strip of hours, so that a gap is seen at a glance. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period, ceil_to
from cdrelay.hub.standing import Standing
from cdrelay.hub.strip import CELLS_A_ROW, Legend, hours_of_reach
from cdrelay.publisher.delivery.deliveries import State

WORDS: Mapping[State, str] = {"delivered": "delivered", "pending": "waiting", "failed": "failed"}
"""What people are told of a state."""

LEGEND = (
    Legend("delivered", "✓", "every window of the hour arrived"),
    Legend("waiting", "…", "a window waits for its next try"),
    Legend("missing", "−", "a window is not there; it can be sent again"),
    Legend("failed", "✕", "a window was given up; it can be sent again"),
    Legend("none", "○", "no window was due"),
)
_SIGNS = {entry.state: entry.sign for entry in LEGEND}
_GRAVEST_FIRST = ("failed", "missing", "waiting", "delivered")


@dataclass(frozen=True, slots=True)
class Hour:
    """One cell: the gravest state of its windows, and all of them in words."""

    start: datetime
    state: str
    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class HourStrip:
    """Rows of cells, the oldest first, and the sum of all."""

    rows: list[list[Hour]]
    sums: Mapping[str, int]


def hour_strip(states: Mapping[datetime, State], now: datetime, rules: Rules, owed_since: datetime | None) -> HourStrip:
    """Of the windows by tick. After `owed_since` every tick owes a window; None: a tick may have none."""
    cells, sums = [], Counter[str]()
    for hour in hours_of_reach(now, rules):
        counts = Counter(WORDS[state] for tick, state in states.items() if tick in hour)
        missing = sum(1 for tick in _owed(hour, now, rules, owed_since) if tick not in states)
        if missing:
            counts["missing"] = missing
        sums += counts
        cells.append(_hour(hour, counts))
    return HourStrip([cells[at : at + CELLS_A_ROW] for at in range(0, len(cells), CELLS_A_ROW)], sums)


def strip_standing(strip: HourStrip, reach: str) -> Standing:
    """Whether all is well, in a sentence; the newest window may still be on its way."""
    failed, missing, waiting = (strip.sums.get(state, 0) for state in ("failed", "missing", "waiting"))
    if failed:
        more = f", and {_windows(missing, 'is', 'are')} missing" if missing else ""
        return Standing("grave", f"{_windows(failed, 'was', 'were')} given up{more}.")
    if missing:
        return Standing("warn", f"{_windows(missing, 'is', 'are')} missing.")
    if waiting > 1:
        return Standing("warn", f"{_windows(waiting, 'waits', 'wait')} for the next try.")
    if not strip.sums.get("delivered"):
        return Standing("idle", "The first window is on its way." if waiting else "No window was due.")
    newest = " but the newest, which is on its way" if waiting else ""
    return Standing("good", f"Every window of the last {reach} arrived{newest}.")


def _windows(number: int, one: str, more: str) -> str:
    return f"{number:,} window{'' if number == 1 else 's'} {one if number == 1 else more}"


def _owed(hour: Period, now: datetime, rules: Rules, since: datetime | None) -> Iterator[datetime]:
    """The ticks of the hour whose windows should be there; the last one has until the next to be written."""
    if since is None:
        return
    tick = ceil_to(max(hour.start, since), rules.tick)
    while tick < hour.end and tick <= now - rules.tick:
        # A webhook gets the ticks after the moment it was set, not the one at it.
        if tick > since:
            yield tick
        tick += rules.tick


def _hour(hour: Period, counts: Mapping[str, int]) -> Hour:
    state = next((state for state in _GRAVEST_FIRST if counts.get(state)), "none")
    told = ", ".join(f"{counts[state]} {state}" for state in _GRAVEST_FIRST if counts.get(state))
    return Hour(hour.start, state, _SIGNS[state], f"{hour.start:%Y-%m-%d %H:%M} UTC: {told or 'no window was due'}")
