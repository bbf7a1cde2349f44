"""The collector's alarms: who looks for them, and who is told by which ways, as set."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from cdrelay.callbacks.client import CallbackClient
from cdrelay.callbacks.guard import CallbackRefused, require_callback_url
from cdrelay.callbacks.retry import Answered, Outcome, in_words
from cdrelay.collector.alarms.facts import Facts
from cdrelay.collector.alarms.store import Alarm, Alarms
from cdrelay.collector.alarms.telling import OperatorNotices, OperatorWebhook
from cdrelay.collector.alarms.watching import Watch
from cdrelay.collector.drift import Drift
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.sources import Sources
from cdrelay.notices.mail import NoticeMail
from cdrelay.notices.queue import Channel, Notice, NoticeQueue
from cdrelay.notices.sending import NoticeSender, Tell
from cdrelay.serving import Worker
from cdrelay.settings import SettingError
from cdrelay.wiring.delivering import callback_limits, mail_server, trust_of
from cdrelay.wiring.foundation import Foundation, Store


def open_alarms(foundation: Foundation) -> Alarms:
    """The alarms, and whom they are told. Raises SettingError."""
    return Alarms(foundation.database, foundation.clock, _notices(foundation))


def open_watch(foundation: Foundation, store: Store, alarms: Alarms) -> Watch:
    """What looks for alarms."""
    settings, database = foundation.settings, foundation.database
    return Watch(
        alarms,
        Facts(database, Manifests(database), store.spool, settings.rules),
        Sources(database, foundation.secrets, foundation.clock),
        Drift(database),
        store.loader,
        foundation.clock,
        settings.rules,
        alive=store.folder / "alive",
        reserve=settings.disk_reserve_bytes,
    )


def alarm_workers(foundation: Foundation, store: Store, alarms: Alarms) -> list[Worker]:
    """The loops that look for alarms, and tell people. Raises SettingError."""
    queue = NoticeQueue(foundation.database, foundation.clock, "operator")

    def teller(channel: Channel) -> Worker:
        async def tell() -> None:
            async with _way(foundation, channel) as way:
                await NoticeSender(channel, queue, way, foundation.clock, random.random).run()

        return tell

    return [open_watch(foundation, store, alarms).run, *(teller(channel) for channel in _ways(foundation))]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of telling one address or URL."""

    channel: Channel
    target: str
    arrived: bool
    outcome: str


async def try_out(foundation: Foundation) -> list[Trial]:
    """Send a test by every way that is set, now. Raises SettingError; failures of a way are results."""
    now = foundation.clock.now()
    alarm = Alarm("test", "", "This is a test: alarms of cdrelay reach you by this way.", now, now)
    trials = []
    for number, telling in enumerate(_notices(foundation).tellings(alarm, "raised")):
        notice = Notice(number, now, None, telling.channel, telling.target, telling.subject, telling.what)
        async with _way(foundation, telling.channel) as tell:
            outcome = await tell(notice)
        trials.append(Trial(telling.channel, telling.target, _arrived(outcome), in_words(outcome)))
    return trials


def _arrived(outcome: Outcome) -> bool:
    return isinstance(outcome, Answered) and 200 <= outcome.status < 300


def _notices(foundation: Foundation) -> OperatorNotices:
    settings = foundation.settings
    if settings.alarm_webhook:
        try:
            allow_http = settings.alarm_webhook_to_private_address
            require_callback_url(settings.alarm_webhook, allow_http=allow_http, called="the URL")
        except CallbackRefused as error:
            raise SettingError(f"alarm_webhook: {error}") from error
    queue = NoticeQueue(foundation.database, foundation.clock, "operator")
    return OperatorNotices(queue, settings.alarm_mail_addresses, settings.alarm_webhook)


def _ways(foundation: Foundation) -> list[Channel]:
    """Those that are set."""
    settings = foundation.settings
    found: Mapping[Channel, object] = {"mail": settings.alarm_mail_addresses, "webhook": settings.alarm_webhook}
    return [channel for channel, is_set in found.items() if is_set]


@asynccontextmanager
async def _way(foundation: Foundation, channel: Channel) -> AsyncIterator[Tell]:
    """Tells one notice by one way."""
    settings, trust = foundation.settings, trust_of(foundation.settings)
    if channel == "mail":
        mail = NoticeMail(mail_server(settings), trust, lambda notice: notice.what)
        try:
            yield mail.tell
        finally:
            mail.close()
        return
    private = settings.alarm_webhook_to_private_address
    limits = replace(callback_limits(settings), allow_http=private, allow_private=private)
    async with CallbackClient(limits, trust=trust) as callbacks:
        yield OperatorWebhook(callbacks, settings.alarm_webhook_secret).tell
