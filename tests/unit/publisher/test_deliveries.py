"""Ids of deliveries."""

from datetime import UTC, datetime, timedelta

from cdrelay.publisher.delivery.deliveries import delivery_id

TICK = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)


def test_a_part_has_the_same_id_whenever_it_is_written_and_no_two_have_the_same() -> None:
    assert delivery_id("p", TICK, 1) == delivery_id("p", TICK, 1) == delivery_id("p", TICK, 1, 0)
    later = TICK + timedelta(minutes=5)
    others = [("p", TICK, 1), ("p", TICK, 2), ("q", TICK, 1), ("p", later, 1), ("p", TICK, 1, 1), ("p", TICK, 1, 2)]
    assert len({delivery_id(*key) for key in others}) == len(others)
