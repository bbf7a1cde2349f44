"""What went wrong lately, kept for the page and the status, so that a person need not search the log."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import delete, insert, select

from cdrelay.clock import Clock
from cdrelay.control.database import Database, DatabaseUnavailable
from cdrelay.control.tables import incidents

KEPT = 200
"""Incidents kept; older ones are forgotten."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that went wrong: when, in which part (intake, load, tick, send, receive, reconcile), and what."""

    at: datetime
    part: str
    what: str


class Incidents:
    """The last things that went wrong. Blocking, may be used from any thread."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(self, part: str, what: str) -> None:
        """Keep and log it. Never raises for a database that is gone: an incident must not cause another.

        `what` must hold no secret, token, phone number, name or payload: it is shown and logged.
        """
        _log.warning("incident.recorded", part=part, what=what)
        try:
            with self._database.write() as connection:
                connection.execute(insert(incidents).values(at=self._clock.now(), part=part, what=what))
                oldest_kept = select(incidents.c.id).order_by(incidents.c.id.desc()).limit(1).offset(KEPT - 1)
                connection.execute(delete(incidents).where(incidents.c.id < oldest_kept.scalar_subquery()))
        except DatabaseUnavailable as error:
            _log.error("incident.lost", part=part, what=what, error=str(error))

    def latest(self, number: int = 20) -> list[Incident]:
        """The newest first. Raises DatabaseUnavailable."""
        newest = select(incidents.c.at, incidents.c.part, incidents.c.what).order_by(incidents.c.id.desc())
        with self._database.read() as connection:
            return [Incident(*row) for row in connection.execute(newest.limit(number))]
