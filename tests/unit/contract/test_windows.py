"""Where windows begin and end (TRAPS 1 and 7), on the wall clock and in compressed time."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.contract.rules import Rules
from cdrelay.contract.times import read_time, write_time
from cdrelay.contract.windows import Period, ceil_to, floor_to, spans_to_reconcile, ticks_owed, window_of_tick

RULES = Rules()
TICK = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
MINUTE, MILLISECOND = timedelta(minutes=1), timedelta(milliseconds=1)

moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - UTC follows
contracts = st.sampled_from((1, 60, 300, 1200)).map(RULES.compressed)


def test_a_delivery_at_17_00_holds_the_calls_that_ended_from_16_50_to_16_55() -> None:
    assert window_of_tick(TICK, RULES) == Period(TICK - 10 * MINUTE, TICK - 5 * MINUTE)


@pytest.mark.parametrize(
    ("ended", "inside"),
    [
        (TICK - 10 * MINUTE - MILLISECOND, False),
        (TICK - 10 * MINUTE, True),
        (TICK - 5 * MINUTE - MILLISECOND, True),
        (TICK - 5 * MINUTE, False),
    ],
)
def test_a_window_holds_its_start_and_not_its_end(ended: datetime, *, inside: bool) -> None:
    assert (ended in window_of_tick(TICK, RULES)) is inside


@given(moments, contracts)
def test_every_moment_is_in_the_window_of_exactly_one_tick(moment: datetime, rules: Rules) -> None:
    first = floor_to(moment, rules.tick)
    ticks = [first + number * rules.tick for number in range(-1, 5)]
    assert [moment in window_of_tick(tick, rules) for tick in ticks].count(True) == 1


@given(moments, contracts)
def test_windows_of_ticks_that_follow_meet_without_gap_or_overlap(moment: datetime, rules: Rules) -> None:
    tick = floor_to(moment, rules.tick)
    assert window_of_tick(tick, rules).end == window_of_tick(tick + rules.tick, rules).start


@given(moments, st.timedeltas(MILLISECOND, timedelta(days=2)))
def test_a_floor_is_the_last_multiple_that_is_not_later(moment: datetime, step: timedelta) -> None:
    floor = floor_to(moment, step)
    assert floor <= moment < floor + step
    assert floor_to(floor, step) == floor


@given(moments, st.timedeltas(MILLISECOND, timedelta(days=2)))
def test_a_ceiling_is_the_first_multiple_that_is_not_earlier(moment: datetime, step: timedelta) -> None:
    ceiling = ceil_to(moment, step)
    assert ceiling - step < moment <= ceiling
    assert floor_to(ceiling, step) == ceiling


def test_ticks_lie_on_multiples_of_five_minutes_of_the_wall_clock() -> None:
    assert floor_to(TICK + timedelta(minutes=4, seconds=59), RULES.tick) == TICK


def test_the_first_tick_ever_owes_nothing_of_the_past() -> None:
    assert list(ticks_owed(None, TICK + MINUTE, RULES)) == [TICK]


def test_a_tick_is_owed_at_its_very_moment_and_once() -> None:
    assert list(ticks_owed(TICK - 5 * MINUTE, TICK, RULES)) == [TICK]
    assert list(ticks_owed(TICK, TICK, RULES)) == []
    assert list(ticks_owed(TICK, TICK + 5 * MINUTE - MILLISECOND, RULES)) == []


def test_after_three_missed_ticks_three_are_owed_the_oldest_first() -> None:
    owed = ticks_owed(TICK - 15 * MINUTE, TICK + 2 * MINUTE, RULES)
    assert list(owed) == [TICK - 10 * MINUTE, TICK - 5 * MINUTE, TICK]


def test_after_a_time_of_compressed_ticks_they_lie_on_the_grid_again() -> None:
    last = TICK + timedelta(seconds=5)
    assert list(ticks_owed(last, TICK + 11 * MINUTE, RULES)) == [TICK + 5 * MINUTE, TICK + 10 * MINUTE]


def test_a_clock_that_went_back_owes_nothing() -> None:
    assert list(ticks_owed(TICK, TICK - timedelta(hours=1), RULES)) == []


@given(st.timedeltas(timedelta(hours=48), timedelta(days=400)))
def test_after_more_than_48_hours_the_ticks_of_48_hours_are_owed(down: timedelta) -> None:
    now = TICK + MINUTE
    owed = list(ticks_owed(TICK - down - RULES.tick, now, RULES))
    assert len(owed) == 48 * 12
    assert owed[0] - RULES.tick < now - RULES.reach < owed[0]
    assert owed[-1] == TICK


@given(moments, st.timedeltas(timedelta(0), timedelta(hours=47)), contracts)
def test_ticks_owed_follow_each_other_up_to_the_present(now: datetime, down: timedelta, rules: Rules) -> None:
    last = floor_to(now - down * (rules.reach / RULES.reach), rules.tick)
    found = [last, *ticks_owed(last, now, rules)]
    assert all(later - earlier == rules.tick for earlier, later in islice(pairwise(found), 1_000))
    assert found[-1] == floor_to(now, rules.tick)


@given(moments, st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_spans_cover_what_can_be_asked_in_order_and_without_gap(now: datetime, margin: timedelta) -> None:
    spans = spans_to_reconcile(now, RULES, margin)
    assert timedelta(0) <= spans[0].start - (now - RULES.reach + margin) < MILLISECOND
    assert timedelta(0) <= (now - RULES.settle - margin) - spans[-1].end < MILLISECOND
    assert [(a, b) for a, b in pairwise(spans) if a.end != b.start] == []


@given(moments, st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_spans_are_on_the_wire_what_they_are_here(now: datetime, margin: timedelta) -> None:
    """An edge between two milliseconds was cut on the wire and not here, so that a record on that millisecond was
    expected and never found: at a million records an hour every fourth run called one lost."""
    edges = [edge for span in spans_to_reconcile(now, RULES, margin) for edge in (span.start, span.end)]
    assert [read_time(write_time(edge)) for edge in edges] == edges


@given(moments)
def test_spans_are_cut_at_whole_hours_and_so_are_never_too_long(now: datetime) -> None:
    spans = spans_to_reconcile(now, RULES)
    assert max(span.length for span in spans) <= RULES.count_span
    assert [span.start for span in spans[1:] if floor_to(span.start, RULES.count_span) != span.start] == []


def test_with_margins_that_leave_nothing_nothing_is_asked() -> None:
    assert spans_to_reconcile(TICK, RULES, timedelta(hours=24)) == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (TICK, TICK),
        (TICK, TICK - MILLISECOND),
        (TICK.replace(tzinfo=None), TICK + MINUTE),
        (TICK, (TICK + MINUTE).replace(tzinfo=None)),
    ],
)
def test_an_empty_or_zoneless_period_is_none(start: datetime, end: datetime) -> None:
    with pytest.raises(ValueError, match="a period"):
        Period(start, end)


def test_nothing_but_a_moment_is_in_a_period() -> None:
    assert "17:00" not in Period(TICK, TICK + MINUTE)


@pytest.mark.parametrize(
    ("factor", "tick", "reach"), [(60, 5, 2880), (300, 1, 576), (1200, 0.25, 144)], ids=["60", "300", "1200"]
)
def test_compressed_time_divides_every_duration(factor: float, tick: float, reach: float) -> None:
    rules = RULES.compressed(factor)
    assert (rules.tick, rules.settle) == (timedelta(seconds=tick),) * 2
    assert rules.reach == timedelta(seconds=reach)
    assert rules.reach / rules.count_span == 48


def test_compressed_time_leaves_numbers_of_things_alone() -> None:
    rules = RULES.compressed(60)
    assert (rules.organizations_per_page, rules.records_per_post) == (200, 5_000)


@pytest.mark.parametrize("factor", [0, -1, 7, 1e12])
def test_a_factor_that_does_not_come_out_in_whole_milliseconds_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="factor of"):
        RULES.compressed(factor)
