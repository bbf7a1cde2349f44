"""The header with which either side asks the other to come again later (RFC 9110, 10.2.3)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def read_retry_after(text: str | None, now: datetime, longest: timedelta) -> timedelta | None:
    """How long a Retry-After header (seconds or an HTTP date) asks for, from 0 to `longest`; None if for nothing."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        # Compared as a number first: a duration of 10**20 seconds does not exist.
        return longest if len(text) > 9 or int(text) >= longest.total_seconds() else timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the second of a year of twenty digits
        return None
    wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(wait, timedelta(0)), longest)
