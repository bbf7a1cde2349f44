"""The one way times are written in queries and headers: `YYYY-MM-DDTHH:MM:SS.mmmZ`, UTC (seed)."""

import re
from datetime import UTC, datetime

_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def write_time(moment: datetime) -> str:
    """`moment` as the contract writes it, cut to milliseconds."""
    # Not strftime: it writes years before 1000 without their zeros.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def read_time(text: str) -> datetime:
    """The moment `text` names. Raises ValueError unless it has the contract's form to the letter."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"{text!r} is not of the form YYYY-MM-DDTHH:MM:SS.mmmZ")
    return datetime.fromisoformat(text)
