"""How the collector says numbers, times and sizes. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cdrelay.contract.windows import Period


def span(windows: Sequence[Period]) -> str:
    """From the start of the first to the end of the last."""
    return f"{moment(windows[0].start)} and {moment(windows[-1].end)}"


def ends(end: datetime, now: datetime) -> str:
    """When something ends, or did."""
    return f"ended at {moment(end)}" if end <= now else f"ends at {moment(end)}"


def count(number: int, what: str) -> str:
    """So many of it; `what` is one of it."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(at: datetime) -> str:
    """To the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def duration(time: timedelta) -> str:
    """In minutes, from two hours on in hours."""
    minutes = round(time.total_seconds() / 60)
    return count(minutes, "minute") if minutes < 120 else count(round(minutes / 60), "hour")


def size(number: int) -> str:
    """Bytes as megabytes."""
    return f"{number / 1_000_000:,.0f} MB"
