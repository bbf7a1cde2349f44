"""Which deliveries are started, so that no partner delays another."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cdrelay.contract.windows import Period
from cdrelay.publisher.delivery.deliveries import Delivery, Due
from cdrelay.publisher.delivery.lanes import MOST_TIMES_SLOTS, by_time_left, choose

TICK = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)


def due(partner: str, troubled: bool = False, ticks: int = 0, came_due: int = 0) -> Due:
    """A delivery of a partner."""
    tick = TICK + timedelta(minutes=5 * ticks)
    window = Period(tick - timedelta(minutes=10), tick - timedelta(minutes=5))
    moment = TICK + timedelta(seconds=came_due)
    return Due(Delivery(f"{partner} {ticks}", partner, tick, window, 1, 1, 0, 12, next_attempt_at=moment), troubled)


def chosen(dues: list[Due], under_way: dict[str, bool], slots: int) -> list[str]:
    """The partners whose deliveries are started."""
    return [one.delivery.partner_id for one in choose(dues, under_way, slots)]


def test_a_partner_that_is_sent_to_waits() -> None:
    assert chosen([due("a"), due("b")], {"a": False}, 8) == ["b"]
    assert chosen([due("a"), due("a")], {}, 8) == ["a"]


def test_what_leaves_the_reach_first_goes_first_and_then_what_came_due_first() -> None:
    young, old, retried = due("young", ticks=2), due("old", ticks=1, came_due=9), due("retried", ticks=1, came_due=3)
    assert [one.delivery.partner_id for one in sorted([young, old, retried], key=by_time_left)] == [
        "retried",
        "old",
        "young",
    ]


def test_troubled_partners_share_one_half_of_the_slots() -> None:
    troubled = [due(str(number), troubled=True) for number in range(9)]
    assert len(chosen(troubled, {}, 8)) == 4
    assert chosen([*troubled, due("well")], {}, 8) == ["0", "1", "2", "3", "well"]
    assert chosen([*troubled, due("well")], {"x": True, "y": True, "z": True}, 8) == ["0", "well"]


def test_with_one_slot_troubled_partners_still_have_their_turn() -> None:
    assert chosen([due("a", troubled=True)], {}, 1) == ["a"]


def test_the_well_have_all_slots_when_nobody_is_troubled() -> None:
    assert len(chosen([due(str(number)) for number in range(9)], {}, 8)) == 8


def test_when_more_hang_than_there_are_slots_half_of_them_are_there_for_the_well_all_the_same() -> None:
    hanging = {f"hangs {number}": True for number in range(20)}
    dues = [due("troubled", troubled=True), *(due(str(number)) for number in range(9))]
    assert chosen(dues, hanging, 8) == ["0", "1", "2", "3"]


def test_however_many_hang_there_is_an_end() -> None:
    hanging = {f"hangs {number}": True for number in range(8 * MOST_TIMES_SLOTS - 1)}
    assert chosen([due("a"), due("b")], hanging, 8) == ["a"]


PARTNERS = st.sampled_from("abcdefghijkl")
DUES = st.lists(st.builds(due, PARTNERS, st.booleans(), st.integers(0, 5), st.integers(0, 5)), max_size=30).map(
    lambda dues: sorted(dues, key=by_time_left)
)
UNDER_WAY = st.dictionaries(PARTNERS, st.booleans(), max_size=12)


@given(DUES, UNDER_WAY, st.integers(1, 6))
def test_places_are_never_exceeded_and_no_partner_is_started_twice(
    dues: list[Due], under_way: dict[str, bool], slots: int
) -> None:
    started = choose(dues, under_way, slots)
    partners = [one.delivery.partner_id for one in started]
    assert len(set(partners)) == len(partners)
    assert not set(partners) & under_way.keys()
    well = [*(one.troubled for one in started), *under_way.values()].count(False)
    troubled = len(started) + len(under_way) - well
    half = slots - slots // 2
    if any(one.troubled for one in started):
        assert troubled <= max(1, slots // 2)
        assert troubled + well <= max(slots, half + 1)
    if not all(one.troubled for one in started):
        assert well <= max(half, slots - sum(under_way.values()))


@given(DUES, UNDER_WAY, st.integers(1, 6))
def test_within_a_lane_nothing_is_started_before_what_has_less_time_left(
    dues: list[Due], under_way: dict[str, bool], slots: int
) -> None:
    started = choose(dues, under_way, slots)
    assert started == sorted(started, key=by_time_left)
    begun = {one.delivery.partner_id for one in started}
    for one in started:
        passed_over = [
            other
            for other in dues
            if other.troubled == one.troubled
            and by_time_left(other) < by_time_left(one)
            and other.delivery.partner_id not in begun | under_way.keys()
        ]
        assert passed_over == []


@given(DUES, st.integers(2, 6), st.integers(0, 7))
def test_one_that_is_well_and_the_oldest_is_started_however_many_are_troubled(
    dues: list[Due], slots: int, hanging: int
) -> None:
    oldest = due("oldest", ticks=-1)
    under_way = {f"hangs {number}": True for number in range(hanging)}
    assert "oldest" in chosen([oldest, *dues], under_way, slots)
