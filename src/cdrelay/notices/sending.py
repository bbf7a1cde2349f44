"""Sends notices until those who must know are told, or a day has passed.

There is one loop a channel, so that a mail server that hangs keeps no notice from a webhook; neither is on the way of
deliveries.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from cdrelay.callbacks.retry import NotReached, Outcome, RetryPolicy, Unsendable, decide, in_words
from cdrelay.clock import Clock
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.notices.queue import Channel, Notice, NoticeQueue

NOTICE_POLICY = RetryPolicy(first=timedelta(minutes=1), longest=timedelta(hours=1), reach=timedelta(hours=24))
"""When a notice that did not get through is sent again, and for how long."""

_AT_ONCE = 16

_log = structlog.get_logger(__name__)

Tell = Callable[[Notice], Awaitable[Outcome]]
"""One try to tell somebody; failures are outcomes."""


class NoticeSender:
    """The loop of one channel. `jitter` gives numbers from 0 to 1."""

    def __init__(
        self,
        channel: Channel,
        notices: NoticeQueue,
        tell: Tell,
        clock: Clock,
        jitter: Callable[[], float],
        policy: RetryPolicy = NOTICE_POLICY,
        poll_seconds: float = 1.0,
    ) -> None:
        self._channel: Channel = channel
        self._notices = notices
        self._tell = tell
        self._clock = clock
        self._jitter = jitter
        self._policy = policy
        self._poll_seconds = poll_seconds

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                await self.send_due()
            except DatabaseUnavailable as error:
                _log.warning("notices.postponed", error=str(error))
            await self._clock.sleep(self._poll_seconds)

    async def send_due(self) -> int:
        """Send all that is due, some at once; how many attempts. Raises DatabaseUnavailable."""
        attempts = 0
        while due := await asyncio.to_thread(self._notices.due, self._channel, _AT_ONCE):
            await asyncio.gather(*(self._send(notice) for notice in due))
            attempts += len(due)
        return attempts

    async def _send(self, notice: Notice) -> None:
        try:
            outcome = await self._outcome(notice)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  # a notice that cannot even be tried must not end the loop
            _log.exception("notice.broken", notice=notice.id)
            outcome = NotReached(f"unexpected: {type(error).__name__}")
        decision = decide(
            notice.attempts + 1,
            outcome,
            now=self._clock.now(),
            window_end=notice.at,
            policy=self._policy,
            jitter=self._jitter(),
        )
        await asyncio.to_thread(self._notices.record, notice, decision, in_words(outcome))
        _log.info(
            "notice.attempted",
            notice=notice.id,
            partner=notice.partner_id,
            channel=notice.channel,
            outcome=in_words(outcome),
            decision=type(decision).__name__,
        )

    async def _outcome(self, notice: Notice) -> Outcome:
        if notice.at + self._policy.reach < self._clock.now():
            return Unsendable("it was not sent for a day")
        return await self._tell(notice)
