"""Making a delivery ready to go: where to, signed with what, and its body. Blocking."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cdrelay.callbacks.bodies import SendableBody
from cdrelay.callbacks.headers import common_headers, signature_headers
from cdrelay.callbacks.retry import NotReached, Outcome, Unsendable
from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.publisher.delivery.deliveries import Delivery
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.delivery.recording import Attempts
from cdrelay.publisher.delivery.webhooks import Webhooks
from cdrelay.publisher.errors import BodyMissing, WebhookUnknown

DELIVERY_HEADER = "X-Cdrelay-Delivery"


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is sent, ready to go."""

    url: str
    headers: dict[str, str]
    body: SendableBody
    failing_since: datetime | None = None
    """The partner's first failed attempt since its last success."""


class Preparation:
    """Prepares deliveries. `sha256` says whether they carry the second signature."""

    def __init__(self, outbox: Outbox, webhooks: Webhooks, attempts: Attempts, *, sha256: bool = False) -> None:
        self._outbox = outbox
        self._webhooks = webhooks
        self._attempts = attempts
        self._sha256 = sha256

    def prepare(self, delivery: Delivery) -> Prepared | Outcome:
        """What to send, or what keeps it from being sent. Raises DatabaseUnavailable."""
        try:
            webhook, secrets = self._webhooks.with_secrets(delivery.partner_id)
            secret = self._secret(delivery, secrets)
            packed, body = self._outbox.read_body(delivery.id)
        except (WebhookUnknown, SecretUnreadable) as error:
            return NotReached(str(error))
        except BodyMissing as error:
            return Unsendable(str(error))
        headers = common_headers(body) | {DELIVERY_HEADER: delivery.id} | delivery.manifest.headers()
        headers |= signature_headers(secret, body, sha256=self._sha256)
        return Prepared(webhook.url, headers, packed, webhook.failing_since)

    def _secret(self, delivery: Delivery, secrets: Sequence[str]) -> str | None:
        """The present one; during a rotation the other one after each answer that refuses the signature.

        So a listener gets every window, whichever of the two it knows.
        """
        if not secrets:
            return None
        if len(secrets) == 1 or not delivery.attempts:
            return secrets[0]
        return secrets[self._attempts.refused_signatures(delivery.id) % len(secrets)]
