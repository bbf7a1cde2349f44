"""Making a delivery ready to go: where to, signed with what, and its body. Blocking."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cdrelay.callbacks.bodies import PlainBody, SendableBody
from cdrelay.callbacks.headers import common_headers, signature_headers
from cdrelay.callbacks.retry import NotReached, Outcome, Unsendable, Withheld
from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.publisher.delivery.ahead import Ahead, Signed, SignedAhead
from cdrelay.publisher.delivery.deliveries import Delivery, delivery_id
from cdrelay.publisher.delivery.outbox import Outbox, unpacked_body
from cdrelay.publisher.delivery.recording import Attempts
from cdrelay.publisher.delivery.webhooks import Webhooks
from cdrelay.publisher.errors import BodyMissing, OutboxUnreadable, WebhookUnknown

DELIVERY_HEADER = "X-Cdrelay-Delivery"
_HELD_BYTES = 2**20
"""A body of that size is held unpacked, however many are under way."""


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
        self._ahead = Ahead()

    def prepare(self, delivery: Delivery, *, hold: bool = False) -> Prepared | Outcome:
        """What to send, or what keeps it from being sent. Raises DatabaseUnavailable.

        With `hold` a large body is held unpacked while it is sent, and otherwise unpacked a second time.
        """
        try:
            webhook, secrets = self._webhooks.with_secrets(delivery.partner_id)
            secret = self._secret(delivery, secrets)
            signed = self._signed_ahead(delivery, secret) or self._sign(delivery.id, secret, hold=hold)
        except WebhookUnknown as error:
            return NotReached(str(error))
        except SecretUnreadable as error:
            return Withheld("the webhook's secret cannot be read any more at the publisher: set a new one", str(error))
        except OutboxUnreadable as error:
            return Withheld("the publisher cannot read the delivery at the moment", str(error))
        except BodyMissing as error:
            return Unsendable(str(error))
        headers = signed.headers | {DELIVERY_HEADER: delivery.id} | delivery.manifest.headers()
        return Prepared(webhook.url, headers, signed.body, webhook.failing_since)

    def sign_next(self, delivery: Delivery) -> None:
        """While a part is being sent, make the one after it ready for `prepare`. Where that fails, `prepare` tells."""
        following = delivery_id(delivery.partner_id, delivery.tick, delivery.part + 1, delivery.round)

        def sign() -> SignedAhead:
            _, secrets = self._webhooks.with_secrets(delivery.partner_id)
            secret, written = secrets[0] if secrets else None, self._outbox.writing_of(following)
            return SignedAhead(self._sign(following, secret, hold=True), secret, written)

        self._ahead.sign(delivery.partner_id, following, sign)

    def _signed_ahead(self, delivery: Delivery, secret: str | None) -> Signed | None:
        ahead = self._ahead.take(delivery.partner_id, delivery.id)
        if ahead is None or ahead.secret != secret:
            return None
        # A person may have been erased from it since.
        return ahead.signed if ahead.written == self._outbox.writing_of(delivery.id) else None

    def _sign(self, delivery_id: str, secret: str | None, *, hold: bool) -> Signed:
        packed = self._outbox.packed_body(delivery_id)
        content = unpacked_body(delivery_id, packed)
        headers = common_headers(content) | signature_headers(secret, content, sha256=self._sha256)
        body = PlainBody(content) if hold or len(content) <= _HELD_BYTES else packed
        return Signed(body, headers)

    def _secret(self, delivery: Delivery, secrets: Sequence[str]) -> str | None:
        """The present one; during a rotation the other one after each answer that refuses the signature.

        So a listener gets every window, whichever of the two it knows.
        """
        if not secrets:
            return None
        if len(secrets) == 1 or not delivery.attempts:
            return secrets[0]
        return secrets[self._attempts.refused_signatures(delivery.id) % len(secrets)]
