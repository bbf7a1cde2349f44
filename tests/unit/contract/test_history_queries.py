"""What the two Detailed Call History APIs accept, at the edges, and the links from page to page (FACTS section 3)."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest

from cdrelay.contract.history import HistoryQuery, HistoryRules, HistoryWindow, PageMark, read_history
from cdrelay.contract.query import ParameterError
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period

RULES = HistoryRules()
NOW = datetime(2026, 11, 24, 17, 0, 0, 500_000, tzinfo=UTC)
MS, MINUTE, HOUR = timedelta(milliseconds=1), timedelta(minutes=1), timedelta(hours=1)
ORG = "11111111-2222-4333-8444-555555555555"
REPORT = "0a0c2eb7-f1f6-3326-86f9-565d2e11553d"
WINDOWS = [pytest.param(RULES.feed, id="feed"), pytest.param(RULES.stream, id="stream")]


def ask(window: HistoryWindow, start: datetime, end: datetime, **more: str) -> HistoryQuery:
    """Read a request made now."""
    return read_history({"startTime": write_time(start), "endTime": write_time(end)} | more, NOW, window)


def refusal(window: HistoryWindow, start: datetime, end: datetime, **more: str) -> str:
    """The words in which it is refused; they begin with the parameter."""
    with pytest.raises(ParameterError) as refused:
        ask(window, start, end, **more)
    assert str(refused.value).startswith(f"{refused.value.parameter}: ")
    return str(refused.value)


def test_the_numbers_are_the_documented_ones() -> None:
    assert RULES.feed == HistoryWindow(span=12 * HOUR, settle=5 * MINUTE, reach=48 * HOUR)
    assert RULES.stream == HistoryWindow(span=2 * HOUR, settle=MINUTE, reach=12 * HOUR)
    assert (RULES.first_requests, RULES.page_requests, RULES.rate_period) == (1, 10, MINUTE)


def test_compressed_time_divides_every_duration_and_no_number() -> None:
    assert RULES.compressed(60) == HistoryRules(
        feed=HistoryWindow(span=12 * MINUTE, settle=timedelta(seconds=5), reach=48 * MINUTE),
        feed_longest_reach=timedelta(hours=12),
        stream=HistoryWindow(span=2 * MINUTE, settle=timedelta(seconds=1), reach=12 * MINUTE),
        rate_period=timedelta(seconds=1),
    )


@pytest.mark.parametrize("factor", [0, -1])
def test_time_is_not_compressed_by_nothing_or_less(factor: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RULES.compressed(factor)


@pytest.mark.parametrize("window", WINDOWS)
def test_the_longest_period_that_is_old_enough_or_young_enough_to_the_millisecond_is_allowed(
    window: HistoryWindow,
) -> None:
    oldest, newest = NOW - window.reach, NOW - window.settle
    assert ask(window, oldest, oldest + window.span).period == Period(oldest, oldest + window.span)
    assert ask(window, newest - window.span, newest).period == Period(newest - window.span, newest)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_millisecond_more_is_refused_on_every_side(window: HistoryWindow) -> None:
    oldest, newest = NOW - window.reach, NOW - window.settle
    assert "startTime: must be no more than" in refusal(window, oldest - MS, oldest + MINUTE)
    assert "startTime: must be at least" in refusal(window, newest + MS, newest + MINUTE)
    assert "endTime: must be at least" in refusal(window, newest - MINUTE, newest + MS)
    assert "endTime: must be later than startTime" in refusal(window, newest, newest)
    assert "endTime: must be no more than" in refusal(window, oldest, oldest + window.span + MS)


def test_a_refusal_says_the_limit_in_words() -> None:
    start = NOW - 24 * HOUR
    assert refusal(RULES.feed, start, start + 13 * HOUR) == "endTime: must be no more than 12 hours after startTime"
    assert refusal(RULES.stream, start, start + HOUR).startswith("startTime: must be no more than 12 hours ago")


@pytest.mark.parametrize("missing", ["startTime", "endTime"])
def test_both_times_are_required(missing: str) -> None:
    query = {"startTime": write_time(NOW - HOUR), "endTime": write_time(NOW - HOUR / 2)}
    del query[missing]
    with pytest.raises(ParameterError, match=f"{missing}: is required"):
        read_history(query, NOW, RULES.feed)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("500", 500),
        ("501", 501),
        ("5000", 5_000),
        ("499", 500),
        ("1", 500),
        ("0", 500),
        ("-3", 500),
        ("5001", 5_000),
        ("9" * 99, 5_000),
    ],
)
def test_max_is_pulled_to_the_nearest_end(text: str, limit: int) -> None:
    assert ask(RULES.feed, NOW - 2 * HOUR, NOW - HOUR, max=text).limit == limit


@pytest.mark.parametrize("text", ["many", "1.5", "1e3", "²", "٣", " 500", "+500", "--1", "-", "1" * 100, ""])
def test_max_that_is_no_whole_number_is_refused(text: str) -> None:
    words = refusal(RULES.feed, NOW - 2 * HOUR, NOW - HOUR, max=text)
    assert words == "max: must be a whole number from 500 to 5000"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("Richardson", ("Richardson",)),
        ("New York, São Paulo ,Zürich", ("New York", "São Paulo", "Zürich")),
        (",Richardson,,", ("Richardson",)),
        (",".join("abcdefghij"), tuple("abcdefghij")),
    ],
)
def test_locations_are_names_between_commas(text: str, names: tuple[str, ...]) -> None:
    assert ask(RULES.feed, NOW - 2 * HOUR, NOW - HOUR, locations=text).locations == names


def test_eleven_locations_are_refused() -> None:
    words = refusal(RULES.feed, NOW - 2 * HOUR, NOW - HOUR, locations=",".join("abcdefghijk"))
    assert words == "locations: must be no more than 10 names, separated by commas"


PERIOD = Period(NOW - 2 * HOUR, NOW - HOUR)
MARKS = [
    PageMark(PERIOD.start, REPORT),
    PageMark(PERIOD.end - MS, REPORT),
    PageMark(PERIOD.start + timedelta(microseconds=1), REPORT),
    PageMark(PERIOD.start + HOUR / 2),
]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("locations", [(), ("New York", "São Paulo & Söhne", "100 %")])
def test_a_link_leads_to_the_same_question_from_another_place(mark: PageMark, locations: tuple[str, ...]) -> None:
    asked = HistoryQuery(PERIOD, locations, 500)
    link = dict(parse_qsl(asked.next_query(ORG, mark)))
    assert read_history(link, NOW, RULES.feed) == HistoryQuery(PERIOD, locations, 500, mark)
    assert link["orgId"] == ORG


def test_the_time_in_a_link_has_the_form_of_every_other_time_wherever_that_says_enough() -> None:
    link = dict(parse_qsl(HistoryQuery(PERIOD).next_query(ORG, PageMark(PERIOD.start, REPORT))))
    assert link["startTimeForNextFetch"] == link["startTime"] == "2026-11-24T15:00:00.500Z"


def test_a_link_is_good_after_its_start_has_left_the_reach() -> None:
    start = NOW - RULES.feed.reach
    link = dict(parse_qsl(HistoryQuery(Period(start, start + HOUR)).next_query(ORG, PageMark(start, REPORT))))
    assert read_history(link, NOW + 10 * MINUTE, RULES.feed).after == PageMark(start, REPORT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-11-24T15:30:00Z",
        "2026-11-24T15:30:00.0000Z",
        "2026-13-24T15:30:00.000Z",
        "2026-11-24T15:00:00.499Z",
        "2026-11-24T16:00:00.500Z",
    ],
)
def test_a_place_that_no_link_names_is_refused(text: str) -> None:
    words = refusal(RULES.feed, PERIOD.start, PERIOD.end, startTimeForNextFetch=text)
    assert words.startswith("startTimeForNextFetch: must be ")


@pytest.mark.parametrize("text", ["x", "'; --", "1" * 37])
def test_a_report_id_that_no_link_names_is_refused(text: str) -> None:
    place = {"startTimeForNextFetch": "2026-11-24T15:30:00.000Z", "lastReportId": text}
    assert refusal(RULES.feed, PERIOD.start, PERIOD.end, **place).startswith("lastReportId: must be ")
