"""The two Detailed Call History APIs of one organization: their limits, parameters and pages (FACTS section 3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from cdrelay.contract.query import ParameterError, in_words, read_period
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period

NEXT_TIME = "startTimeForNextFetch"
"""The parameter of a next link that holds the time to go on from (FACTS 3.2)."""
NEXT_ID = "lastReportId"
"""The parameter beside it, of our own: the Report ID to go on after, among records that share that moment."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?:\d{3}|\d{6})Z", re.ASCII)
_WHOLE_NUMBER = re.compile(r"-?\d{1,99}", re.ASCII)
_REPORT_ID = re.compile(r"[0-9A-Fa-f-]{1,36}", re.ASCII)
# A page may be asked for until the records are gone: the reach was kept by the first request of the pages.
_ANY_AGE = timedelta(days=365_000)


@dataclass(frozen=True, slots=True)
class PageSizes:
    """Records on a page: `max` is pulled to the nearest of these (FACTS 3.1)."""

    smallest: int = 500
    largest: int = 5_000
    """Also what is taken when `max` is not given."""


DOCUMENTED_PAGES = PageSizes()


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """What one request may ask of an API."""

    span: timedelta
    """The longest period."""
    settle: timedelta
    """How long ago its end must be at least."""
    reach: timedelta
    """How long ago its start may be at most."""
    pages: PageSizes = DOCUMENTED_PAGES

    def compressed(self, factor: float) -> "HistoryWindow":
        """The same with every duration divided by `factor`."""
        return replace(self, span=self.span / factor, settle=self.settle / factor, reach=self.reach / factor)


@dataclass(frozen=True, slots=True)
class HistoryRules:
    """The numbers of both APIs, with the documented ones as defaults (FACTS 3.1)."""

    feed: HistoryWindow = HistoryWindow(timedelta(hours=12), timedelta(minutes=5), timedelta(hours=48))
    """`cdr_feed`. The provider's documents say 30 days in one place and 48 hours in another."""
    feed_longest_reach: timedelta = timedelta(days=30)
    """Of `cdr_feed`, by the newer of both."""
    stream: HistoryWindow = HistoryWindow(timedelta(hours=2), timedelta(minutes=1), timedelta(hours=12))
    """`cdr_stream`."""
    first_requests: int = 1
    """First requests of a token in `rate_period`; 0 is no limit."""
    page_requests: int = 10
    """Requests for further pages of a token in `rate_period`; 0 is no limit."""
    rate_period: timedelta = timedelta(minutes=1)

    def compressed(self, factor: float) -> "HistoryRules":
        """The same with every duration divided by `factor`. Raises ValueError when it is not positive."""
        if factor <= 0:
            raise ValueError("the factor of compressed time must be positive")
        return replace(
            self,
            feed=self.feed.compressed(factor),
            feed_longest_reach=self.feed_longest_reach / factor,
            stream=self.stream.compressed(factor),
            rate_period=self.rate_period / factor,
        )


MOST_LOCATIONS = 10
"""Names that `locations` may hold (FACTS 3.1)."""


@dataclass(frozen=True, slots=True, order=True)
class PageMark:
    """The place after a record in the order of the pages: its moment, then its Report ID, which no other has."""

    moment: datetime
    report_id: str = ""
    """Without one, the place before all records of that moment."""


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """One question: a period, what of it, and which page."""

    period: Period
    locations: tuple[str, ...] = ()
    """Names of locations; none of them is all."""
    limit: int = DOCUMENTED_PAGES.largest
    """Records on a page."""
    after: PageMark | None = None
    """Where the page starts; None on the first."""

    def next_query(self, org_uuid: str, mark: PageMark) -> str:
        """The query string of the page that starts at `mark`, all parameters of this one kept."""
        parameters = {"orgId": org_uuid}
        parameters |= {"startTime": write_time(self.period.start), "endTime": write_time(self.period.end)}
        if self.locations:
            parameters["locations"] = ",".join(self.locations)
        parameters |= {"max": str(self.limit), NEXT_TIME: _write_moment(mark.moment)}
        if mark.report_id:
            parameters[NEXT_ID] = mark.report_id
        return urlencode(parameters)


def read_history(query: Mapping[str, str], now: datetime, window: HistoryWindow) -> HistoryQuery:
    """What the parameters of a request ask for. Raises ParameterError naming the parameter and the rule it breaks.

    Both ends of the reach are allowed. The start of further pages may be older than that, since time passes while
    they are read; their links are good for as long as the records are kept.
    """
    further = NEXT_TIME in query or NEXT_ID in query
    limits = Rules(settle=window.settle, reach=_ANY_AGE if further else window.reach, count_span=window.span)
    period = read_period(query.get("startTime"), query.get("endTime"), now, limits)
    if period.length > window.span:
        raise ParameterError("endTime", f"must be no more than {in_words(window.span)} after startTime")
    return HistoryQuery(
        period,
        read_locations(query.get("locations", "")),
        read_max(query.get("max"), window.pages),
        read_mark(query, period) if further else None,
    )


def read_max(text: str | None, pages: PageSizes) -> int:
    """The size of a page, pulled to the nearest end of what is allowed. Raises ParameterError for no whole number."""
    if text is None:
        return pages.largest
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ParameterError("max", f"must be a whole number from {pages.smallest} to {pages.largest}")
    return min(max(int(text), pages.smallest), pages.largest)


def read_locations(text: str) -> tuple[str, ...]:
    """The names in a list separated by commas, without the blanks around them. Raises ParameterError for too many."""
    parts = text.split(",")
    if len(parts) > MOST_LOCATIONS:
        raise ParameterError("locations", f"must be no more than {MOST_LOCATIONS} names, separated by commas")
    return tuple(name for part in parts if (name := part.strip()))


def read_mark(query: Mapping[str, str], period: Period) -> PageMark:
    """The place that a next link names. Raises ParameterError when it is none in the period."""
    text, report_id = query.get(NEXT_TIME, ""), query.get(NEXT_ID, "")
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        mark = PageMark(datetime.fromisoformat(text), report_id.lower())
    except ValueError:
        raise ParameterError(NEXT_TIME, "must be what the Link header gave; follow that link as it is") from None
    if NEXT_ID in query and not _REPORT_ID.fullmatch(report_id):
        raise ParameterError(NEXT_ID, "must be what the Link header gave; follow that link as it is")
    if not period.start <= mark.moment < period.end:
        raise ParameterError(NEXT_TIME, "must be between startTime and endTime")
    return mark


def _write_moment(moment: datetime) -> str:
    """In milliseconds as every time of the contract; in microseconds only where less would lose the place."""
    if moment.microsecond % 1000 == 0:
        return write_time(moment)
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
