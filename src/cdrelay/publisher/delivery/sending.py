"""Sends what is due from the outbox: prepare, send, judge, record.

At least once: a kill between the callback's answer and the row of the attempt, or a database that cannot take that
row, sends the delivery again. Every listener knows records by Report ID (FACTS 1.1), so nothing is counted twice.
No transaction is open while a callback is waited for.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from cdrelay.callbacks.client import Posts
from cdrelay.callbacks.retry import (
    Answered,
    Delivered,
    GiveUp,
    Outcome,
    RetryPolicy,
    SwitchOff,
    Withheld,
    answer_kept,
    decide,
    in_words,
)
from cdrelay.clock import Clock
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.incidents import Incidents
from cdrelay.errors import CdrelayError
from cdrelay.publisher.delivery.deliveries import Attempt, Delivery, Due
from cdrelay.publisher.delivery.lanes import by_time_left, choose
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.delivery.preparing import Preparation, Prepared
from cdrelay.publisher.delivery.recording import Attempts, Judged, Together

SLOW_SECONDS = 1.0
"""A callback that has not answered by then holds no place of those that are well any longer."""

_FEW = 4
"""So many bodies may be held unpacked, and as many beside them that come next."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of sending."""

    outcome: Outcome
    started_at: datetime
    milliseconds: int
    url: str | None
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A delivery that is being sent."""

    partner_id: str
    troubled: bool
    since: float
    """Reading of the monotonic clock."""

    def held_up(self) -> bool:
        """Whether it belongs to the troubled: as known before, or because it takes too long."""
        return self.troubled or time.perf_counter() - self.since > SLOW_SECONDS


class Sender:
    """The loop that empties the outbox. `jitter` gives numbers from 0 to 1."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        attempts: Attempts,
        preparation: Preparation,
        callbacks: Posts,
        incidents: Incidents,
        clock: Clock,
        policy: RetryPolicy,
        slots: int,
        jitter: Callable[[], float],
        poll_seconds: float = 0.5,
    ) -> None:
        self._outbox = outbox
        self._attempts = attempts
        self._preparation = preparation
        self._callbacks = callbacks
        self._incidents = incidents
        self._clock = clock
        self._policy = policy
        self._slots = max(1, slots)
        self._jitter = jitter
        self._poll_seconds = poll_seconds
        self._recording = Together(self._write_down)
        self._under_way: dict[asyncio.Task[None], UnderWay] = {}
        self._working_beside: set[asyncio.Future[None]] = set()
        self._due: list[Due] = []
        self._read_at = float("-inf")
        self._withheld: set[str] = set()

    async def run(self) -> None:
        """Send until cancelled; what is under way then is broken off and sent again after the next start."""
        try:
            while True:
                try:
                    await self._start_due()
                except DatabaseUnavailable as error:
                    _log.warning("sending.postponed", error=str(error))
                await self._wait_for_one()
        finally:
            await self._break_off()

    async def send_due(self) -> int:
        """Send all that is due and return when nothing is under way any more; how many attempts that took."""
        attempts, self._read_at = 0, float("-inf")
        try:
            while (started := await self._start_due()) or self._under_way:
                attempts += started
                await self._wait_for_one()
        finally:
            await self._break_off()
        return attempts

    async def _start_due(self) -> int:
        """Start what there is room for; how many.

        All rows are read at every poll, and in between only those of the partners whose delivery has just ended: a
        window follows the one before at once, and that a thousand others wait costs it nothing.
        """
        ended = {one.partner_id for task, one in self._under_way.items() if task.done()}
        self._under_way = {task: one for task, one in self._under_way.items() if not task.done()}
        # Before the rows are read: what is finished while they are would be seen as due still, and be sent twice.
        under_way = {one.partner_id for one in self._under_way.values()}
        if time.perf_counter() - self._read_at >= self._poll_seconds:
            self._read_at, self._due = time.perf_counter(), []
            self._due = await asyncio.to_thread(self._outbox.due, self._clock.now())
        elif ended:
            self._due += await asyncio.to_thread(self._outbox.due, self._clock.now(), ended)
        self._due = sorted((one for one in self._due if one.delivery.partner_id not in under_way), key=by_time_left)
        return self._start()

    def _start(self) -> int:
        chosen = choose(self._due, {one.partner_id: one.held_up() for one in self._under_way.values()}, self._slots)
        for one in chosen:
            task = asyncio.create_task(self._deliver(one.delivery))
            self._under_way[task] = UnderWay(one.delivery.partner_id, one.troubled, time.perf_counter())
        started = {one.delivery.partner_id for one in chosen}
        self._due = [one for one in self._due if one.delivery.partner_id not in started]
        return len(chosen)

    async def _wait_for_one(self) -> None:
        """Until something has ended, and not longer than the poll: rows come due, and what hangs makes room."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self._poll_seconds)

    async def _break_off(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, *self._working_beside, return_exceptions=True)
        await self._recording.finish()
        self._under_way = {}

    async def _deliver(self, delivery: Delivery) -> None:
        """All stages of one attempt. Ends well, whatever happens: it is the outermost function of its task."""
        try:
            few = len(self._under_way) <= _FEW
            prepared = await asyncio.to_thread(self._preparation.prepare, delivery, hold=few)
            if few and delivery.part < delivery.parts and isinstance(prepared, Prepared):
                self._beside(self._preparation.sign_next, delivery)
            sent = await self._send(delivery, prepared)
            judged = self._judge(delivery, sent)
            await self._recording.put(judged)
            if isinstance(judged.decision, Delivered | GiveUp):
                # Only after the row says that it is of no more use; and not in the way of what others wait for.
                await asyncio.to_thread(self._outbox.remove_body, delivery.id)
        except CdrelayError as error:
            await self._stumble(delivery, str(error))
        except Exception as error:  # noqa: BLE001  # outermost: one delivery must not end the loop for all others
            _log.exception("delivery.broken", delivery=delivery.id, partner=delivery.partner_id)
            await self._stumble(delivery, f"unexpected: {type(error).__name__}")

    def _beside(self, work: Callable[[Delivery], None], delivery: Delivery) -> None:
        working = asyncio.ensure_future(asyncio.to_thread(work, delivery))
        self._working_beside.add(working)
        working.add_done_callback(self._working_beside.discard)

    async def _stumble(self, delivery: Delivery, why: str) -> None:
        await asyncio.to_thread(self._incidents.record, "send", f"delivery {delivery.id}: {why}")
        # No row says when to come again, so the partner's slot is held: its callback must not be hammered meanwhile.
        await self._clock.sleep(self._policy.first.total_seconds())

    async def _send(self, delivery: Delivery, prepared: Prepared | Outcome) -> Sent:
        started_at, started = self._clock.now(), time.perf_counter()
        if isinstance(prepared, Prepared):
            outcome = await self._callbacks.post(prepared.url, prepared.headers, prepared.body)
            url, failing_since = prepared.url, prepared.failing_since
        else:
            outcome, url, failing_since = prepared, None, None
        await self._tell_withheld(delivery.partner_id, outcome)
        return Sent(outcome, started_at, round((time.perf_counter() - started) * 1000), url, failing_since)

    async def _tell_withheld(self, partner_id: str, outcome: Outcome) -> None:
        """Tell the operator of what keeps a partner's deliveries here: once, and not at every attempt of each."""
        if not isinstance(outcome, Withheld):
            self._withheld.discard(partner_id)
        elif partner_id not in self._withheld:
            self._withheld.add(partner_id)
            what = f"nothing is sent to partner {partner_id}: {outcome.cause}"
            await asyncio.to_thread(self._incidents.record, "send", what)

    def _judge(self, delivery: Delivery, sent: Sent) -> Judged:
        decision = decide(
            delivery.attempts + 1,
            sent.outcome,
            now=self._clock.now(),
            window_end=delivery.window.end,
            policy=self._policy,
            jitter=self._jitter(),
            failing_since=sent.failing_since,
        )
        answered = sent.outcome if isinstance(sent.outcome, Answered) else None
        attempt = Attempt(
            number=delivery.attempts + 1,
            started_at=sent.started_at,
            milliseconds=sent.milliseconds,
            status=answered.status if answered else None,
            outcome=in_words(sent.outcome),
            answer=answer_kept(answered.text) if answered else "",
        )
        return Judged(delivery, attempt, decision, sent.url)

    def _write_down(self, lot: list[Judged]) -> None:
        self._attempts.record(lot)
        for one in lot:
            _log.info(
                "delivery.attempted",
                delivery=one.delivery.id,
                partner=one.delivery.partner_id,
                part=f"{one.delivery.part}/{one.delivery.parts}",
                records=one.delivery.records,
                attempt=one.attempt.number,
                status=one.attempt.status,
                outcome=one.attempt.outcome,
                milliseconds=one.attempt.milliseconds,
                decision=type(one.decision).__name__,
            )
            if isinstance(one.decision, GiveUp | SwitchOff):
                self._incidents.record("send", f"partner {one.delivery.partner_id}: {one.decision.reason}")
