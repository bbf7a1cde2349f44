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
from typing import Protocol

import structlog

from cdrelay import __version__
from cdrelay.clock import Clock
from cdrelay.contract.signature import SIGNATURE_HEADER, sign
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.incidents import Incidents
from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.errors import CdrelayError
from cdrelay.publisher.deliveries import Attempt, Delivery, Due, PackedBody
from cdrelay.publisher.errors import BodyMissing, WebhookUnknown
from cdrelay.publisher.lanes import choose
from cdrelay.publisher.outbox import Outbox
from cdrelay.publisher.retry import (
    Answered,
    Decision,
    Delivered,
    GiveUp,
    NotReached,
    Outcome,
    RetryPolicy,
    SwitchOff,
    Unsendable,
    answer_kept,
    decide,
    in_words,
)
from cdrelay.publisher.webhooks import Webhooks

DELIVERY_HEADER = "X-Cdrelay-Delivery"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is sent, ready to go."""

    url: str
    headers: dict[str, str]
    body: PackedBody


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of sending."""

    outcome: Outcome
    started_at: datetime
    milliseconds: int
    url: str | None


class Posts(Protocol):
    """What the sender needs of the network."""

    async def post(self, url: str, headers: dict[str, str], body: PackedBody) -> Outcome:
        """One exchange; failures are outcomes."""
        ...


def request_headers(delivery: Delivery, secret: str | None, body: bytes) -> dict[str, str]:
    """The headers of a delivery; signed over the raw body, only when the webhook has a secret (FACTS 1.4)."""
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "User-Agent": f"cdrelay/{__version__}",
        DELIVERY_HEADER: delivery.id,
        **delivery.manifest.headers(),
    }
    if secret is not None:
        headers[SIGNATURE_HEADER] = sign(secret, body)
    return headers


class Sender:
    """The loop that empties the outbox. `jitter` gives numbers from 0 to 1."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        webhooks: Webhooks,
        callbacks: Posts,
        incidents: Incidents,
        clock: Clock,
        policy: RetryPolicy,
        slots: int,
        jitter: Callable[[], float],
        poll_seconds: float = 0.5,
    ) -> None:
        self._outbox = outbox
        self._webhooks = webhooks
        self._callbacks = callbacks
        self._incidents = incidents
        self._clock = clock
        self._policy = policy
        self._slots = max(1, slots)
        self._jitter = jitter
        self._poll_seconds = poll_seconds
        self._tasks: dict[asyncio.Task[None], Due] = {}

    async def run(self) -> None:
        """Send until cancelled; what is under way then is broken off and sent again after the next start."""
        try:
            while True:
                try:
                    await self._start_due()
                except DatabaseUnavailable as error:
                    _log.warning("sending.postponed", error=str(error))
                await self._wait_a_little()
        finally:
            await self._break_off()

    async def send_due(self) -> int:
        """Send all that is due and return when nothing is under way any more; how many attempts that took."""
        attempts = 0
        try:
            while (started := await self._start_due()) or self._tasks:
                attempts += started
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._break_off()
        return attempts

    async def _start_due(self) -> int:
        self._tasks = {task: one for task, one in self._tasks.items() if not task.done()}
        # Before the rows are read: what is finished while they are would be seen as due still, and be sent twice.
        under_way = {one.delivery.partner_id: one.troubled for one in self._tasks.values()}
        due = await asyncio.to_thread(self._outbox.due, self._clock.now())
        chosen = choose(due, under_way, self._slots)
        for one in chosen:
            self._tasks[asyncio.create_task(self._deliver(one.delivery))] = one
        return len(chosen)

    async def _wait_a_little(self) -> None:
        poll = asyncio.create_task(self._clock.sleep(self._poll_seconds))
        try:
            await asyncio.wait({poll, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            poll.cancel()

    async def _break_off(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = {}

    async def _deliver(self, delivery: Delivery) -> None:
        """All stages of one attempt. Ends well, whatever happens: it is the outermost function of its task."""
        try:
            prepared = await asyncio.to_thread(self._prepare, delivery)
            sent = await self._send(prepared)
            decision = self._judge(delivery, sent)
            await asyncio.to_thread(self._record, delivery, sent, decision)
        except CdrelayError as error:
            await self._stumble(delivery, str(error))
        except Exception as error:  # noqa: BLE001  # outermost: one delivery must not end the loop for all others
            _log.exception("delivery.broken", delivery=delivery.id, partner=delivery.partner_id)
            await self._stumble(delivery, f"unexpected: {type(error).__name__}")

    async def _stumble(self, delivery: Delivery, why: str) -> None:
        await asyncio.to_thread(self._incidents.record, "send", f"delivery {delivery.id}: {why}")
        # No row says when to come again, so the partner's slot is held: its callback must not be hammered meanwhile.
        await self._clock.sleep(self._policy.first.total_seconds())

    def _prepare(self, delivery: Delivery) -> Prepared | Outcome:
        try:
            webhook = self._webhooks.get(delivery.partner_id)
            secret = self._webhooks.secret(delivery.partner_id)
            packed, body = self._outbox.read_body(delivery.id)
        except (WebhookUnknown, SecretUnreadable) as error:
            return NotReached(str(error))
        except BodyMissing as error:
            return Unsendable(str(error))
        return Prepared(webhook.url, request_headers(delivery, secret, body), packed)

    async def _send(self, prepared: Prepared | Outcome) -> Sent:
        started_at, started = self._clock.now(), time.perf_counter()
        if isinstance(prepared, Prepared):
            outcome = await self._callbacks.post(prepared.url, prepared.headers, prepared.body)
            url = prepared.url
        else:
            outcome, url = prepared, None
        return Sent(outcome, started_at, round((time.perf_counter() - started) * 1000), url)

    def _judge(self, delivery: Delivery, sent: Sent) -> Decision:
        return decide(
            delivery.attempts + 1,
            sent.outcome,
            now=self._clock.now(),
            window_end=delivery.window.end,
            policy=self._policy,
            jitter=self._jitter(),
        )

    def _record(self, delivery: Delivery, sent: Sent, decision: Decision) -> None:
        answered = sent.outcome if isinstance(sent.outcome, Answered) else None
        attempt = Attempt(
            number=delivery.attempts + 1,
            started_at=sent.started_at,
            milliseconds=sent.milliseconds,
            status=answered.status if answered else None,
            outcome=in_words(sent.outcome),
            answer=answer_kept(answered.text) if answered else "",
        )
        self._outbox.record(delivery, attempt, decision, sent.url)
        if isinstance(decision, Delivered | GiveUp):
            self._outbox.remove_body(delivery.id)  # only after the row says that it is of no more use
        _log.info(
            "delivery.attempted",
            delivery=delivery.id,
            partner=delivery.partner_id,
            part=f"{delivery.part}/{delivery.parts}",
            records=delivery.records,
            attempt=attempt.number,
            status=attempt.status,
            outcome=attempt.outcome,
            milliseconds=attempt.milliseconds,
            decision=type(decision).__name__,
        )
        if isinstance(decision, GiveUp | SwitchOff):
            self._incidents.record("send", f"partner {delivery.partner_id}: {decision.reason}")
