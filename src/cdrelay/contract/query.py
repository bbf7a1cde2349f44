"""What the two partner endpoints accept, and the words in which they refuse (seed, section API endpoints)."""

from datetime import datetime, timedelta

from cdrelay.contract.rules import Rules
from cdrelay.contract.times import read_time, write_time
from cdrelay.contract.windows import Period
from cdrelay.errors import CdrelayError


class ParameterError(CdrelayError):
    """A query parameter that breaks a rule; the message names the parameter and the rule."""

    def __init__(self, parameter: str, rule: str) -> None:
        super().__init__(f"{parameter}: {rule}")
        self.parameter = parameter


def in_words(span: timedelta) -> str:
    """A duration as a person says it: `48 hours`, `5 minutes`, `0.5 seconds`."""
    for unit, seconds in (("hour", 3600), ("minute", 60)):
        amount, rest = divmod(span.total_seconds(), seconds)
        # 60 minutes are spoken of as minutes in the seed, 48 hours as hours.
        if not rest and amount > (1 if unit == "hour" else 0):
            return f"{amount:.0f} {unit}{'' if amount == 1 else 's'}"
    return f"{span.total_seconds():g} seconds"


def _time(parameter: str, text: str | None) -> datetime:
    if text is None or not text:
        raise ParameterError(parameter, "is required, in the form YYYY-MM-DDTHH:MM:SS.mmmZ")
    try:
        return read_time(text)
    except ValueError as error:
        raise ParameterError(parameter, f"must be a UTC time in the form YYYY-MM-DDTHH:MM:SS.mmmZ; {error}") from None


def read_period(start_time: str | None, end_time: str | None, now: datetime, rules: Rules) -> Period:
    """The period of a question for records. Raises ParameterError naming the parameter and the rule it breaks.

    Both ends of the reach are allowed: a start exactly 48 hours old, an end exactly 5 minutes old.
    """
    start, end = _time("startTime", start_time), _time("endTime", end_time)
    here = f"it is {write_time(now)} here"
    if start < now - rules.reach:
        raise ParameterError("startTime", f"must be no more than {in_words(rules.reach)} ago; {here}")
    if start > now - rules.settle:
        raise ParameterError("startTime", f"must be at least {in_words(rules.settle)} ago; {here}")
    if end <= start:
        raise ParameterError("endTime", "must be later than startTime")
    if end > now - rules.settle:
        raise ParameterError("endTime", f"must be at least {in_words(rules.settle)} ago; {here}")
    return Period(start, end)


def read_count_period(start_time: str | None, end_time: str | None, now: datetime, rules: Rules) -> Period:
    """The period of a question for counts: as `read_period`, and at most 60 minutes long."""
    period = read_period(start_time, end_time, now, rules)
    if period.length > rules.count_span:
        raise ParameterError("endTime", f"must be no more than {in_words(rules.count_span)} after startTime")
    return period


LARGEST_PAGE_NUMBER = 999_999_999
"""Far beyond any page there is."""


def read_page(page: str | None) -> int:
    """The number of the page asked for, from 1. Raises ParameterError for anything else."""
    if page is None:
        return 1
    if not (page.isascii() and page.isdigit() and 1 <= len(page) <= 9 and int(page) >= 1):
        raise ParameterError("page", "must be a whole number from 1")
    return int(page)
