"""What people must be told, kept until they are: a row for every address and URL that is to be reached.

Each half sends its own: those for people of partners are the publisher's, the others are for the operator and the
collector's. All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from cdrelay.callbacks.retry import Decision, Delivered, GiveUp, RetryAt, SwitchOff
from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.forgetting import forget
from cdrelay.control.tables import alerts

Channel = Literal["mail", "webhook"]
Whose = Literal["partners", "operator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What one address or URL is to be told. Holds no secret and nothing of a call."""

    channel: Channel
    target: str
    subject: str
    """Of a mail; for a webhook the kind of what happened."""
    what: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A telling on its way."""

    id: int
    at: datetime
    partner_id: str | None
    """Whose people it is for; None: the operator's."""
    channel: Channel
    target: str
    subject: str
    what: str
    attempts: int = 0


class NoticeQueue:
    """The queue of one half."""

    def __init__(self, database: Database, clock: Clock, whose: Whose) -> None:
        self._database = database
        self._clock = clock
        self._mine = alerts.c.partner_id.is_not(None) if whose == "partners" else alerts.c.partner_id.is_(None)

    def add(self, connection: Connection, tellings: Sequence[Telling], partner_id: str | None = None) -> int:
        """Tell all of these, soon; how many they are.

        In somebody else's transaction: what happened and that it is told are written, or lost, as one.
        """
        now = self._clock.now()
        common = {"at": now, "partner_id": partner_id, "attempts": 0, "next_attempt_at": now}
        rows = [
            common | {"channel": one.channel, "target": one.target, "subject": one.subject, "what": one.what}
            for one in tellings
        ]
        if rows:
            connection.execute(insert(alerts), rows)
        return len(rows)

    def due(self, channel: Channel, number: int) -> list[Notice]:
        """What is to be sent now, the oldest first."""
        query = (
            select(alerts)
            .where(alerts.c.next_attempt_at <= self._clock.now(), alerts.c.channel == channel, self._mine)
            .order_by(alerts.c.at, alerts.c.id)
            .limit(number)
        )
        with self._database.read() as connection:
            return [_notice(row) for row in connection.execute(query)]

    def record(self, notice: Notice, decision: Decision, outcome: str) -> None:
        """Write down an attempt and what follows from it; `outcome` is in words."""
        values: dict[str, Any] = {"attempts": notice.attempts + 1, "next_attempt_at": None, "problem": outcome}
        match decision:
            case Delivered():
                values |= {"sent_at": self._clock.now(), "problem": None}
            case RetryAt(moment):
                values["next_attempt_at"] = moment
            case GiveUp(reason) | SwitchOff(reason):
                values["problem"] = f"given up: {reason}"
        with self._database.write() as connection:
            connection.execute(update(alerts).where(alerts.c.id == notice.id).values(values))

    def forget_before(self, moment: datetime) -> int:
        """Remove what was sent or given up of what was told before; how many. What is still to be sent stays."""
        return forget(self._database, alerts, self._mine & alerts.c.next_attempt_at.is_(None) & (alerts.c.at < moment))


def _notice(row: Row[Any]) -> Notice:
    return Notice(**{name: getattr(row, name) for name in Notice.__slots__})
