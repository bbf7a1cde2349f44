"""When there is an alarm and when there is none, by facts alone; and that every kind has its page."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdrelay.collector.alarms import conditions
from cdrelay.collector.alarms.facts import ComparedHour, Incomplete, KnownSource
from cdrelay.collector.alarms.kinds import FIRST_STEPS, KINDS, page_of
from cdrelay.collector.drift import DriftRow
from cdrelay.collector.manifests import MissingWindow
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 24, 12, 31, tzinfo=UTC)
RULES = Rules()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SHORT = Incomplete(3, 2, 17, NOW - 40 * HOUR, NOW - 38 * HOUR)


def known(**more: object) -> KnownSource:
    """A source of webhooks that can be asked."""
    plain = {"name": "webex", "kind": "webhook", "created_at": NOW - 30 * DAY, "askable": True, "refreshable": False}
    return KnownSource(**(plain | more))  # type: ignore[arg-type]


def gone(*minutes_ago: int, parts: tuple[int, ...] | None = None) -> list[MissingWindow]:
    """Windows that ended so many minutes before 12:30 and are missing."""
    base = NOW.replace(minute=30)
    ends = [base - minutes * MINUTE for minutes in sorted(minutes_ago, reverse=True)]
    return [MissingWindow(Period(end - RULES.tick, end), parts) for end in ends]


def test_a_gap_in_pulling_is_told_for_a_week_after_it_was_found() -> None:
    gap = Period(NOW - 100 * HOUR, NOW - 48 * HOUR)
    (cause,) = conditions.pull_gap(known(kind="cdr_stream", gap=gap, gap_found_at=NOW - 6 * DAY), NOW, RULES)
    assert (cause.kind, cause.subject) == ("pull-gap", "webex")
    assert "from 2026-11-20 08:31 UTC to 2026-11-22 12:31 UTC" in cause.what
    assert conditions.pull_gap(known(kind="cdr_stream", gap=gap, gap_found_at=NOW - 7 * DAY), NOW, RULES) == []
    assert conditions.pull_gap(known(kind="cdr_stream"), NOW, RULES) == []


@pytest.mark.parametrize(
    ("unreadable", "says"),
    [
        (["secret", "token"], "its secret, token. Its deliveries are refused with 503, and its provider is not asked"),
        (["client_secret"], "its client secret. Its provider is not asked"),
    ],
)
def test_what_cannot_be_opened_is_named_with_what_follows(unreadable: list[str], says: str) -> None:
    (cause,) = conditions.source_unreadable("webex", unreadable)
    assert (cause.kind, cause.subject) == ("source-unreadable", "webex")
    assert says in cause.what


def test_what_was_compared_before_the_clock_was_set_back_is_not_what_was_compared_last() -> None:
    hours = {
        NOW - 3 * HOUR: ComparedHour(NOW - 2 * HOUR, 0, None, tried_at=NOW - 2 * HOUR),
        NOW - 2 * HOUR: ComparedHour(NOW + DAY, 2, "no", tried_at=NOW - HOUR),
    }
    (cause,) = conditions.repair_failed("webex", None, hours, NOW, RULES)
    assert "Nothing was compared since 2026-11-24 10:31 UTC." in cause.what
    failed = {NOW - HOUR: ComparedHour(None, 2, "no", tried_at=NOW + DAY)}
    assert conditions.repair_failed("webex", None, failed, NOW, RULES) == []


def test_a_source_that_can_be_opened_is_no_alarm() -> None:
    assert conditions.source_unreadable("webex", []) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_alarm_has_a_page_that_says_what_to_do(kind: str) -> None:
    text = (ROOT / page_of(kind)).read_text("utf-8")
    assert all(heading in text for heading in ("**What it means.**", "**Where to look.**", "**What to do.**"))
    assert "**It is over" in text
    assert f"`{kind}`" in (ROOT / "docs" / "alarms.md").read_text("utf-8")


def test_every_kind_of_alarm_says_what_to_do_first_and_no_other_does() -> None:
    assert FIRST_STEPS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_what_to_do_first_is_short_and_what_the_page_of_the_kind_says(kind: str) -> None:
    first, page = FIRST_STEPS[kind], (ROOT / page_of(kind)).read_text("utf-8")
    assert 20 < len(first) < 260
    assert first.endswith(".")
    code = first.split("`")[1::2]
    assert first.count("`") == 2 * len(code)
    for typed in code:
        assert typed in page, f"{typed!r} is not in {page_of(kind)}"


def test_a_window_that_others_came_after_is_missing_once_it_is_late() -> None:
    source = known(delivered_at=NOW - MINUTE)
    (cause,) = conditions.window_missing(source, gone(60, 65), {}, NOW, RULES)
    assert (cause.kind, cause.subject) == ("window-missing", "webex")
    assert "2 windows of webex" in cause.what
    assert "between 2026-11-24 11:20 UTC and 2026-11-24 11:30 UTC" in cause.what


def test_a_window_whose_delivery_may_still_be_tried_again_is_no_alarm() -> None:
    # Due up to 12:25; a quarter of an hour before that is late.
    source = known(delivered_at=NOW)
    assert conditions.window_missing(source, gone(15), {}, NOW, RULES) == []
    assert conditions.window_missing(source, gone(20), {}, NOW, RULES) != []


def test_a_window_of_which_parts_are_missing_is_missing() -> None:
    assert conditions.window_missing(known(delivered_at=NOW), gone(60, parts=(2,)), {}, NOW, RULES)


@pytest.mark.parametrize(
    ("hour", "alarm"),
    [
        (ComparedHour(NOW, 0, None), False),
        (ComparedHour(NOW, 0, None, incomplete=1), True),
        (ComparedHour(None, 1, "no answer"), True),
        (ComparedHour(NOW - 62 * MINUTE, 0, None), True),  # before the window was due: it says nothing about it
    ],
)
def test_a_missing_window_is_no_alarm_once_its_hour_was_compared_and_lacks_nothing(
    hour: ComparedHour, alarm: bool
) -> None:
    hours = {NOW.replace(hour=11, minute=0): hour}
    assert bool(conditions.window_missing(known(delivered_at=NOW), gone(60), hours, NOW, RULES)) is alarm


def test_windows_after_the_last_delivery_are_silence_and_not_missing() -> None:
    source, missing = known(delivered_at=NOW - 60 * MINUTE), gone(*range(5, 55, 5))
    assert conditions.window_missing(source, missing, {}, NOW, RULES) == []
    (cause,) = conditions.source_silent(source, missing, NOW, RULES)
    assert cause.kind == "source-silent"
    assert "nothing since 2026-11-24 11:31 UTC" in cause.what


def test_windows_that_are_missing_while_others_are_delivered_are_told() -> None:
    # The provider delivers old ones again and again: that is no silence.
    source = known(delivered_at=NOW)
    assert conditions.source_silent(source, gone(20, 25, 30), NOW, RULES) == []
    assert conditions.window_missing(source, gone(20, 25, 30), {}, NOW, RULES) != []


@pytest.mark.parametrize(
    ("more", "alarm"),
    [
        ({"delivered_at": NOW - 29 * MINUTE, "counted_since": 9}, False),
        ({"delivered_at": NOW - 30 * MINUTE, "counted_since": 9}, True),
        ({"delivered_at": NOW - 30 * MINUTE}, False),
        ({"delivered_at": NOW - 9 * HOUR, "usual_gap": 5 * HOUR}, False),
        ({"delivered_at": NOW - 11 * HOUR, "usual_gap": 5 * HOUR}, True),
        ({"delivered_at": None}, False),
        ({"delivered_at": None, "counted_since": 9}, True),
        ({"delivered_at": None, "counted_since": 9, "created_at": NOW - 29 * MINUTE}, False),
        ({"kind": "cdr_stream", "pulled_at": NOW - 59 * MINUTE}, False),
        ({"kind": "cdr_stream", "pulled_at": NOW - 61 * MINUTE, "pull_problem": "no answer"}, True),
        ({"kind": "cdr_stream", "created_at": NOW - 61 * MINUTE}, True),
    ],
)
def test_a_source_is_silent_when_there_was_something_to_hear(more: dict[str, object], alarm: bool) -> None:
    assert bool(conditions.source_silent(known(**more), [], NOW, RULES)) is alarm


def test_what_is_still_short_after_a_repair_is_told_with_its_number() -> None:
    (cause,) = conditions.repair_failed("webex", SHORT, {}, NOW, RULES)
    assert "17 records in 3 hours of 2 organizations" in cause.what


@pytest.mark.parametrize(("failures", "alarm"), [(1, False), (2, True)])
def test_a_provider_that_failed_once_is_no_alarm(failures: int, alarm: bool) -> None:
    hours = {NOW - 3 * HOUR: ComparedHour(None, failures, "the provider answered 500")}
    causes = conditions.repair_failed("webex", None, hours, NOW, RULES)
    assert bool(causes) is alarm
    assert all("1 hour," in one.what and "answered 500" in one.what for one in causes)


@pytest.mark.parametrize(
    ("compared_minutes_ago", "says"),
    [
        (None, "Nothing was compared. Lastly"),
        (61, "Nothing was compared since 2026-11-24 11:30 UTC. Lastly"),
        (20, None),
    ],
)
def test_a_failing_provider_is_an_alarm_until_it_can_be_asked_though_the_hour_left_the_reach(
    compared_minutes_ago: int | None, says: str | None
) -> None:
    edge, tried = conditions.near_edge(NOW, RULES).start, NOW - 40 * MINUTE
    compared = None if compared_minutes_ago is None else NOW - compared_minutes_ago * MINUTE
    hours = {
        edge - HOUR: ComparedHour(None, 9, "HTTP 403", tried_at=tried),
        edge: ComparedHour(compared, 1, "HTTP 403", tried_at=NOW),
    }
    causes = conditions.repair_failed("webex", None, hours, NOW, RULES)
    assert bool(causes) is (says is not None)
    assert all(says in one.what for one in causes if says)


def test_hours_near_the_edge_that_were_never_compared_are_an_alarm() -> None:
    edge = conditions.near_edge(NOW, RULES)
    starts = [edge.start + number * HOUR for number in range(7)]
    compared = {start: ComparedHour(NOW, 0, None) for start in starts}
    assert conditions.records_near_edge(known(), None, compared, NOW, RULES) == []
    (cause,) = conditions.records_near_edge(
        known(), None, compared | {starts[3]: ComparedHour(None, 1, "")}, NOW, RULES
    )
    assert "1 hour from 2026-11-22 15:00 UTC" in cause.what
    never = {start: hour for start, hour in compared.items() if start not in starts[4:6]}
    assert "2 hours" in conditions.records_near_edge(known(), None, never, NOW, RULES)[0].what
    assert conditions.records_near_edge(known(askable=False), None, {}, NOW, RULES) == []
    assert conditions.records_near_edge(known(created_at=NOW - DAY), None, {}, NOW, RULES) == []


def test_what_is_short_near_the_edge_is_an_alarm_of_its_own() -> None:
    (cause,) = conditions.records_near_edge(known(askable=False), SHORT, {}, NOW, RULES)
    assert (cause.kind, "17 records" in cause.what) == ("records-near-edge", True)


def test_lost_records_are_told_for_a_week() -> None:
    assert conditions.records_lost("webex", None) == []
    assert "17 records" in conditions.records_lost("webex", SHORT)[0].what
    assert conditions.lately_lost(NOW, RULES).start == NOW - 9 * DAY


@pytest.mark.parametrize(
    ("more", "alarm"),
    [
        ({"refreshable": True, "refresh_expires_at": NOW + 22 * DAY}, False),
        ({"refreshable": True, "refresh_expires_at": NOW + 21 * DAY}, True),
        ({"refreshable": True, "refresh_expires_at": NOW + 90 * DAY, "token_expires_at": NOW}, False),
        ({"refreshable": True, "token_problem": "the provider answered 400"}, True),
        ({"token_expires_at": NOW + 3 * DAY}, False),
        ({"token_expires_at": NOW + 2 * DAY}, True),
        ({"token_expires_at": NOW - DAY}, True),
        ({"tokenless": True, "created_at": NOW - 29 * MINUTE}, False),
        ({"tokenless": True, "created_at": NOW - 30 * MINUTE}, True),
        ({}, False),
    ],
)
def test_a_token_is_told_of_before_it_ends(more: dict[str, object], alarm: bool) -> None:
    assert bool(conditions.token_expiring(known(**more), NOW, RULES)) is alarm


@pytest.mark.parametrize(
    ("free", "reserve", "alarm"), [(None, 0, True), (399, 100, True), (400, 100, False), (0, 0, False)]
)
def test_a_disk_is_nearly_full_below_four_reserves(free: int | None, reserve: int, alarm: bool) -> None:
    assert bool(conditions.disk_full(free, reserve)) is alarm


@pytest.mark.parametrize(("waits", "alarm"), [(None, False), (9, False), (10, True)])
def test_a_payload_may_wait_two_ticks_for_its_load(waits: int | None, alarm: bool) -> None:
    oldest = None if waits is None else NOW - waits * MINUTE
    assert bool(conditions.spool_grows(oldest, NOW, RULES)) is alarm


def test_new_deviations_are_told_by_source_and_old_ones_are_not() -> None:
    def row(field: str, ago: timedelta, source: str = "webex") -> DriftRow:
        return DriftRow("key", field, "", source, 3, "payload", NOW - ago, NOW, None)

    rows = [
        row("Old key", 25 * HOUR),
        *(row(f"Key {number}", number * HOUR) for number in range(7)),
        row("X", HOUR, "b"),
    ]
    other, cause = conditions.schema_drift(rows, NOW)
    assert (other.subject, cause.subject, cause.newest) == ("b", "webex", NOW)
    assert "'Key 0'" in cause.what
    assert "Old key" not in cause.what
    assert "and 2 more" in cause.what


def test_an_upkeep_that_fails_for_an_hour_is_told() -> None:
    assert conditions.upkeep_failed(None, NOW, RULES) == []
    assert conditions.upkeep_failed((NOW - 59 * MINUTE, "OSError"), NOW, RULES) == []
    assert "OSError" in conditions.upkeep_failed((NOW - HOUR, "OSError"), NOW, RULES)[0].what


def test_in_compressed_time_the_contract_runs_faster_and_tokens_do_not() -> None:
    fast = RULES.compressed(60)
    assert conditions.source_silent(known(delivered_at=NOW - 30 * timedelta(seconds=1), counted_since=1), [], NOW, fast)
    assert conditions.token_expiring(known(refreshable=True, refresh_expires_at=NOW + 20 * DAY), NOW, fast)
