"""Sends alerts until those who must know are told, or a day has passed.

There is one loop a channel, so that a mail server that hangs keeps no alert from a webhook; neither is on the way of
deliveries.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from cdrelay.clock import Clock
from cdrelay.contract.times import write_time
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.publisher.alerts.queue import Alert, Alerts, Channel
from cdrelay.publisher.delivery.bodies import PlainBody
from cdrelay.publisher.delivery.preparing import common_headers, signature_headers
from cdrelay.publisher.delivery.retry import NotReached, Outcome, RetryPolicy, Unsendable, decide, in_words
from cdrelay.publisher.delivery.sending import Posts
from cdrelay.publisher.delivery.webhooks import Webhooks
from cdrelay.publisher.errors import WebhookUnknown

ALERT_POLICY = RetryPolicy(first=timedelta(minutes=1), longest=timedelta(hours=1), reach=timedelta(hours=24))
"""When an alert that did not get through is sent again, and for how long."""

_AT_ONCE = 16
_LOOK_SECONDS = 60.0

_log = structlog.get_logger(__name__)

Tell = Callable[[Alert], Awaitable[Outcome]]
"""One try to tell somebody; failures are outcomes."""


class AlertWebhooks:
    """Tells alert URLs: one POST, signed with the header and the secret of the partner's deliveries."""

    def __init__(self, webhooks: Webhooks, callbacks: Posts, *, sha256: bool = False) -> None:
        self._webhooks = webhooks
        self._callbacks = callbacks
        self._sha256 = sha256

    async def tell(self, alert: Alert) -> Outcome:
        """One POST to the alert's URL. Raises DatabaseUnavailable."""
        content = {
            "type": alert.subject,
            "partnerId": alert.partner_id,
            "reason": alert.what,
            "at": write_time(alert.at),
        }
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            secret = await asyncio.to_thread(self._webhooks.secret, alert.partner_id)
        except WebhookUnknown as error:
            return Unsendable(str(error))
        except SecretUnreadable as error:
            return NotReached(str(error))
        headers = common_headers(body) | signature_headers(secret, body, sha256=self._sha256)
        return await self._callbacks.post(alert.target, headers, PlainBody(body))


class AlertSender:
    """The loop of one channel. `jitter` gives numbers from 0 to 1."""

    def __init__(
        self,
        channel: Channel,
        alerts: Alerts,
        tell: Tell,
        clock: Clock,
        jitter: Callable[[], float],
        policy: RetryPolicy = ALERT_POLICY,
        poll_seconds: float = 1.0,
    ) -> None:
        self._channel: Channel = channel
        self._alerts = alerts
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
                _log.warning("alerts.postponed", error=str(error))
            await self._clock.sleep(self._poll_seconds)

    async def send_due(self) -> int:
        """Send all that is due, some at once; how many attempts. Raises DatabaseUnavailable."""
        attempts = 0
        while due := await asyncio.to_thread(self._alerts.due, self._channel, _AT_ONCE):
            await asyncio.gather(*(self._send(alert) for alert in due))
            attempts += len(due)
        return attempts

    async def _send(self, alert: Alert) -> None:
        try:
            outcome = await self._outcome(alert)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  # an alert that cannot even be tried must not end the loop
            _log.exception("alert.broken", alert=alert.id)
            outcome = NotReached(f"unexpected: {type(error).__name__}")
        decision = decide(
            alert.attempts + 1,
            outcome,
            now=self._clock.now(),
            window_end=alert.at,
            policy=self._policy,
            jitter=self._jitter(),
        )
        await asyncio.to_thread(self._alerts.record, alert, decision, in_words(outcome))
        _log.info(
            "alert.attempted",
            alert=alert.id,
            partner=alert.partner_id,
            channel=alert.channel,
            outcome=in_words(outcome),
            decision=type(decision).__name__,
        )

    async def _outcome(self, alert: Alert) -> Outcome:
        if alert.at + self._policy.reach < self._clock.now():
            return Unsendable("it was not sent for a day")
        return await self._tell(alert)


async def watch_given_up(alerts: Alerts, clock: Clock) -> None:
    """Look every minute whether deliveries were given up that their partner has not been told of, until cancelled."""
    while True:
        try:
            await asyncio.to_thread(alerts.raise_for_given_up)
        except DatabaseUnavailable as error:
            _log.warning("alerts.postponed", error=str(error))
        await clock.sleep(_LOOK_SECONDS)
