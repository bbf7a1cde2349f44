from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.collector.comparison import (
    Check,
    Finding,
    Former,
    State,
    compare,
    due_until,
    in_reach,
    judge,
    margin,
    verdict,
    why,
    window_of,
)
from cdrelay.collector.schedule import spans_due
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
        (5, 4, 0, "short", GONE, "short"),
        (5, 4, 0, "lost", GONE, "lost"),
        (5, 5, 1, "lost", GONE, "repaired"),
    ],
)
def test_state_follows_from_counts_history_and_time(
    expected: int, stored: int, fetched: int, previous: State | None, *, now: datetime, state: State
) -> None:
    found = Finding(ORG_A, expected, stored)
    assert judge(found, fetched, previous, now=now, window=HOUR, rules=RULES) == state


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
    state = judge(Finding(ORG_A, expected, stored), fetched, previous, now=now, window=HOUR, rules=RULES)
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


def test_a_record_that_came_and_is_not_stored_is_missing_though_the_counts_are_equal() -> None:
    found = Finding(ORG_A, 5, 5, absent=1)
    assert judge(found, 0, "matched", now=SETTLED, window=HOUR, rules=RULES) == "short"


def test_an_organization_missing_on_either_side_counts_zero_and_a_known_one_is_looked_at() -> None:
    found = compare({ORG_A: 3, ORG_C: 0}, {ORG_B: 2}, known=[ORG_B, "d"])
    assert found == [Finding(ORG_A, 3, 0), Finding(ORG_B, 0, 2), Finding(ORG_C, 0, 0), Finding("d", 0, 0)]


def test_records_of_other_providers_are_no_surplus() -> None:
    assert compare({ORG_A: 1}, {ORG_A: 1, ORG_B: 2}, known=()) == [Finding(ORG_A, 1, 1)]


LATE = Period(HOUR.start + timedelta(minutes=20), HOUR.end)
LEAVING = HOUR.start + timedelta(minutes=20) + RULES.reach


def _late(before: Finding, after: Finding, *, whole_hour: int, former: Former | None) -> tuple[int, int, str] | None:
    check = Check(span=LATE, before=before, after=after, whole_hour=whole_hour, asked=before.missing > 0)
    found = verdict(check, former, now=LEAVING, rules=RULES)
    return None if found is None else (found.expected, found.stored, found.state)


def test_the_end_of_an_hour_that_is_complete_says_nothing_about_the_whole() -> None:
    equal = Finding(ORG_A, 4, 4)
    assert _late(equal, equal, whole_hour=9, former=Former(10, 0, "matched", 10)) is None
    assert _late(equal, equal, whole_hour=9, former=None) is None


def test_a_late_record_in_the_end_of_an_hour_is_added_to_what_the_whole_was_expected_to_hold() -> None:
    former = Former(10, 0, "matched", 10)
    after = _late(Finding(ORG_A, 5, 4), Finding(ORG_A, 5, 5), whole_hour=11, former=former)
    assert after == (11, 11, "repaired")


def test_what_is_missing_from_the_beginning_of_an_hour_stays_missing() -> None:
    former = Former(10, 0, "short", 8)
    after = _late(Finding(ORG_A, 5, 4), Finding(ORG_A, 5, 5), whole_hour=9, former=former)
    assert after == (10, 9, "short")


def test_what_came_for_the_beginning_of_an_hour_after_it_left_the_reach_is_seen() -> None:
    equal = Finding(ORG_A, 4, 4)
    assert _late(equal, equal, whole_hour=10, former=Former(10, 0, "short", 9)) == (10, 10, "matched")


@pytest.mark.parametrize("former", [None, Former(0, 0, "open", 5, proof="none"), Former(5, 0, "open", 5)])
def test_an_hour_whose_beginning_was_never_compared_is_not_proved_by_its_end(former: Former | None) -> None:
    check = Check(span=LATE, before=Finding(ORG_A, 5, 4), after=Finding(ORG_A, 5, 5), whole_hour=9, asked=True)
    found = verdict(check, former, now=LEAVING, rules=RULES)
    assert found is not None
    assert (found.state, found.proof, found.brought) == ("open", "none", 9 - max(8, former.stored if former else 0))
    assert found.reason == "left the provider's reach uncompared, its beginning"


def test_what_is_missing_from_the_end_is_said_though_the_beginning_was_never_compared_and_proves_nothing_later() -> (
    None
):
    short = Finding(ORG_A, 5, 4)
    check = Check(span=LATE, before=short, after=short, whole_hour=8, asked=True)
    found = verdict(check, None, now=LEAVING, rules=RULES)
    assert found is not None
    assert (found.state, found.proof) == ("short", "none")
    former = Former(found.expected, 0, found.state, found.stored, proof=found.proof)
    check = Check(span=LATE, before=short, after=Finding(ORG_A, 5, 5), whole_hour=9, asked=True)
    later = verdict(check, former, now=LEAVING, rules=RULES)
    assert later is not None
    assert (later.state, later.proof) == ("open", "none")


def _whole(before: Finding, after: Finding, former: Former | None = None, **more: object) -> tuple[int, str, str]:
    asked = bool(more.pop("asked", before.missing > 0))
    check = Check(span=HOUR, before=before, after=after, whole_hour=after.stored, asked=asked, **more)  # type: ignore[arg-type]
    found = verdict(check, former, now=SETTLED, rules=RULES)
    assert found is not None
    return found.brought, found.state, found.proof


def test_what_repairs_bring_is_told_once_and_only_by_repairs() -> None:
    before, after = Finding(ORG_A, 5, 4), Finding(ORG_A, 5, 5)
    assert _whole(before, after) == (1, "repaired", "counts")
    assert _whole(after, Finding(ORG_A, 5, 7)) == (0, "surplus", "counts")
    told_by_another_run = Former(5, 1, "repaired", 5)
    assert _whole(before, after, told_by_another_run) == (0, "repaired", "counts")
    seen_by_another_run_and_not_brought = Former(5, 0, "matched", 5)
    assert _whole(before, after, seen_by_another_run_and_not_brought) == (1, "repaired", "counts")


def test_only_a_complete_window_is_proved_by_ids() -> None:
    assert _whole(Finding(ORG_A, 5, 5), Finding(ORG_A, 5, 5), by_ids=True)[2] == "ids"
    assert _whole(Finding(ORG_A, 5, 4), Finding(ORG_A, 5, 4), by_ids=True)[1:] == ("short", "counts")


@pytest.mark.parametrize(
    ("found", "state", "problem", "in_quarantine", "words"),
    [
        (Finding(ORG_A, 5, 5), "matched", None, 0, None),
        (Finding(ORG_A, 5, 7), "surplus", None, 0, "2 stored that the provider does not count"),
        (Finding(ORG_A, 5, 3), "short", None, 0, "2 missing; the records endpoint does not give them"),
        (Finding(ORG_A, 5, 3), "short", "HTTP 500", 0, "2 missing; HTTP 500"),
        (Finding(ORG_A, 5, 3), "short", None, 2, "2 missing, 2 in quarantine"),
    ],
)
def test_a_window_that_is_not_as_it_should_be_says_why(
    found: Finding, state: State, problem: str | None, in_quarantine: int, words: str | None
) -> None:
    assert why(found, state, problem=problem, in_quarantine=in_quarantine) == words
