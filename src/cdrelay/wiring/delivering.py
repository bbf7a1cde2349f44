"""What sends deliveries and alerts, as set."""

import random
import ssl
from datetime import timedelta
from pathlib import Path

from cdrelay.callbacks.client import CallbackClient, CallbackLimits, trusted_authorities
from cdrelay.callbacks.retry import RetryPolicy
from cdrelay.notices.mail import MailServer, NoticeMail
from cdrelay.notices.sending import NoticeSender
from cdrelay.publisher.alerts.alerts import Alerts
from cdrelay.publisher.alerts.telling import AlertWebhooks, watch_given_up
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.publisher.delivery.preparing import Preparation
from cdrelay.publisher.delivery.recording import Attempts
from cdrelay.publisher.delivery.sending import Sender
from cdrelay.publisher.delivery.webhooks import Webhooks
from cdrelay.serving import Worker
from cdrelay.settings import SettingError, Settings
from cdrelay.wiring.foundation import Foundation


def delivery_workers(foundation: Foundation, webhooks: Webhooks, outbox: Outbox) -> list[Worker]:
    """The loops that send deliveries and alerts. Raises SettingError."""
    settings, clock, database = foundation.settings, foundation.clock, foundation.database
    trust = trust_of(settings)
    limits = callback_limits(settings)
    alerts = Alerts(database, clock, by_mail=bool(settings.mail_server))

    async def send() -> None:
        async with CallbackClient(limits, trust=trust) as callbacks:
            await open_sender(foundation, webhooks, outbox, callbacks, alerts).run()

    async def tell_webhooks() -> None:
        async with CallbackClient(limits, trust=trust) as callbacks:
            channel = AlertWebhooks(webhooks.secret, callbacks, sha256=settings.sign_sha256)
            await NoticeSender("webhook", alerts.notices, channel.tell, clock, random.random).run()

    async def tell_by_mail() -> None:
        channel = NoticeMail(mail_server(settings), trust, alerts.mail_text)
        try:
            await NoticeSender("mail", alerts.notices, channel.tell, clock, random.random).run()
        finally:
            channel.close()

    async def look() -> None:
        await watch_given_up(alerts, clock)

    return [send, tell_webhooks, look, *([tell_by_mail] if settings.mail_server else [])]


def open_sender(
    foundation: Foundation, webhooks: Webhooks, outbox: Outbox, callbacks: CallbackClient, alerts: Alerts
) -> Sender:
    """What empties the outbox."""
    settings = foundation.settings
    attempts = Attempts(foundation.database, foundation.clock, alerts)
    return Sender(
        outbox=outbox,
        attempts=attempts,
        preparation=Preparation(outbox, webhooks, attempts, sha256=settings.sign_sha256),
        callbacks=callbacks,
        incidents=foundation.incidents,
        clock=foundation.clock,
        policy=retry_policy(settings),
        slots=settings.deliveries_at_once,
        jitter=random.random,
    )


def retry_policy(settings: Settings) -> RetryPolicy:
    """When what failed is sent again, as set."""
    hours = settings.switch_off_after_hours
    return RetryPolicy(
        first=timedelta(seconds=settings.retry_first_seconds),
        longest=timedelta(seconds=settings.retry_longest_seconds),
        reach=settings.rules.reach,
        switch_off_after=timedelta(hours=hours) / settings.compress if hours else None,
    )


def callback_limits(settings: Settings) -> CallbackLimits:
    """What callbacks may do, as set."""
    return CallbackLimits(
        connect_seconds=settings.callback_connect_seconds,
        send_seconds=settings.callback_send_seconds,
        answer_seconds=settings.callback_answer_seconds,
        total_seconds=settings.callback_total_seconds,
        allow_http=settings.allow_http_callbacks,
        allow_private=settings.allow_callbacks_to_private_addresses,
    )


def trust_of(settings: Settings) -> ssl.SSLContext:
    """Who may vouch for callbacks, and for the other servers that are asked. Raises SettingError."""
    try:
        return trusted_authorities(Path(settings.callback_ca_file) if settings.callback_ca_file else None)
    except OSError as error:
        raise SettingError(
            f"callback_ca_file: {settings.callback_ca_file} holds no certificate authorities that can be read:"
            f" {error.strerror or error}"
        ) from error


def mail_server(settings: Settings) -> MailServer:
    """Where mail is handed in, as set."""
    host, _, port = settings.mail_server.rpartition(":")
    return MailServer(
        host.strip("[]"),
        int(port),
        sender=settings.mail_from,
        starttls=settings.mail_starttls,
        user=settings.mail_user,
        password=settings.mail_password,
    )
