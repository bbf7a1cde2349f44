"""The ledger as values, and how they are kept in rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from cdrelay.collector.comparison import COMPLETE, Proof, State, Verdict
from cdrelay.collector.schedule import Cause
from cdrelay.contract.windows import Period


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """How many windows of organizations are in each state."""

    open: int = 0
    matched: int = 0
    short: int = 0
    repaired: int = 0
    surplus: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What is known of one organization's window."""

    source: str
    org_uuid: str
    window: Period
    expected: int
    stored: int
    state: State
    fetched: int
    """Records that repairs of this window brought, over all checks."""
    checked_at: datetime
    proof: Proof = "counts"
    ways: tuple[str, ...] = ()
    """How records of it were brought, if any were: channels of the spool."""
    reason: str | None = None
    """Why it is not complete, or could not be compared."""
    completed_at: datetime | None = None
    """Since when nothing is missing."""
    recheck_at: datetime | None = None
    """When it is to be compared again at the latest."""
    history_tries: int = 0
    """How often `cdr_feed` was asked for it."""


@dataclass(frozen=True, slots=True)
class LedgerHour:
    """All organizations' windows of one hour together."""

    window: Period
    expected: int
    stored: int
    states: LedgerTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationReport:
    """What one run did for one source."""

    source: str
    started_at: datetime
    finished_at: datetime
    requests: int
    windows: int
    """Windows of organizations compared."""
    short: int
    """Of these, still short at the end."""
    repaired: int
    """Of these, completed by what was fetched in this run."""
    fetched: int
    """Records that were missing and are stored now."""
    lost: int
    """Windows that left the provider's reach and were short still; told once."""
    problem: str | None
    """What kept the run from being complete."""
    cause: Cause = "hand"


def ledger_values(source: str, one: Verdict, now: datetime) -> dict[str, Any]:
    """The columns of what was found out about a source's window; a repeat writes over all but what `Ledger` keeps."""
    return {
        "source": source,
        "org_uuid": one.org_uuid,
        "window_start": one.window.start,
        "window_end": one.window.end,
        "expected": one.expected,
        "stored": one.stored,
        "state": one.state,
        "fetched": one.brought,
        "checked_at": one.checked_at or now,
        "proof": one.proof,
        "ways": one.way or "",
        "reason": one.reason,
        "completed_at": now if one.state in COMPLETE else None,
        "recheck_at": one.recheck_at,
    }


def ledger_row(row: Row[Any]) -> LedgerRow:
    """A window out of its row."""
    values = row._mapping
    return LedgerRow(
        source=values["source"],
        org_uuid=values["org_uuid"],
        window=Period(values["window_start"], values["window_end"]),
        expected=values["expected"],
        stored=values["stored"],
        state=values["state"],
        fetched=values["fetched"],
        checked_at=values["checked_at"],
        proof=values["proof"],
        ways=tuple(values["ways"].split()),
        reason=values["reason"],
        completed_at=values["completed_at"],
        recheck_at=values["recheck_at"],
        history_tries=values["history_tries"],
    )
