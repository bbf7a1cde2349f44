"""What is being repaired: the hours that are short, until when they can be, and the reconciliations that see to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from cdrelay.collector.heat_map import MISSING
from cdrelay.contract.rules import Rules
from cdrelay.control.database import Database
from cdrelay.control.tables import INCOMPLETE, ledger, reconciliations


@dataclass(frozen=True, slots=True)
class Edge:
    """The short hours that leave the provider's reach first."""

    window_start: datetime
    leaves_at: datetime
    """When the first of their records can no longer be asked for."""
    organizations: int
    missing: int
    """Records."""


@dataclass(frozen=True, slots=True)
class Run:
    """The last reconciliation of a source."""

    source: str
    cause: str
    started_at: datetime
    finished_at: datetime | None
    """None: it is under way, or was killed."""
    requests: int
    windows: int
    short: int
    repaired: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class UnderRepair:
    """All of it."""

    hours: int
    """Hours of organizations that are short."""
    organizations: int
    missing: int
    """Records."""
    edge: Edge | None
    """None: nothing is short."""
    recheck_at: datetime | None
    """When the first of them is compared again at the latest; None: none has to be."""
    runs: list[Run]
    """The last of each source, by its name."""


def read_under_repair(database: Database, rules: Rules, source: str | None = None) -> UnderRepair:
    """Of one source or all. Blocking; raises DatabaseUnavailable."""
    # Found by the index of what is incomplete. What was lost long ago is in it too, and passed over.
    short = [INCOMPLETE, ledger.c.state == "short"]
    if source is not None:
        short.append(ledger.c.source == source)
    missing = func.coalesce(func.sum(MISSING), 0)
    organizations = func.count(ledger.c.org_uuid.distinct())
    sums = select(func.count(), organizations, missing).where(*short)
    first = (
        select(ledger.c.window_start, organizations, missing)
        .where(*short)
        .group_by(ledger.c.window_start)
        .order_by(ledger.c.window_start)
        .limit(1)
    )
    with database.read() as connection:
        hours, owners, records = connection.execute(sums).one()
        row = connection.execute(first).first()
        recheck_at = connection.execute(select(func.min(ledger.c.recheck_at)).where(*short)).scalar()
        runs = [Run(*run) for run in connection.execute(_last_runs(source))]
    edge = None if row is None else Edge(row[0], row[0] + rules.reach, row[1], row[2])
    return UnderRepair(hours, owners, records, edge, recheck_at, runs)


def runs_since(database: Database, source: str, since: datetime, most: int) -> list[Run]:
    """The reconciliations of a source that began at `since` or later, newest first. Blocking."""
    asked = (
        select(*(reconciliations.c[name] for name in Run.__slots__))
        .where(reconciliations.c.source == source, reconciliations.c.started_at >= since)
        .order_by(reconciliations.c.started_at.desc())
        .limit(most)
    )
    with database.read() as connection:
        return [Run(*run) for run in connection.execute(asked)]


def _last_runs(source: str | None) -> Select[Any]:
    last = select(func.max(reconciliations.c.id)).group_by(reconciliations.c.source)
    asked = select(*(reconciliations.c[name] for name in Run.__slots__)).where(reconciliations.c.id.in_(last))
    if source is not None:
        asked = asked.where(reconciliations.c.source == source)
    return asked.order_by(reconciliations.c.source)
