from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.collector.comparison import (
    Finding,
    Former,
    State,
    compare,
    due_until,
    in_reach,
    judge,
    margin,
    verdict,
    window_of,
)
from cdrelay.collector.source_run import spans_due
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import read_time, write_time
from cdrelay.contract.windows import Period

RULES = Rules()
HOUR = Period(datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24, 10, tzinfo=UTC))
DURING = datetime(2026, 11, 24, 9, 40, tzinfo=UTC)
SETTLED = datetime(2026, 11, 24, 10, 6, tzinfo=UTC)
GONE = HOUR.end + RULES.reach

ORG_A, ORG_B, ORG_C = "a", "b", "c"


@pytest.mark.parametrize(
    ("expected", "stored", "fetched", "previous", "now", "state"),
    [
        (0, 0, 0, None, DURING, "open"),
        (5, 5, 0, None, DURING, "open"),
        (5, 6, 0, None, DURING, "open"),
        (5, 4, 0, "open", DURING, "short"),
        (5, 5, 1, "short", DURING, "open"),
        (5, 5, 0, "open", SETTLED, "matched"),
        (5, 5, 0, None, SETTLED, "matched"),
        (5, 4, 0, "matched", SETTLED, "short"),
        (5, 5, 1, "short", SETTLED, "repaired"),
        (5, 5, 0, "short", SETTLED, "matched"),
        (5, 5, 1, "repaired", SETTLED, "repaired"),
        (6, 5, 1, "repaired", SETTLED, "short"),
        (5, 6, 0, "matched", SETTLED, "surplus"),
        (6, 6, 0, "surplus", SETTLED, "matched"),
        (5, 4, 0, "short", GONE, "lost"),
        (5, 4, 0, "short", GONE - timedelta(milliseconds=1), "short"),
        (5, 4, 0, "lost", GONE, "lost"),
        (5, 5, 1, "lost", GONE, "repaired"),
    ],
)
def test_state_follows_from_counts_history_and_time(
    expected: int, stored: int, fetched: int, previous: State | None, *, now: datetime, state: State
) -> None:
    assert judge(expected, stored, fetched, previous, now=now, window=HOUR, rules=RULES) == state


@given(
    expected=st.integers(0, 50),
    stored=st.integers(0, 50),
    fetched=st.integers(0, 50),
    previous=st.sampled_from([None, "open", "matched", "short", "repaired", "surplus", "lost"]),
    minutes=st.integers(-60, 4_000),
)
def test_a_missing_record_is_always_told_and_nothing_else_is_called_missing(
    expected: int, stored: int, fetched: int, previous: State | None, minutes: int
) -> None:
    now = HOUR.end + timedelta(minutes=minutes)
    state = judge(expected, stored, fetched, previous, now=now, window=HOUR, rules=RULES)
    assert (state in {"short", "lost"}) == (stored < expected)


@given(since=st.timedeltas(timedelta(0), timedelta(days=365)))
def test_spans_lie_within_the_allowed_range_and_only_where_deliveries_are_past(since: timedelta) -> None:
    now = HOUR.start + since
    spans = spans_due(now, RULES)
    assert timedelta(0) <= spans[0].start - (now - RULES.reach + margin(RULES)) < timedelta(milliseconds=1)
    assert spans[-1].end == due_until(now, RULES) <= now - RULES.settle
    assert all(span.length <= RULES.count_span for span in spans)
    assert all(earlier.end == later.start for earlier, later in pairwise(spans))
    assert all(window_of(span.start, RULES).end >= span.end for span in spans)


@given(since=st.timedeltas(timedelta(0), timedelta(hours=1)))
def test_what_is_left_of_a_span_is_on_the_wire_what_it_is_here(since: timedelta) -> None:
    left = in_reach(Period(HOUR.start - RULES.reach, HOUR.end), HOUR.start + since, RULES)
    assert left is not None
    assert read_time(write_time(left.start)) == left.start


@pytest.mark.parametrize("factor", [60, 300, 1200])
def test_compressed_contracts_leave_spans_to_compare(factor: float) -> None:
    rules = Rules().compressed(factor)
    spans = spans_due(SETTLED, rules)
    assert len(spans) >= 47
    assert all(in_reach(span, SETTLED, rules) == span for span in spans)


def test_an_organization_missing_on_either_side_counts_zero() -> None:
    found = compare({ORG_A: 3, ORG_C: 0}, {ORG_B: 2}, unlisted=[ORG_B])
    assert found == [Finding(ORG_A, 3, 0), Finding(ORG_B, 0, 2), Finding(ORG_C, 0, 0)]


def test_records_of_other_providers_are_no_surplus() -> None:
    assert compare({ORG_A: 1}, {ORG_A: 1, ORG_B: 2}, unlisted=()) == [Finding(ORG_A, 1, 1)]


LATE = Period(HOUR.start + timedelta(minutes=20), HOUR.end)
LEAVING = HOUR.start + timedelta(minutes=20) + RULES.reach


def _late(before: Finding, after: Finding, *, whole_hour: int, former: Former | None) -> tuple[int, int, str] | None:
    found = verdict(before, after, whole_hour=whole_hour, former=former, span=LATE, now=LEAVING, rules=RULES)
    return None if found is None else (found.expected, found.stored, found.state)


def test_the_end_of_an_hour_that_is_complete_says_nothing_about_the_whole() -> None:
    equal = Finding(ORG_A, 4, 4)
    assert _late(equal, equal, whole_hour=9, former=Former(10, 0, "short")) is None
    assert _late(equal, equal, whole_hour=9, former=None) is None


def test_a_late_record_in_the_end_of_an_hour_is_added_to_what_the_whole_was_expected_to_hold() -> None:
    former = Former(10, 0, "matched")
    after = _late(Finding(ORG_A, 5, 4), Finding(ORG_A, 5, 5), whole_hour=11, former=former)
    assert after == (11, 11, "repaired")


def test_what_is_missing_from_the_beginning_of_an_hour_stays_missing() -> None:
    former = Former(10, 0, "short")
    after = _late(Finding(ORG_A, 5, 4), Finding(ORG_A, 5, 5), whole_hour=9, former=former)
    assert after == (10, 9, "short")


def test_what_repairs_bring_is_told_once_and_only_by_repairs() -> None:
    before, after = Finding(ORG_A, 5, 4), Finding(ORG_A, 5, 5)
    whole = verdict(before, after, whole_hour=5, former=None, span=HOUR, now=SETTLED, rules=RULES)
    assert whole is not None
    assert (whole.brought, whole.state) == (1, "repaired")
    untouched = verdict(after, Finding(ORG_A, 5, 7), whole_hour=7, former=None, span=HOUR, now=SETTLED, rules=RULES)
    assert untouched is not None
    assert (untouched.brought, untouched.state) == (0, "surplus")
