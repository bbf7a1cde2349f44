"""How partners' people are told: by a second webhook; and that nobody is forgotten whose deliveries were given up."""

import asyncio
import json
from collections.abc import Callable

import structlog

from cdrelay.callbacks.bodies import PlainBody
from cdrelay.callbacks.client import Posts
from cdrelay.callbacks.headers import common_headers, signature_headers
from cdrelay.callbacks.retry import NotReached, Outcome, Unsendable
from cdrelay.clock import Clock
from cdrelay.contract.times import write_time
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.notices.queue import Notice
from cdrelay.publisher.alerts.alerts import Alerts
from cdrelay.publisher.errors import WebhookUnknown

_LOOK_SECONDS = 60.0

_log = structlog.get_logger(__name__)


class AlertWebhooks:
    """Tells alert URLs: one POST, signed with the header and the secret of the partner's deliveries."""

    def __init__(self, secret_of: Callable[[str], str | None], callbacks: Posts, *, sha256: bool = False) -> None:
        """`secret_of` gives the secret for a partner's id; it raises WebhookUnknown, SecretUnreadable."""
        self._secret_of = secret_of
        self._callbacks = callbacks
        self._sha256 = sha256

    async def tell(self, notice: Notice) -> Outcome:
        """One POST to the notice's URL. Raises DatabaseUnavailable."""
        content = {
            "type": notice.subject,
            "partnerId": notice.partner_id,
            "reason": notice.what,
            "at": write_time(notice.at),
        }
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            secret = await asyncio.to_thread(self._secret_of, notice.partner_id or "")
        except WebhookUnknown as error:
            return Unsendable(str(error))
        except SecretUnreadable as error:
            return NotReached(str(error))
        headers = common_headers(body) | signature_headers(secret, body, sha256=self._sha256)
        return await self._callbacks.post(notice.target, headers, PlainBody(body))


async def watch_given_up(alerts: Alerts, clock: Clock) -> None:
    """Look every minute whether deliveries were given up that their partner has not been told of, until cancelled."""
    while True:
        try:
            await asyncio.to_thread(alerts.raise_for_given_up)
        except DatabaseUnavailable as error:
            _log.warning("alerts.postponed", error=str(error))
        await clock.sleep(_LOOK_SECONDS)
