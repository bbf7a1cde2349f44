"""What alarms are judged by: read from the control database and the disk, at one moment."""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

from sqlalchemy import Connection, Row, func, select

from cdrelay.collector.agenda import LAST_COMPARED
from cdrelay.collector.manifests import MissingWindow
from cdrelay.collector.source_settings import gap_of, is_reconcilable, is_renewable
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import INCOMPLETE, compared_hours, ledger, payloads, sources
from cdrelay.lake.spool import NoRoom, Spool

_USUAL_REACHES = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSource:
    """A source, without its secrets."""

    name: str
    kind: str
    created_at: datetime
    askable: bool
    """Whether its provider can be asked for counts: there is an address, and a token or a way to get one."""
    tokenless: bool = False
    """Whether its provider could be asked for counts, and there is neither a token nor a way to get one."""
    refreshable: bool
    """Whether its tokens can be refreshed: there is a refresh token, and the client that it was given to."""
    token_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    token_problem: str | None = None
    pulled_at: datetime | None = None
    pull_problem: str | None = None
    gap: Period | None = None
    """What could not be pulled any more, lately."""
    gap_found_at: datetime | None = None
    delivered_at: datetime | None = None
    """When the last delivery came; None: none ever did."""
    usual_gap: timedelta | None = None
    """The longest time between two deliveries in the week before the last one; None when not looked at, or unknown."""
    counted_since: int = 0
    """Records that the provider counts in whole hours since the last delivery."""


@dataclass(frozen=True, slots=True)
class ComparedHour:
    """An hour of a source that its provider was asked about."""

    compared_at: datetime | None
    """When counts of it were last compared, be it in part; None: never."""
    failures: int
    """How often in a row asking has failed."""
    problem: str | None
    incomplete: int = 0
    """Windows of organizations that are short or lost."""
    tried_at: datetime | None = None
    """When it was last asked about, be it in vain."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Windows of organizations that are short or lost, of one source."""

    windows: int
    organizations: int
    records: int
    """How many are missing."""
    oldest: datetime
    newest: datetime
    """Starts of windows."""


class FindsMissing(Protocol):
    """Knows which windows did not come."""

    def missing(self, source: str, now: datetime, rules: Rules) -> list[MissingWindow]:
        """They, oldest first."""
        ...


class Facts:
    """Reads. All methods block; those that read the database raise DatabaseUnavailable when it is gone."""

    def __init__(self, database: Database, manifests: FindsMissing, spool: Spool, rules: Rules) -> None:
        self._database = database
        self._manifests = manifests
        self._spool = spool
        self._rules = rules

    def sources(self, now: datetime) -> list[KnownSource]:
        """All sources; of those that are silent for long, also whether that is usual."""
        rules = self._rules
        with self._database.read() as connection:
            delivered = _delivered(connection, Period(now - 2 * _USUAL_REACHES * rules.reach, now))
            return [
                self._source(connection, row, delivered.get(row.name) or _last_delivery(connection, row, now), now)
                for row in connection.execute(select(sources).order_by(sources.c.name)).all()
            ]

    def _source(self, connection: Connection, row: Row[Any], delivered: datetime | None, now: datetime) -> KnownSource:
        gap, counted = None, 0
        if delivered is not None and now - delivered > 2 * self._rules.tick:
            gap = _longest_gap(connection, row.name, Period(delivered - _USUAL_REACHES * self._rules.reach, delivered))
            counted = _counted_since(connection, row.name, delivered)
        elif delivered is None:
            counted = _counted_since(connection, row.name, row.created_at)
        return KnownSource(
            name=row.name,
            kind=row.kind,
            created_at=row.created_at,
            askable=is_reconcilable(row),
            tokenless=row.kind == "webhook" and row.api is not None and not is_reconcilable(row),
            refreshable=is_renewable(row),
            token_expires_at=row.token_expires_at,
            refresh_expires_at=row.refresh_expires_at,
            token_problem=row.token_problem,
            pulled_at=row.pulled_at,
            pull_problem=row.pull_problem,
            gap=gap_of(row),
            gap_found_at=row.gap_found_at,
            delivered_at=delivered,
            usual_gap=gap,
            counted_since=counted,
        )

    def missing(self, source: str, now: datetime) -> list[MissingWindow]:
        """Windows that did not come, by the manifests of those that did."""
        return self._manifests.missing(source, now, self._rules)

    def hours(self, source: str, starts: Period) -> dict[datetime, ComparedHour]:
        """The hours that begin in a period and were asked about, by their starts."""
        hour = compared_hours.c
        asked = select(hour.window_start, LAST_COMPARED, hour.failures, hour.problem, hour.tried_at).where(
            hour.source == source, hour.window_start >= starts.start, hour.window_start < starts.end
        )
        # Of all sources, which are few: with the source in it SQLite would rather read all that the ledger has of it.
        incomplete = (
            select(ledger.c.source, ledger.c.window_start, func.count())
            .where(INCOMPLETE, ledger.c.window_start >= starts.start, ledger.c.window_start < starts.end)
            .group_by(ledger.c.source, ledger.c.window_start)
        )
        with self._database.read() as connection:
            windows = {(row[0], row[1]): row[2] for row in connection.execute(incomplete)}
            return {
                row[0]: ComparedHour(row[1], row[2], row[3], windows.get((source, row[0]), 0), row[4])
                for row in connection.execute(asked)
            }

    def incomplete(self, state: str, starts: Period) -> dict[str, Incomplete]:
        """Windows that are short, or lost, and begin in a period, by source."""
        question = (
            select(
                ledger.c.source,
                func.count(),
                func.count(ledger.c.org_uuid.distinct()),
                func.sum(ledger.c.expected - ledger.c.stored),
                func.min(ledger.c.window_start),
                func.max(ledger.c.window_start),
            )
            .where(INCOMPLETE, ledger.c.state == state)
            .where(ledger.c.window_start >= starts.start, ledger.c.window_start < starts.end)
            .group_by(ledger.c.source)
        )
        with self._database.read() as connection:
            return {row[0]: Incomplete(*row[1:]) for row in connection.execute(question)}

    def free_bytes(self) -> int | None:
        """What is free where payloads are kept first; None when nothing can be kept there."""
        try:
            self._spool.require_room(0)
            return shutil.disk_usage(self._spool.folder).free
        except (NoRoom, OSError):
            return None

    def oldest_waiting(self) -> datetime | None:
        """Since when the oldest payload waits for its load; None when none waits."""
        for path in self._spool.waiting():
            try:
                return self._spool.open(path).envelope.received
            except (OSError, ValueError):
                continue  # taken meanwhile, or damaged: the loader sets that aside
        return None


def _delivered(connection: Connection, period: Period) -> dict[str, datetime]:
    """The last ones; what lies after the period came before the clock was set back."""
    question = (
        select(payloads.c.source, func.max(payloads.c.received_at))
        .where(_deliveries(), payloads.c.received_at > period.start, payloads.c.received_at <= period.end)
        .group_by(payloads.c.source)
    )
    return {row[0]: row[1] for row in connection.execute(question)}


def _last_delivery(connection: Connection, source: Row[Any], now: datetime) -> datetime | None:
    """Of a source that was silent for long: this looks through all that ever came."""
    if source.kind != "webhook":
        return None
    question = select(func.max(payloads.c.received_at)).where(
        _deliveries(), payloads.c.source == source.name, payloads.c.received_at <= now
    )
    last: datetime | None = connection.scalar(question)
    return last


def _longest_gap(connection: Connection, source: str, period: Period) -> timedelta | None:
    question = (
        select(payloads.c.received_at)
        .where(_deliveries(), payloads.c.source == source)
        .where(payloads.c.received_at >= period.start, payloads.c.received_at <= period.end)
        .order_by(payloads.c.received_at)
    )
    moments = connection.scalars(question).all()
    return max((later - earlier for earlier, later in pairwise(moments)), default=None)


def _counted_since(connection: Connection, source: str, moment: datetime) -> int:
    question = select(func.sum(ledger.c.expected)).where(ledger.c.source == source, ledger.c.window_start >= moment)
    return connection.scalar(question) or 0


def _deliveries() -> Any:
    return (payloads.c.half == "collector") & (payloads.c.channel == "webhook")
