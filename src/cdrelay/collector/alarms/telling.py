"""Telling the operator of alarms: in which words, to whom, and by a webhook of the operator's own."""

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from cdrelay.callbacks.bodies import PlainBody
from cdrelay.callbacks.client import Posts
from cdrelay.callbacks.headers import common_headers, signature_headers
from cdrelay.callbacks.retry import Outcome
from cdrelay.collector.alarms.kinds import KINDS, page_of
from cdrelay.collector.alarms.store import Alarm, Happening
from cdrelay.contract.times import write_time
from cdrelay.notices.queue import Notice, NoticeQueue, Telling


class OperatorNotices:
    """Whom alarms are told: addresses, and a URL when there is one. They wait in the queue until they are sent."""

    def __init__(self, queue: NoticeQueue, mails: Sequence[str], url: str = "") -> None:
        self.queue = queue
        self._mails = mails
        self._url = url

    def add(self, connection: Connection, alarm: Alarm, happening: Happening) -> int:
        """Tell all of them, soon; how many they are."""
        return self.queue.add(connection, self.tellings(alarm, happening))

    def tellings(self, alarm: Alarm, happening: Happening) -> list[Telling]:
        """What each of them is told."""
        subject, text = subject_of(alarm, happening), mail_of(alarm, happening)
        found = [Telling(channel="mail", target=target, subject=subject, what=text) for target in self._mails]
        if self._url:
            body = webhook_of(alarm, happening)
            found.append(Telling(channel="webhook", target=self._url, subject=alarm.kind, what=body))
        return found


def subject_of(alarm: Alarm, happening: Happening) -> str:
    """The line of a mail."""
    words = {"raised": "Alarm", "standing": "Still an alarm", "cleared": "Over"}[happening]
    about = f" ({alarm.subject})" if alarm.subject else ""
    return f"{words}: {KINDS.get(alarm.kind, alarm.kind)}{about}"


def mail_of(alarm: Alarm, happening: Happening) -> str:
    """The text of a mail: what, since when, what to do."""
    until = f"Over since: {alarm.cleared_at:%Y-%m-%d %H:%M} UTC\n" if alarm.cleared_at else ""
    what_to_do = "Nothing need be done." if happening == "cleared" else f"What to do: {page_of(alarm.kind)}"
    return (
        f"{subject_of(alarm, happening)}.\n\n"
        f"{alarm.what}\n\n"
        f"Since: {alarm.raised_at:%Y-%m-%d %H:%M} UTC\n{until}"
        f"{what_to_do}\n"
        "All that stands: cdrelay alarms\n"
    )


def webhook_of(alarm: Alarm, happening: Happening) -> str:
    """The JSON of the webhook (docs/alarms.md)."""
    content = {
        "kind": alarm.kind,
        "subject": alarm.subject,
        "state": happening,
        "what": alarm.what,
        "raised_at": write_time(alarm.raised_at),
        "cleared_at": write_time(alarm.cleared_at) if alarm.cleared_at else None,
        "page": page_of(alarm.kind),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


class OperatorWebhook:
    """POSTs alarms as they lie in the queue, signed as deliveries are, when there is a secret."""

    def __init__(self, callbacks: Posts, secret: str) -> None:
        self._callbacks = callbacks
        self._secret = secret or None

    async def tell(self, notice: Notice) -> Outcome:
        """One POST."""
        body = notice.what.encode()
        headers = common_headers(body) | signature_headers(self._secret, body, sha256=True)
        return await self._callbacks.post(notice.target, headers, PlainBody(body))
