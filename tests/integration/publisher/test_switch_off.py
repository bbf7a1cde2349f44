"""A webhook that fails for long is switched off, and nothing is lost by it before the 48 hours are over."""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.clock import ManualClock
from cdrelay.contract.windows import Period
from cdrelay.publisher.delivery.deliveries import Delivery, delivery_id
from cdrelay.publisher.parties import Partner
from tests.integration.publisher.publisher_bench import START, Bench, ids, record, report_id
from tests.support.callback import Answer, Callback

TICK = timedelta(minutes=5)


def owe(bench: Bench, partner: Partner) -> str:
    """Five minutes later, a window of one call that is due; the Report ID of the call."""
    bench.clock.advance(TICK)
    tick = bench.clock.now()
    call = record(f"call of {tick:%d %H:%M:%S}", tick - TICK)
    body = json.dumps({"items": [call]}).encode()
    window = Period(tick - 2 * TICK, tick - TICK)
    delivery = Delivery(
        delivery_id(partner.id, tick, 1), partner.id, tick, window, 1, 1, 1, len(body), next_attempt_at=tick
    )
    bench.outbox.write_body(delivery.id, PackedBody.pack(body))
    bench.outbox.add_windows([[delivery]])
    return call["Report ID"]


async def fail_for(bench: Bench, partner: Partner, duration: timedelta) -> list[str]:
    """Windows come and are tried, until that has passed; the Report IDs of their calls."""
    until, calls = bench.clock.now() + duration, []
    async with bench.sender() as sender:
        while bench.clock.now() < until:
            calls.append(owe(bench, partner))
            await sender.send_due()
    return calls


def states(bench: Bench) -> dict[str, int]:
    """How many deliveries are in which state."""
    found = bench.outbox.statistics()
    return {"delivered": found.delivered, "pending": found.pending, "failed": found.failed}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A publisher to which two hours without a success are enough."""
    allowed = {"allow_http_callbacks": True, "allow_callbacks_to_private_addresses": True}
    opened = Bench(tmp_path / "home", ManualClock(START), switch_off_after_hours=2.0, **allowed)
    yield opened
    opened.close()


@pytest.fixture
def partner(bench: Bench) -> Partner:
    """The only one."""
    return bench.partner()


async def test_windows_are_cut_and_kept_for_a_webhook_that_is_off(bench: Bench, partner: Partner) -> None:
    async with Callback(otherwise=Answer(410)) as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        for minute in range(3):
            bench.spool(record(minute, bench.clock.now() - TICK))
            bench.clock.advance(TICK)
            await asyncio.to_thread(bench.ticker().tick_once)
            await sender.send_due()
        assert len(callback.requests) == 1
        assert not bench.webhooks.get(partner.id).active
        callback.otherwise = Answer(200)
        bench.webhooks.set_active(partner.id, True)
        assert await sender.send_due() == 3
        arrived = [one for request in callback.requests[1:] for one in ids(request.body)]
        assert arrived == [report_id(minute) for minute in range(3)]


@pytest.mark.parametrize("how", ["switched on", "replaced"])
async def test_what_failed_before_is_sent_at_once_when_somebody_has_mended_it(
    bench: Bench, partner: Partner, how: str
) -> None:
    async with Callback(otherwise=Answer(500)) as callback:
        bench.hook(partner, callback.url)
        calls = await fail_for(bench, partner, timedelta(minutes=40))
        callback.otherwise = Answer(200)
        seen = len(callback.requests)
        if how == "replaced":
            bench.webhooks.set(partner.id, callback.url, replace=True)
        else:
            bench.webhooks.set_active(partner.id, False)
            bench.webhooks.set_active(partner.id, True)
        async with bench.sender() as sender:
            assert await sender.send_due() == len(calls)
        assert [one for request in callback.requests[seen:] for one in ids(request.body)] == calls


async def test_after_two_hours_without_a_success_it_is_off_with_the_reason_and_nothing_is_dropped(
    bench: Bench, partner: Partner
) -> None:
    async with Callback(otherwise=Answer(500)) as callback:
        bench.hook(partner, callback.url)
        await fail_for(bench, partner, timedelta(hours=2))
        assert bench.webhooks.get(partner.id).active  # the first failure was one tick later
        first_failure = bench.webhooks.get(partner.id).failing_since
        assert first_failure is not None
        await fail_for(bench, partner, timedelta(minutes=20))
        webhook = bench.webhooks.get(partner.id)
        assert not webhook.active
        assert webhook.switched_off_because == (
            f"nothing arrived since {first_failure:%Y-%m-%d %H:%M} UTC; lastly: the callback answered 500"
        )
        assert any("nothing arrived since" in one.what for one in bench.incidents.latest())
        seen = len(callback.requests)
        waiting = states(bench)["pending"]
        await fail_for(bench, partner, timedelta(minutes=30))
        assert len(callback.requests) == seen
        assert states(bench) == {"delivered": 0, "pending": waiting + 6, "failed": 0}


async def test_switched_on_again_all_arrive_once_and_the_oldest_first(bench: Bench, partner: Partner) -> None:
    async with Callback(otherwise=Answer(500)) as callback:
        bench.hook(partner, callback.url)
        calls = await fail_for(bench, partner, timedelta(hours=4))
        assert not bench.webhooks.get(partner.id).active
        callback.otherwise = Answer(200)
        callback.requests.clear()
        waiting = states(bench)["pending"]
        assert waiting == 48
        webhook = bench.webhooks.set_active(partner.id, True)
        assert webhook.failing_since is None
        async with bench.sender() as sender:
            assert await sender.send_due() == waiting
        windows = [request.headers["X-Cdrelay-Window-Start"] for request in callback.requests]
        assert windows == sorted(set(windows))
        arrived = [one for request in callback.requests for one in ids(request.body)]
        assert arrived == calls
        assert states(bench) == {"delivered": 48, "pending": 0, "failed": 0}


async def test_after_48_hours_what_waits_is_given_up_and_what_is_younger_still_arrives(
    bench: Bench, partner: Partner
) -> None:
    async with Callback(otherwise=Answer(410)) as callback:
        bench.hook(partner, callback.url)
        await fail_for(bench, partner, timedelta(minutes=30))
        assert states(bench) == {"delivered": 0, "pending": 6, "failed": 0}
        bench.advance(hours=47, minutes=45)
        await asyncio.to_thread(bench.ticker().tick_once)
        given_up = states(bench)["failed"]
        assert 0 < given_up < 6
        callback.otherwise = Answer(200)
        callback.requests.clear()
        bench.webhooks.set_active(partner.id, True)
        async with bench.sender() as sender:
            await sender.send_due()
        assert states(bench)["pending"] == 0
        assert states(bench)["failed"] == given_up
        oldest = min(request.headers["X-Cdrelay-Window-End"] for request in callback.requests)
        assert datetime.fromisoformat(oldest) >= bench.clock.now() - timedelta(hours=48)


async def test_one_success_in_between_begins_the_count_anew(bench: Bench, partner: Partner) -> None:
    async with Callback(otherwise=Answer(503)) as callback:
        bench.hook(partner, callback.url)
        await fail_for(bench, partner, timedelta(hours=1, minutes=50))
        callback.answers.append(Answer(200))
        await fail_for(bench, partner, timedelta(minutes=30))
        webhook = bench.webhooks.get(partner.id)
        assert webhook.active
        assert webhook.failing_since is not None
        assert webhook.failing_since > START + timedelta(hours=1, minutes=50)


async def test_what_could_not_leave_here_says_nothing_about_the_callback(bench: Bench, partner: Partner) -> None:
    async with Callback() as callback:
        bench.hook(partner, callback.url, "secret")
        (bench.home / "secret.key").write_bytes(Fernet.generate_key())
        owe(bench, partner)
        again = bench.again()
        async with again.sender() as sender:
            await sender.send_due()
        assert again.webhooks.get(partner.id).failing_since is None
        assert callback.requests == []
        again.close()


async def test_failures_of_an_address_that_was_replaced_meanwhile_mark_nothing(bench: Bench, partner: Partner) -> None:
    async with Callback(otherwise=Answer(500, hangs=True)) as old, Callback() as new, bench.sender() as sender:
        bench.hook(partner, old.url)
        owe(bench, partner)
        sending = asyncio.create_task(sender.send_due())
        await asyncio.wait_for(old.arrived.wait(), 10)
        bench.webhooks.set(partner.id, new.url, replace=True)
        old.release()
        await sending
        assert bench.webhooks.get(partner.id).failing_since is None


async def test_switched_on_by_hand_during_the_last_failure_it_stays_on(bench: Bench, partner: Partner) -> None:
    async with Callback(otherwise=Answer(500)) as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        await fail_for(bench, partner, timedelta(hours=2))
        callback.otherwise = Answer(500, hangs=True)
        callback.arrived.clear()
        bench.advance(minutes=20)
        sending = asyncio.create_task(sender.send_due())
        await asyncio.wait_for(callback.arrived.wait(), 10)
        bench.webhooks.set_active(partner.id, True)
        callback.release()
        await sending
        assert bench.webhooks.get(partner.id).active


async def test_a_dead_callback_is_tried_rarely_however_much_is_pending(bench: Bench, partner: Partner) -> None:
    """Not each of its windows by itself: that would be hundreds of attempts an hour after a day."""
    async with Callback(otherwise=Answer(500)) as callback:
        bench.hook(partner, callback.url)
        await fail_for(bench, partner, timedelta(hours=1))
        callback.requests.clear()
        await fail_for(bench, partner, timedelta(minutes=45))
        # Each new window once as it comes, which is how its recovery is seen, and the oldest every quarter of an hour.
        assert len(callback.requests) <= 9 + 4


async def test_a_retry_after_keeps_the_partners_other_windows_waiting_too(bench: Bench, partner: Partner) -> None:
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        owe(bench, partner)
        owe(bench, partner)
        callback.answers.append(Answer(429, {"Retry-After": "60"}))
        assert await sender.send_due() == 1
        bench.advance(seconds=59)
        assert await sender.send_due() == 0
        bench.advance(seconds=1)
        assert await sender.send_due() == 2


async def test_a_delivery_that_the_callback_does_not_like_holds_up_no_other(bench: Bench, partner: Partner) -> None:
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        for _ in range(3):
            owe(bench, partner)
        callback.answers.append(Answer(413))
        assert await sender.send_due() == 3
        assert states(bench) == {"delivered": 2, "pending": 1, "failed": 0}
        bench.advance(seconds=5)
        assert await sender.send_due() == 1
