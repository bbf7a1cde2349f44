"""How each source stands: what an operator is shown of it. Its secrets are not opened for that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, func, select

from cdrelay.collector.agenda import LAST_COMPARED
from cdrelay.collector.alarms.store import Alarms
from cdrelay.collector.arrivals import Arrivals, Lately
from cdrelay.collector.source_settings import has_token, is_reconcilable, is_renewable
from cdrelay.control.database import Database
from cdrelay.control.tables import compared_hours, sources

LATELY = timedelta(hours=24)
BY_ITSELF = {"webhook": ("webhook",), "cdr_stream": ("stream", "history")}
"""By which channels a source's records come when all is well, by its kind; the others are for what was missing."""
_LAST_HOURS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """One source at a moment. Holds no secret, no token, and nothing that a provider said."""

    name: str
    kind: str
    feed_type: str
    org_uuid: str | None
    created_at: datetime
    signed: bool
    rotating: bool
    """Whether two secrets are valid."""
    provider: str | None
    """Host and port of its provider's endpoints, without path and whatever stands before the host."""
    has_token: bool
    renewable: bool
    askable: bool
    """Whether its provider can be asked for counts."""
    token_expires_at: datetime | None
    refresh_expires_at: datetime | None
    token_fails: bool
    """Whether its tokens could not be refreshed lately."""
    pulled_until: str
    pulled_at: datetime | None
    pull_fails: bool
    last_at: datetime | None
    """When the last payload came by itself; None: none ever did, that was loaded."""
    came: Lately
    """By itself, in the last 24 hours."""
    fetched: Lately
    """What was missing, in the last 24 hours."""
    compared_at: datetime | None
    alarms: Sequence[str]
    """The kinds that stand about it."""


class SourceStates:
    """Reads them. Blocking, from any thread; methods raise DatabaseUnavailable."""

    def __init__(self, database: Database, arrivals: Arrivals, alarms: Alarms) -> None:
        self._database = database
        self._arrivals = arrivals
        self._alarms = alarms

    def number(self) -> int:
        """How many sources there are."""
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(sources)) or 0

    def read(self, now: datetime, skip: int, most: int) -> list[SourceState]:
        """So many at most of them, by name, after the first `skip`."""
        last, lately = self._arrivals.last(), self._arrivals.lately(now - LATELY)
        standing = self._alarms.standing_by_subject()
        with self._database.read() as connection:
            rows = connection.execute(select(sources).order_by(sources.c.name).offset(skip).limit(most)).all()
            compared = {row.name: _compared_at(connection, row.name) for row in rows}
        states = []
        for row in rows:
            ways = BY_ITSELF.get(row.kind, ())
            of_source = {channel: came for (name, channel), came in lately.items() if name == row.name}
            states.append(
                _state(
                    row,
                    last_at=max((last[row.name, way] for way in ways if (row.name, way) in last), default=None),
                    came=_together(came for channel, came in of_source.items() if channel in ways),
                    fetched=_together(came for channel, came in of_source.items() if channel not in ways),
                    compared_at=compared[row.name],
                    alarms=standing.get(row.name, []),
                )
            )
        return states


def _state(row: Row[Any], **found: Any) -> SourceState:
    return SourceState(
        name=row.name,
        kind=row.kind,
        feed_type=row.feed_type,
        org_uuid=row.org_uuid,
        created_at=row.created_at,
        signed=row.secret is not None,
        rotating=row.previous_secret is not None,
        provider=_host(row.api or row.history_api),
        has_token=has_token(row),
        renewable=is_renewable(row),
        askable=is_reconcilable(row),
        token_expires_at=row.token_expires_at,
        refresh_expires_at=row.refresh_expires_at,
        token_fails=row.token_problem is not None,
        pulled_until=row.cursor,
        pulled_at=row.pulled_at,
        pull_fails=row.pull_problem is not None,
        **found,
    )


def _together(all_: Any) -> Lately:
    listed = list(all_)
    return Lately(sum(one.payloads for one in listed), sum(one.records for one in listed))


def _host(base: str | None) -> str | None:
    return urlsplit(base).netloc.rpartition("@")[2] if base else None


def _compared_at(connection: Connection, source: str) -> datetime | None:
    """What is compared last is among the newest hours that ever were."""
    hour = compared_hours.c
    newest = (
        select(LAST_COMPARED.label("at"))
        .where(hour.source == source, LAST_COMPARED.is_not(None))
        .order_by(hour.window_start.desc())
        .limit(_LAST_HOURS)
        .subquery()
    )
    found: datetime | None = connection.scalar(select(func.max(newest.c.at)))
    return found
