"""The header with which either side says what time it has (RFC 9110, 6.6.1): clocks that differ are found out by it."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_PLAINLY = timedelta(minutes=5)
"""A difference that no slow answer explains, and by which periods are refused."""


def clock_is_off(text: str | None, now: datetime) -> str | None:
    """What to say of this machine's clock, where the Date header of an answer that just came differs plainly."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    off = now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if abs(off) < _PLAINLY:
        return None
    minutes = round(abs(off).total_seconds() / 60)
    length = f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60):,} hours"
    return f"this machine's clock is {length} {'ahead of' if off > timedelta(0) else 'behind'} that of the answer"
