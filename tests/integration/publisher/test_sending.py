"""Sending from a real outbox to a real callback over HTTP."""

import asyncio
import errno
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import pytest

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.contract.manifest import Manifest
from cdrelay.contract.windows import Period
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.publisher.delivery.deliveries import Delivery, Due, delivery_id
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.delivery.recording import Attempts, Judged
from cdrelay.publisher.errors import OutboxUnwritable
from cdrelay.publisher.parties import Partner
from tests.integration.publisher.publisher_bench import START, Bench
from tests.support.callback import Answer, Callback

# FACTS 1.4: a public example, and one computed over the empty list.
VECTORS = [
    ("myBongoSecret", b'{"a":1,"b":2,"c":{"d":3}}', "01e0cb6a53731b9615b483335d77d97023410c72"),
    ("example-secret", b'{"items":[]}', "e74814f66b6a7aebb5429ebdb1558138d788dc20"),
]


def put(bench: Bench, partner: Partner, body: bytes = b'{"items":[]}', *, ticks: int = 0, part: int = 1) -> str:
    """A delivery that is due; returns its id."""
    tick = START + timedelta(minutes=5 * ticks)
    window = Period(tick - timedelta(minutes=10), tick - timedelta(minutes=5))
    delivery = Delivery(
        id=delivery_id(partner.id, tick, part),
        partner_id=partner.id,
        tick=tick,
        window=window,
        part=part,
        parts=1,
        records=0,
        body_bytes=len(body),
        next_attempt_at=bench.clock.now(),
    )
    bench.outbox.write_body(delivery.id, PackedBody.pack(body))
    bench.outbox.add_windows([[delivery]])
    return delivery.id


def state(bench: Bench, delivery: str) -> tuple[str, int]:
    """State and attempts of a delivery."""
    return next((one.state, one.attempts) for one in bench.outbox.latest() if one.id == delivery)


@pytest.mark.parametrize(("secret", "body", "signature"), VECTORS)
async def test_a_delivery_is_signed_over_its_raw_bytes(bench: Bench, secret: str, body: bytes, signature: str) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url, secret)
        put(bench, partner, body)
        assert await sender.send_due() == 1
    (request,) = callback.requests
    assert (request.method, request.body) == ("POST", body)
    assert request.headers["X-Spark-Signature"] == signature


async def test_a_delivery_says_what_it_is(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        delivery = put(bench, partner)
        await sender.send_due()
    headers = callback.requests[0].headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Length"] == "12"
    assert headers["User-Agent"].startswith("cdrelay/")
    assert headers["X-Cdrelay-Delivery"] == delivery
    window = Period(START - timedelta(minutes=10), START - timedelta(minutes=5))
    assert Manifest.read(headers) == Manifest(window, 1, 1, 0)
    assert "X-Spark-Signature" not in headers  # no secret, no header


async def test_what_is_delivered_leaves_the_outbox_and_a_row(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback(otherwise=Answer(204)) as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        delivery = put(bench, partner)
        await sender.send_due()
    assert state(bench, delivery) == ("delivered", 1)
    assert list(bench.outbox.folder.glob("*.json.zst")) == []
    (attempt,) = bench.outbox.attempts_of(delivery)
    assert (attempt.number, attempt.status, attempt.outcome) == (1, 204, "delivered")


async def test_every_retry_carries_the_same_bytes(bench: Bench) -> None:
    partner = bench.partner()
    body = ('{"items":[{"Report ID":"ä – 表"}' + ',{"n":1}' * 100_000 + "]}\n").encode()
    async with Callback() as callback, bench.sender() as sender:
        callback.answers.extend([Answer(500), Answer(404, text="not\nhere " + "x" * 500), Answer(429)])
        bench.hook(partner, callback.url, "secret")
        delivery = put(bench, partner, body)
        for attempt in range(1, 5):
            assert state(bench, delivery)[1] == attempt - 1
            assert await sender.send_due() == 1
            assert await sender.send_due() == 0  # not before its time
            bench.advance(seconds=900)
    assert [request.body for request in callback.requests] == [body] * 4
    assert len({request.headers["X-Spark-Signature"] for request in callback.requests}) == 1
    assert state(bench, delivery) == ("delivered", 4)
    attempts = bench.outbox.attempts_of(delivery)
    assert [one.status for one in attempts] == [500, 404, 429, 200]
    assert len(attempts[1].answer) == 200
    assert attempts[1].answer.startswith("not here xxx")


async def test_redirects_are_refused_and_tried_again(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as elsewhere, Callback() as callback, bench.sender() as sender:
        callback.answers.append(Answer(307, {"Location": elsewhere.url}))
        bench.hook(partner, callback.url)
        delivery = put(bench, partner)
        await sender.send_due()
        assert elsewhere.requests == []
        assert state(bench, delivery) == ("pending", 1)
        assert "redirects are not followed" in bench.outbox.attempts_of(delivery)[0].outcome


async def test_410_switches_off_and_activating_sends_what_is_pending(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        callback.answers.append(Answer(410))
        bench.hook(partner, callback.url)
        first, second = put(bench, partner), put(bench, partner, ticks=1)
        assert await sender.send_due() == 1  # the second is not even tried
        webhook = bench.webhooks.get(partner.id)
        assert not webhook.active
        assert "410" in (webhook.switched_off_because or "")
        bench.advance(hours=1)
        assert await sender.send_due() == 0
        assert [state(bench, one)[0] for one in (first, second)] == ["pending", "pending"]
        bench.webhooks.set_active(partner.id, True)
        assert await sender.send_due() == 2
    assert state(bench, first) == ("delivered", 2)


async def test_410_of_an_address_that_was_replaced_meanwhile_switches_nothing_off(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback(otherwise=Answer(hangs=True, status=410)) as old, Callback() as new:
        bench.hook(partner, old.url)
        put(bench, partner)
        async with bench.sender() as sender:
            sending = asyncio.create_task(sender.send_due())
            await asyncio.wait_for(old.arrived.wait(), 10)
            bench.webhooks.set(partner.id, new.url, replace=True)
            old.release()
            await sending
        assert bench.webhooks.get(partner.id).active


@pytest.mark.parametrize(("asked", "seconds"), [("60", 60), ("86400", 900), ("0", 5), ("99999999999999999999", 900)])
async def test_retry_after_is_obeyed_up_to_the_clamp(bench: Bench, asked: str, seconds: int) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        callback.answers.append(Answer(429, {"Retry-After": asked}))
        bench.hook(partner, callback.url)
        put(bench, partner)
        await sender.send_due()
        bench.advance(seconds=seconds - 0.001)
        assert await sender.send_due() == 0
        bench.advance(milliseconds=1)
        assert await sender.send_due() == 1


async def test_an_endpoint_that_is_not_there_is_tried_again(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback:
        url = callback.url
    bench.hook(partner, url)
    delivery = put(bench, partner)
    async with bench.sender() as sender:
        await sender.send_due()
    assert state(bench, delivery) == ("pending", 1)
    (attempt,) = bench.outbox.attempts_of(delivery)
    assert attempt.status is None
    assert "no connection to the callback" in attempt.outcome


async def test_a_callback_that_is_too_slow_is_tried_again(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback(otherwise=Answer(hangs=True)) as callback, bench.sender(answer_seconds=0.2) as sender:
        bench.hook(partner, callback.url)
        delivery = put(bench, partner)
        await sender.send_due()
    assert state(bench, delivery) == ("pending", 1)
    assert bench.outbox.attempts_of(delivery)[0].outcome == "no answer within 0.2 seconds"


async def test_48_hours_after_its_window_a_delivery_is_given_up(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback(otherwise=Answer(500)) as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        delivery = put(bench, partner)
        bench.clock.advance(START + timedelta(hours=48, minutes=-5) - bench.clock.now())
        await sender.send_due()
    assert state(bench, delivery) == ("failed", 1)
    assert list(bench.outbox.folder.glob("*.json.zst")) == []
    assert any("out of reach" in one.what for one in bench.incidents.latest())


async def test_a_body_that_is_gone_is_given_up_and_said(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        delivery = put(bench, partner)
        bench.outbox.remove_body(delivery)
        await sender.send_due()
        assert callback.requests == []
    assert state(bench, delivery) == ("failed", 1)


async def test_dead_partners_do_not_delay_the_others_though_they_outnumber_the_slots(bench: Bench) -> None:
    async with Callback(otherwise=Answer(hangs=True)) as dead, Callback() as alive:
        hanging = [bench.partner(f"dead {number}") for number in range(6)]
        for partner in hanging:
            bench.hook(partner, dead.url)
            put(bench, partner)
        # They are known to hang: one failed attempt each.
        async with bench.sender(answer_seconds=0.2) as sender:
            await sender.send_due()
        bench.advance(seconds=10)
        well = bench.partner("well")
        bench.hook(well, alive.url)
        delivery = put(bench, well, ticks=1)  # younger than all the others
        async with bench.sender(slots=4) as sender:
            sending = asyncio.create_task(sender.run())
            await asyncio.wait_for(alive.arrived.wait(), 10)
            async with asyncio.timeout(10):
                while (await asyncio.to_thread(state, bench, delivery))[0] != "delivered":  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        assert len(dead.requests) <= 6 + 2  # half of the slots were theirs


async def test_a_partner_has_one_delivery_under_way_at_a_time(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback(otherwise=Answer(hangs=True)) as callback, bench.sender(answer_seconds=0.3) as sender:
        bench.hook(partner, callback.url)
        for ticks in range(3):
            put(bench, partner, ticks=ticks)
        sending = asyncio.create_task(sender.send_due())
        await asyncio.wait_for(callback.arrived.wait(), 10)
        assert len(callback.requests) == 1
        await sending
    assert len(callback.requests) == 3


class SlowToLook(Outbox):
    """An outbox whose second look takes until the slow partner's delivery, just seen as due, is through."""

    looks = 0
    loop: asyncio.AbstractEventLoop
    slow: Callback

    def due(self, now: datetime, partner_ids: Collection[str] | None = None) -> list[Due]:
        """What is due; the second time, what was due a while ago."""
        found = super().due(now, partner_ids)
        self.looks += 1
        if self.looks == 2:
            self.loop.call_soon_threadsafe(self.slow.release)
            asyncio.run_coroutine_threadsafe(self._until_nothing_is_under_way(), self.loop).result(10)
        return found

    @staticmethod
    async def _until_nothing_is_under_way() -> None:
        while any(task.get_coro().__qualname__ == "Sender._deliver" for task in asyncio.all_tasks()):  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_delivery_that_is_through_while_the_rows_are_read_is_not_sent_twice(bench: Bench) -> None:
    """The rows were read first and what is under way was asked after: what finished in between was sent again."""
    quick, slow = bench.partner("quick"), bench.partner("slow")
    async with Callback() as answers, Callback(otherwise=Answer(hangs=True)) as hangs:
        bench.hook(quick, answers.url)
        bench.hook(slow, hangs.url)
        put(bench, quick)
        delivery = put(bench, slow)
        outbox = SlowToLook(bench.foundation.database, bench.outbox.folder, bench.clock)
        outbox.loop, outbox.slow = asyncio.get_running_loop(), hangs
        bench.outbox = outbox
        async with bench.sender() as sender:
            assert await sender.send_due() == 2
        assert len(hangs.requests) == 1
    assert state(bench, delivery) == ("delivered", 1)


class ForgetsOnce(Attempts):
    """Cannot write down the first attempt."""

    failed = False

    def record(self, judged: Sequence[Judged]) -> None:
        """Fail the first time."""
        if not self.failed:
            self.failed = True
            raise DatabaseUnavailable("the control database is full")
        super().record(judged)


async def test_what_was_sent_and_could_not_be_written_down_is_sent_again_but_not_at_once(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback:
        bench.hook(partner, callback.url)
        delivery = put(bench, partner)
        forgets = ForgetsOnce(bench.foundation.database, bench.clock, bench.alerts)
        async with bench.sender(attempts=forgets) as sender:
            sending = asyncio.create_task(sender.send_due())
            async with asyncio.timeout(10):
                while not await asyncio.to_thread(bench.incidents.latest):  # noqa: ASYNC110
                    await asyncio.sleep(0)
            assert len(callback.requests) == 1
            async with asyncio.timeout(10):
                while not sending.done():
                    bench.advance(seconds=5)
                    await asyncio.sleep(0.001)
        assert len(callback.requests) == 2
        assert callback.requests[0].body == callback.requests[1].body
    assert state(bench, delivery) == ("delivered", 1)


async def test_an_answer_that_comes_after_it_was_given_up_counts(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback(otherwise=Answer(hangs=True)) as callback:
        bench.hook(partner, callback.url)
        delivery = put(bench, partner)
        async with bench.sender() as sender:
            sending = asyncio.create_task(sender.send_due())
            await asyncio.wait_for(callback.arrived.wait(), 10)
            assert bench.outbox.give_up_before(bench.clock.now()) == 1
            callback.release()
            await sending
    assert state(bench, delivery) == ("delivered", 1)


async def test_broken_off_under_way_it_is_sent_again_after_the_restart(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback:
        callback.answers.append(Answer(hangs=True))
        bench.hook(partner, callback.url)
        delivery = put(bench, partner)
        async with bench.sender() as sender:
            sending = asyncio.create_task(sender.run())
            await asyncio.wait_for(callback.arrived.wait(), 10)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        again = bench.again()
        async with again.sender() as sender:
            assert await sender.send_due() == 1
        assert state(again, delivery) == ("delivered", 1)
        assert callback.requests[0].body == callback.requests[1].body
        again.close()


async def test_a_webhook_changed_between_attempts_is_sent_to_at_its_new_address(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback(otherwise=Answer(500)) as old, Callback() as new, bench.sender() as sender:
        bench.hook(partner, old.url)
        put(bench, partner)
        await sender.send_due()
        bench.webhooks.set(partner.id, new.url, secret="fresh", replace=True)
        bench.advance(seconds=5)
        await sender.send_due()
    assert "X-Spark-Signature" in new.requests[0].headers


async def test_between_partners_the_window_that_leaves_the_reach_first_goes_first(bench: Bench) -> None:
    async with Callback() as callback, bench.sender(slots=1) as sender:
        order = [3, 0, 4, 1, 2]
        windows = []
        for ticks in order:
            partner = bench.partner(f"partner {ticks}", [])
            bench.hook(partner, callback.url)
            windows.append((ticks, put(bench, partner, ticks=ticks)))
        assert await sender.send_due() == 5
    arrived = [request.headers["X-Cdrelay-Delivery"] for request in callback.requests]
    assert arrived == [delivery for _, delivery in sorted(windows)]


async def test_a_retry_that_is_due_goes_before_the_partners_younger_windows(bench: Bench) -> None:
    partner = bench.partner()
    async with Callback() as callback, bench.sender() as sender:
        bench.hook(partner, callback.url)
        callback.answers.append(Answer(413))
        first = put(bench, partner)
        await sender.send_due()
        bench.advance(seconds=5)
        windows = [first, *(put(bench, partner, ticks=ticks) for ticks in (2, 1))]
        await sender.send_due()
    arrived = [request.headers["X-Cdrelay-Delivery"] for request in callback.requests]
    assert arrived == [first, first, windows[2], windows[1]]


def test_a_body_that_cannot_be_replaced_stays_whole(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.outbox.write_body("x", PackedBody.pack(b"as it was"))

    def no_room(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("os.fsync", no_room)
        with pytest.raises(OutboxUnwritable, match="No space left"):
            bench.outbox.replace_body("x", PackedBody.pack(b"as it should be"))
    assert bench.outbox.read_body("x") == b"as it was"
    bench.outbox.replace_body("x", PackedBody.pack(b"as it should be"))
    assert bench.outbox.read_body("x") == b"as it should be"
    assert [path.name for path in bench.outbox.folder.glob("x*")] == ["x.json.zst"]
