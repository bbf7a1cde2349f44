from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdrelay.collector.comparison import due_until, window_of
from cdrelay.collector.schedule import (
    Cause,
    DueHour,
    HourFacts,
    SourceFacts,
    backoff,
    cause_of,
    due_hours,
    gaps_of,
    in_edge_order,
    next_check,
    paused_until,
    second_looks,
    settled_at,
    spans_due,
)
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period

RULES = Rules()
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
EVERY = timedelta(hours=12)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def hours_at(now: datetime, fact: HourFacts, rules: Rules = RULES) -> dict[datetime, HourFacts]:
    """The same fact for every hour in reach."""
    return {window_of(span.start, rules).start: fact for span in spans_due(now, rules)}


def causes(facts: SourceFacts, now: datetime = NOW, every: timedelta = EVERY) -> dict[datetime, Cause]:
    return {window_of(one.span.start, RULES).start: one.cause for one in due_hours(facts, now, RULES, every)}


def facts_of(fact: HourFacts, **more: object) -> SourceFacts:
    return SourceFacts("webex", hours_at(NOW, fact), **more)  # type: ignore[arg-type]


def compared(ago: timedelta) -> HourFacts:
    return HourFacts(tried_at=NOW - ago, compared_at=NOW - ago)


def test_what_was_never_compared_is_due_but_for_the_hour_under_way() -> None:
    due = due_hours(SourceFacts("webex"), NOW, RULES, EVERY)
    assert len(due) == 48
    assert due[-1].span.end == NOW.replace(minute=0)
    assert {one.cause for one in due} == {"schedule"}


def test_an_hour_is_due_as_soon_as_its_last_regular_delivery_is_past() -> None:
    window = Period(NOW.replace(hour=11, minute=0), NOW.replace(hour=12, minute=0))
    settled = settled_at(window, RULES)
    assert window.start not in causes(SourceFacts("webex"), settled - MINUTE)
    assert window.start in causes(SourceFacts("webex"), settled)


def test_what_was_compared_is_due_again_after_the_interval_and_not_before() -> None:
    ago = EVERY - MINUTE
    # But for what was under way then, and for the two looks that an hour gets whatever the interval.
    due_anyway = {
        start
        for start in hours_at(NOW, HourFacts())
        if due_until(NOW - ago, RULES) < start + HOUR
        or any(NOW - ago < look <= NOW for look in second_looks(Period(start, start + HOUR), RULES))
    } - {NOW.replace(minute=0)}
    assert set(causes(facts_of(compared(ago)))) == due_anyway
    assert len(due_anyway) < 40
    assert len(causes(facts_of(compared(EVERY)))) == 48


def test_late_records_are_looked_for_after_24_hours_and_before_the_hour_leaves_the_reach() -> None:
    window = Period(NOW.replace(hour=0, minute=0), NOW.replace(hour=1, minute=0))
    day_later, edge = second_looks(window, RULES)
    assert (day_later - window.end, window.start + RULES.reach - edge) == (timedelta(hours=24), HOUR)
    for moment in (day_later, edge):
        facts = SourceFacts("webex", {window.start: HourFacts(compared_at=moment - MINUTE)})
        assert window.start in causes(facts, moment, timedelta(days=9))
        facts = SourceFacts("webex", {window.start: HourFacts(compared_at=moment)})
        assert window.start not in causes(facts, moment + MINUTE, timedelta(days=9))


def test_a_row_of_the_ledger_can_ask_for_more_once() -> None:
    start = NOW.replace(hour=9, minute=0)
    facts = SourceFacts("webex", hours_at(NOW, compared(HOUR)))
    asks = dict(facts.hours) | {start: HourFacts(compared_at=NOW - HOUR, recheck_at=NOW)}
    assert causes(SourceFacts("webex", asks))[start] == "schedule"
    asked = dict(facts.hours) | {start: HourFacts(compared_at=NOW, recheck_at=NOW)}
    assert start not in causes(SourceFacts("webex", asked), NOW + MINUTE)


def test_a_start_asks_for_all_hours_but_those_compared_in_the_hour_before() -> None:
    assert len(causes(facts_of(compared(2 * HOUR), started_at=NOW))) == 48
    assert set(causes(facts_of(compared(2 * HOUR), started_at=NOW)).values()) == {"start"}
    assert "start" not in causes(facts_of(compared(HOUR), started_at=NOW)).values()


def test_a_process_that_starts_every_minute_asks_for_each_hour_once_an_hour() -> None:
    hours: dict[datetime, HourFacts] = {}
    asked, now = 0, NOW
    while now < NOW + timedelta(hours=3):
        for one in due_hours(SourceFacts("webex", hours, started_at=now), now, RULES, EVERY):
            hours[window_of(one.span.start, RULES).start] = HourFacts(now, 0, now)
            asked += 1
        now += MINUTE
    assert asked <= 4 * 50


def test_the_hours_of_a_gap_between_deliveries_are_due_once_deliveries_come_again() -> None:
    gap = Period(NOW - timedelta(hours=3), NOW - timedelta(hours=2))
    found = causes(facts_of(compared(timedelta(hours=2, minutes=30)), gaps=[gap]))
    assert {start.hour: cause for start, cause in found.items() if cause == "outage"} == {
        9: "outage",
        10: "outage",
    }
    assert "outage" not in causes(facts_of(compared(timedelta(hours=1)), gaps=[gap])).values()


def test_three_ticks_without_a_delivery_are_an_outage_and_less_is_none() -> None:
    came = [NOW, NOW + 5 * MINUTE, NOW + 20 * MINUTE, NOW + timedelta(minutes=34, seconds=59)]
    assert gaps_of(pairwise(came), RULES) == [Period(came[1], came[2])]


def test_a_window_that_is_missing_is_asked_for_once_even_in_the_hour_under_way() -> None:
    window = Period(NOW.replace(minute=10), NOW.replace(minute=15))
    found = causes(facts_of(compared(20 * MINUTE), missing=[window]))
    assert found[NOW.replace(minute=0)] == "window"
    asked = {NOW.replace(minute=0): HourFacts(compared_at=NOW)}
    assert causes(SourceFacts("webex", asked | {}, [window])).get(NOW.replace(minute=0)) is None


def test_what_failed_is_left_alone_and_less_and_less_often_tried() -> None:
    assert [backoff(failures, RULES) for failures in (1, 2, 3, 4, 99)] == [
        5 * MINUTE,
        10 * MINUTE,
        20 * MINUTE,
        30 * MINUTE,
        30 * MINUTE,
    ]
    start = NOW.replace(hour=9, minute=0)
    failed = {start: HourFacts(tried_at=NOW - 4 * MINUTE, failures=1)}
    others = {one: compared(HOUR) for one in hours_at(NOW, HourFacts())} | {
        NOW.replace(hour=8, minute=0): compared(MINUTE)
    }
    assert start not in causes(SourceFacts("webex", others | failed))
    failed = {start: HourFacts(tried_at=NOW - 5 * MINUTE, failures=1)}
    assert causes(SourceFacts("webex", others | failed))[start] == "outage"


def test_a_source_whose_last_question_failed_is_left_alone_as_a_whole() -> None:
    hours = {NOW.replace(hour=9, minute=0): HourFacts(tried_at=NOW - 4 * MINUTE, failures=1)}
    assert paused_until(hours.values(), RULES, NOW) == NOW + MINUTE
    assert due_hours(SourceFacts("webex", hours), NOW, RULES, EVERY) == []
    assert due_hours(SourceFacts("webex", hours), NOW + MINUTE, RULES, EVERY) != []


def test_a_surplus_is_looked_at_again_as_soon_as_a_short_hour_is() -> None:
    """A newer version of a record, which is yet to come, may belong to another hour."""
    window = Period(NOW - 3 * HOUR, NOW - 2 * HOUR)

    assert next_check("surplus", window, NOW, RULES) == next_check("short", window, NOW, RULES) == NOW + HOUR / 2


def test_what_is_short_near_the_edge_is_judged_as_soon_as_it_has_left_the_reach() -> None:
    window = Period(NOW, NOW + HOUR)

    assert next_check("short", window, window.start + RULES.reach - HOUR / 2, RULES) == window.end + RULES.reach


@given(minutes=st.integers(0, 3_000), state=st.sampled_from(["open", "matched", "short", "repaired", "surplus"]))
def test_the_next_check_lies_ahead_and_none_is_left_only_near_the_edge(minutes: int, state: str) -> None:
    window = Period(NOW, NOW + HOUR)
    now = window.start + minutes * MINUTE
    found = next_check(state, window, now, RULES)  # type: ignore[arg-type]
    edge = window.start + RULES.reach - HOUR
    assert found is None or found > now
    assert found is not None or now >= edge
    if now < edge:
        assert found is not None
        assert found <= edge
    elif state == "short" and now < (gone := window.end + RULES.reach):
        assert found is not None
        assert found <= gone
    assert next_check("lost", window, now, RULES) is None


facts_in_reach = st.builds(
    HourFacts,
    tried_at=st.none(),
    failures=st.just(0),
    compared_at=st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(days=3)).map(lambda ago: NOW - ago)),
    recheck_at=st.one_of(st.none(), st.timedeltas(-HOUR, timedelta(days=3)).map(lambda ago: NOW - ago)),
)


def _sources() -> st.SearchStrategy[list[SourceFacts]]:
    starts = sorted(hours_at(NOW, HourFacts()))
    hours = st.dictionaries(st.sampled_from(starts), facts_in_reach)
    return st.lists(hours, min_size=1, max_size=3).map(
        lambda all_of_them: [SourceFacts(f"s{number}", hours) for number, hours in enumerate(all_of_them)]
    )


def _all_due(sources: Iterable[SourceFacts], now: datetime) -> list[DueHour]:
    return in_edge_order(one for facts in sources for one in due_hours(facts, now, RULES, EVERY))


@given(sources=_sources())
def test_what_leaves_the_reach_first_comes_first_over_all_sources(sources: list[SourceFacts]) -> None:
    due = _all_due(sources, NOW)
    assert [one.deadline for one in due] == sorted(one.deadline for one in due)
    assert all(one.deadline == one.span.start + RULES.reach > NOW for one in due)


@settings(max_examples=15)
@given(sources=_sources())
def test_nothing_starves(sources: list[SourceFacts]) -> None:
    """Comparing one hour at a time, the first of all, every hour in reach has been compared after so many turns."""
    known = {facts.source: dict(facts.hours) for facts in sources}
    now = NOW
    for _ in range(50 * len(sources)):
        due = _all_due((SourceFacts(name, hours) for name, hours in known.items()), now)
        if not due:
            break
        start = window_of(due[0].span.start, RULES).start
        known[due[0].source][start] = HourFacts(now, 0, now)
    assert _all_due((SourceFacts(name, hours) for name, hours in known.items()), now) == []
    for hours in known.values():
        for span in spans_due(now, RULES):
            window = window_of(span.start, RULES)
            if span.end == window.end:
                compared_at = hours[window.start].compared_at
                assert compared_at is not None
                assert due_until(compared_at, RULES) >= window.end


@pytest.mark.parametrize("factor", [60, 300])
def test_compressed_time_keeps_the_schedule(factor: float) -> None:
    rules = Rules().compressed(factor)
    assert len(due_hours(SourceFacts("webex"), NOW + timedelta(seconds=1), rules, EVERY / factor)) >= 47


def test_the_cause_that_is_told_is_the_most_urgent() -> None:
    span = Period(NOW - HOUR, NOW)
    assert cause_of([DueHour(NOW, "webex", span, "schedule"), DueHour(NOW, "webex", span, "window")]) == "window"
    assert cause_of([]) == "schedule"


def test_what_lies_ahead_because_the_clock_was_set_back_is_as_if_it_were_not_known() -> None:
    ahead = NOW + 24 * HOUR
    failed = HourFacts(tried_at=ahead, failures=3)
    done = HourFacts(tried_at=ahead, compared_at=ahead)

    assert len(causes(facts_of(failed))) == len(causes(facts_of(done))) == 48
    # A process that began ahead does not ask again and again until the clock is there.
    assert causes(facts_of(compared(10 * MINUTE), started_at=ahead)) == {}
    assert causes(facts_of(HourFacts(NOW + MINUTE, 0, NOW + MINUTE))) == {}
