"""Which deliveries are started, so that no partner delays another."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cdrelay.contract.windows import Period
from cdrelay.publisher.deliveries import Delivery, Due
from cdrelay.publisher.lanes import choose

TICK = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)


def due(partner: str, troubled: bool = False) -> Due:
    """A delivery of a partner."""
    window = Period(TICK - timedelta(minutes=10), TICK - timedelta(minutes=5))
    return Due(Delivery(partner, partner, TICK, window, 1, 1, 0, 12), troubled)


def chosen(dues: list[Due], under_way: dict[str, bool], slots: int) -> list[str]:
    """The partners whose deliveries are started."""
    return [one.delivery.partner_id for one in choose(dues, under_way, slots)]


def test_a_partner_that_is_sent_to_waits() -> None:
    assert chosen([due("a"), due("b")], {"a": False}, 8) == ["b"]
    assert chosen([due("a"), due("a")], {}, 8) == ["a"]


def test_troubled_partners_share_one_half_of_the_slots() -> None:
    troubled = [due(str(number), troubled=True) for number in range(9)]
    assert len(chosen(troubled, {}, 8)) == 4
    assert chosen([*troubled, due("well")], {}, 8) == ["0", "1", "2", "3", "well"]
    assert chosen([*troubled, due("well")], {"x": True, "y": True, "z": True}, 8) == ["0", "well"]


def test_with_one_slot_troubled_partners_still_have_their_turn() -> None:
    assert chosen([due("a", troubled=True)], {}, 1) == ["a"]


PARTNERS = st.sampled_from("abcdefgh")


@given(st.lists(st.builds(due, PARTNERS, st.booleans())), st.dictionaries(PARTNERS, st.booleans()), st.integers(2, 6))
def test_slots_are_never_exceeded_and_no_partner_is_started_twice(
    dues: list[Due], under_way: dict[str, bool], slots: int
) -> None:
    started = choose(dues, under_way, slots)
    partners = [one.delivery.partner_id for one in started]
    assert len(set(partners)) == len(partners)
    assert not set(partners) & under_way.keys()
    assert len(started) <= max(0, slots - len(under_way))
    if any(one.troubled for one in started):
        assert sum(under_way.values()) + sum(one.troubled for one in started) <= slots // 2
