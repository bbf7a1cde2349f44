"""What people of a partner must be told: which people, and in which words.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, exists, func, select

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.tables import FAILED, administrators, alerts, deliveries, partners, webhooks
from cdrelay.notices.queue import Notice, NoticeQueue, Telling

GIVEN_UP_EVERY = timedelta(days=1)
"""A partner is told at most this often that deliveries were given up."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What happened, for people and for programs. Holds no secret and nothing of a call."""

    kind: str
    """What a program knows it by."""
    subject: str
    """A line for people."""
    reason: str
    advice: str
    """What people should do."""


def switched_off(reason: str) -> Alert:
    """A webhook was switched off."""
    return Alert(
        "webhook.switchedOff",
        "Your call detail records webhook was switched off",
        reason,
        "Windows are kept until they are 48 hours old. When your listener answers again, switch the webhook on,\n"
        "on the page Call Detail Records; what waits is then sent, the oldest first.",
    )


def given_up(number: int, oldest: datetime, newest: datetime) -> Alert:
    """Deliveries were given up, of windows between two moments."""
    return Alert(
        "deliveries.givenUp",
        "Call detail records could not be delivered",
        f"deliveries given up: {number}, of windows from {oldest:%Y-%m-%d %H:%M} to {newest:%Y-%m-%d %H:%M} UTC",
        "They are not sent any more. See why on the page Deliveries; what is younger than 48 hours can be fetched\n"
        "from the records endpoint.",
    )


class Alerts:
    """Raises alerts. `by_mail` says whether there is a mail server: without one, addresses are told nothing."""

    def __init__(self, database: Database, clock: Clock, *, by_mail: bool = False) -> None:
        self.notices = NoticeQueue(database, clock, "partners")
        """Where they wait until they are sent."""
        self._database = database
        self._clock = clock
        self._by_mail = by_mail

    def raise_for_partner(self, partner_id: str, alert: Alert) -> int:
        """Tell the partner's full administrators and its alert URL, soon; how many are told."""
        with self._database.write() as connection:
            return self.add(connection, partner_id, alert)

    def add(self, connection: Connection, partner_id: str, alert: Alert) -> int:
        """The same in somebody else's transaction: what happened and its alerts are written, or lost, as one."""
        mails = select(administrators.c.email).where(
            administrators.c.partner_id == partner_id, administrators.c.role == "full"
        )
        url = select(webhooks.c.alert_url).where(webhooks.c.partner_id == partner_id, webhooks.c.alert_url.is_not(None))
        tellings = [
            Telling(channel="webhook", target=target, subject=alert.kind, what=alert.reason)
            for target in connection.scalars(url)
        ]
        if self._by_mail:
            text = f"Reason: {alert.reason}\n\n{alert.advice}"
            tellings += [
                Telling(channel="mail", target=target, subject=alert.subject, what=text)
                for target in connection.scalars(mails)
            ]
        return self.notices.add(connection, tellings, partner_id)

    def raise_for_given_up(self) -> int:
        """Tell every partner of what was given up since it was last told, at most once a day; how many are told."""
        with self._database.write() as connection:
            # Inside: what is given up later has a later time, so that nothing falls between two alerts.
            now = self._clock.now()
            told = 0
            for partner_id, since in _to_be_asked(connection, now).items():
                row = connection.execute(_given_up(partner_id, since)).one()
                if row.number:
                    told += self.add(connection, partner_id, given_up(row.number, row.oldest, row.newest))
            return told

    def mail_text(self, notice: Notice) -> str:
        """The text of a mail; a partner that was removed has no name in it."""
        with self._database.read() as connection:
            name = connection.scalar(select(partners.c.name).where(partners.c.id == notice.partner_id)) or ""
        return f"{notice.subject}.\n\nPartner: {name}\nWhen: {notice.at:%Y-%m-%d %H:%M} UTC\n{notice.what}\n"


def _to_be_asked(connection: Connection, now: datetime) -> dict[str, datetime]:
    """The partners that may be told and perhaps have to be, and since when they were not told."""
    told, since = given_up(0, now, now), now - 2 * GIVEN_UP_EVERY
    lately = (
        select(alerts.c.partner_id, func.max(alerts.c.at))
        .where(alerts.c.subject.in_((told.subject, told.kind)), alerts.c.at > since)
        .group_by(alerts.c.partner_id)
    )
    last = {row[0]: row[1] for row in connection.execute(lately)}
    # One look into the index for each partner; a join would go through all that was ever given up.
    some = exists().where(FAILED, deliveries.c.partner_id == partners.c.id, deliveries.c.finished_at > since)
    concerned = connection.scalars(select(partners.c.id).where(some)).all()
    asked = {partner_id: last.get(partner_id, since) for partner_id in concerned}
    return {partner_id: at for partner_id, at in asked.items() if now - at >= GIVEN_UP_EVERY}


def _given_up(partner_id: str, since: datetime) -> Select[Any, Any, Any]:
    return select(
        func.count().label("number"),
        func.min(deliveries.c.window_start).label("oldest"),
        func.max(deliveries.c.window_end).label("newest"),
    ).where(FAILED, deliveries.c.partner_id == partner_id, deliveries.c.finished_at > since)
