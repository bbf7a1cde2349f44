"""What people of a partner must be told, kept until they are: a row for every address and URL that is to be reached.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.tables import FAILED, administrators, alerts, deliveries, partners, webhooks
from cdrelay.publisher.delivery.retry import Decision, Delivered, GiveUp, RetryAt, SwitchOff

Channel = Literal["mail", "webhook"]

GIVEN_UP_EVERY = timedelta(days=1)
"""A partner is told at most this often that deliveries were given up."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened, for people and for programs. Holds no secret and nothing of a call."""

    kind: str
    """What a program knows it by."""
    subject: str
    """A line for people."""
    reason: str
    advice: str
    """What people should do."""


def switched_off(reason: str) -> Notice:
    """A webhook was switched off."""
    return Notice(
        "webhook.switchedOff",
        "Your call detail records webhook was switched off",
        reason,
        "Windows are kept until they are 48 hours old. When your listener answers again, switch the webhook on,\n"
        "on the page Call Detail Records; what waits is then sent, the oldest first.",
    )


def given_up(number: int, oldest: datetime, newest: datetime) -> Notice:
    """Deliveries were given up, of windows between two moments."""
    return Notice(
        "deliveries.givenUp",
        "Call detail records could not be delivered",
        f"deliveries given up: {number}, of windows from {oldest:%Y-%m-%d %H:%M} to {newest:%Y-%m-%d %H:%M} UTC",
        "They are not sent any more. See why on the page Deliveries; what is younger than 48 hours can be fetched\n"
        "from the records endpoint.",
    )


@dataclass(frozen=True, slots=True)
class Alert:
    """A notice on its way to one address or URL."""

    id: int
    at: datetime
    partner_id: str
    channel: Channel
    target: str
    subject: str
    """Of a mail; for a webhook the kind of the notice."""
    what: str
    """The text of a mail; for a webhook the reason."""
    attempts: int = 0


class Alerts:
    """The queue. `by_mail` says whether there is a mail server: without one, no rows are made for addresses."""

    def __init__(self, database: Database, clock: Clock, *, by_mail: bool = False) -> None:
        self._database = database
        self._clock = clock
        self._by_mail = by_mail

    def raise_for_partner(self, partner_id: str, notice: Notice) -> int:
        """Tell the partner's full administrators and its alert URL, soon; how many are told."""
        with self._database.write() as connection:
            return self.add(connection, partner_id, notice)

    def add(self, connection: Connection, partner_id: str, notice: Notice) -> int:
        """The same in somebody else's transaction: what happened and its alerts are written, or lost, as one."""
        mails = select(administrators.c.email).where(
            administrators.c.partner_id == partner_id, administrators.c.role == "full"
        )
        url = select(webhooks.c.alert_url).where(webhooks.c.partner_id == partner_id, webhooks.c.alert_url.is_not(None))
        now = self._clock.now()
        common = {"at": now, "partner_id": partner_id, "attempts": 0, "next_attempt_at": now}
        rows: list[dict[str, Any]] = [
            common | {"channel": "webhook", "target": target, "subject": notice.kind, "what": notice.reason}
            for target in connection.scalars(url)
        ]
        if self._by_mail:
            text = f"Reason: {notice.reason}\n\n{notice.advice}"
            rows += [
                common | {"channel": "mail", "target": target, "subject": notice.subject, "what": text}
                for target in connection.scalars(mails)
            ]
        if rows:
            connection.execute(insert(alerts), rows)
        return len(rows)

    def raise_for_given_up(self) -> int:
        """Tell every partner of what was given up since it was last told, at most once a day; how many are told."""
        with self._database.write() as connection:
            # Inside: what is given up later has a later time, so that nothing falls between two alerts.
            now = self._clock.now()
            found = connection.execute(_untold(now)).all()
            return sum(
                self.add(connection, row.partner_id, given_up(row.number, row.oldest, row.newest)) for row in found
            )

    def due(self, channel: Channel, number: int) -> list[Alert]:
        """Alerts to send now, the oldest first."""
        query = (
            select(alerts)
            .where(alerts.c.next_attempt_at <= self._clock.now(), alerts.c.channel == channel)
            .order_by(alerts.c.at, alerts.c.id)
            .limit(number)
        )
        with self._database.read() as connection:
            return [_alert(row) for row in connection.execute(query)]

    def record(self, alert: Alert, decision: Decision, outcome: str) -> None:
        """Write down an attempt and what follows from it; `outcome` is in words."""
        values: dict[str, Any] = {"attempts": alert.attempts + 1, "next_attempt_at": None, "problem": outcome}
        match decision:
            case Delivered():
                values |= {"sent_at": self._clock.now(), "problem": None}
            case RetryAt(moment):
                values["next_attempt_at"] = moment
            case GiveUp(reason) | SwitchOff(reason):
                values["problem"] = f"given up: {reason}"
        with self._database.write() as connection:
            connection.execute(update(alerts).where(alerts.c.id == alert.id).values(values))

    def partner_name(self, partner_id: str) -> str:
        """Whom an alert is for, in words; empty when the partner was removed."""
        with self._database.read() as connection:
            return connection.scalar(select(partners.c.name).where(partners.c.id == partner_id)) or ""


def _untold(now: datetime) -> Select[Any]:
    """What each partner's given up deliveries are of which it was not told, of partners that may be told again."""
    told = given_up(0, now, now)
    last = (
        select(alerts.c.partner_id, func.max(alerts.c.at).label("at"))
        .where(alerts.c.subject.in_((told.subject, told.kind)))
        .group_by(alerts.c.partner_id)
        .subquery()
    )
    return (
        select(
            deliveries.c.partner_id,
            func.count().label("number"),
            func.min(deliveries.c.window_start).label("oldest"),
            func.max(deliveries.c.window_end).label("newest"),
        )
        .outerjoin(last, last.c.partner_id == deliveries.c.partner_id)
        .where(
            FAILED,
            deliveries.c.finished_at > now - 2 * GIVEN_UP_EVERY,
            last.c.at.is_(None) | ((last.c.at <= now - GIVEN_UP_EVERY) & (deliveries.c.finished_at > last.c.at)),
        )
        .group_by(deliveries.c.partner_id)
    )


def _alert(row: Row[Any]) -> Alert:
    return Alert(**{name: getattr(row, name) for name in Alert.__slots__})
