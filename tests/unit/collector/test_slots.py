import asyncio
from datetime import UTC, datetime, timedelta

from cdrelay.collector.slots import Slots

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


async def test_the_nearest_deadline_gets_the_next_slot_and_no_more_than_there_are_are_held() -> None:
    slots, order, held, most = Slots(2), list[int](), 0, 0

    async def hold(hours: int) -> None:
        nonlocal held, most
        async with slots.held(NOW + timedelta(hours=hours)):
            held += 1
            most = max(most, held)
            order.append(hours)
            await asyncio.sleep(0)
            held -= 1

    await asyncio.gather(*(hold(hours) for hours in (9, 8, 7, 1, 5, 3)))
    assert order == [9, 8, 1, 3, 5, 7]
    assert most == 2


async def test_who_is_cancelled_while_waiting_takes_no_slot_along() -> None:
    slots, done = Slots(1), list[str]()

    async def hold(name: str, hours: int) -> None:
        async with slots.held(NOW + timedelta(hours=hours)):
            await asyncio.sleep(0.01)
            done.append(name)

    first, second = asyncio.create_task(hold("first", 1)), asyncio.create_task(hold("second", 2))
    third = asyncio.create_task(hold("third", 3))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait_for(asyncio.gather(first, second, third, return_exceptions=True), 5)
    async with asyncio.timeout(1), slots.held(NOW):
        assert done == ["first", "third"]
