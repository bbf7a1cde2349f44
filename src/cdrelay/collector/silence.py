"""Why there are no records: nobody called, nothing was delivered, nobody may ask, nobody asked, or nothing ran.

`explain` is pure: what it rests on are facts, which `Silence` reads. It never says more than they do: where nothing
was compared, or not all of it, it does not say that there were no calls.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, select

from cdrelay.clock import Clock
from cdrelay.collector.agenda import LAST_COMPARED
from cdrelay.collector.comparison import due_until, in_reach
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.ledger_forgetting import forgotten_until
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.source_settings import gap_of, is_reconcilable
from cdrelay.collector.words import count, moment
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period, floor_to
from cdrelay.control.database import Database
from cdrelay.control.tables import alarms, compared_hours, ledger, payloads, reconciliations, sources

Kind = Literal[
    "records",
    "too early",
    "no calls",
    "no deliveries",
    "missing",
    "no rights",
    "not asked",
    "asked in part",
    "not running",
    "not kept",
    "unknown",
]

_REFUSALS = re.compile(r"\b(401|403|404)\b")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why it is silent; `records` when it is not."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceFacts:
    """What is known of a source, or of one organization of it, in a period."""

    source: str
    organization: bool
    """Whether it is about one organization."""
    settled: bool
    """Whether all of the period should have been delivered by now."""
    askable: bool
    """Whether the provider can be asked for counts: there is an address, and a token or a way to get one."""
    pulled: bool = False
    """Whether it is a source that is pulled, of which there are no counts."""
    pull_gap: bool = False
    """Whether some of the period could not be pulled any more."""
    expected: int = 0
    """Records that the provider counts in the hours of the period."""
    stored: int = 0
    compared: bool = False
    """Whether every hour of the period was compared, from its beginning to its end, with the provider's counts."""
    in_part: bool = False
    """Whether some of it was, and not all: some of the hours, or only the beginning or the end of one."""
    out_of_reach: bool = False
    """Whether the provider gives no counts any more of some of what was not compared."""
    deliveries: int = 0
    """Payloads that came from the source when the period was due."""
    missing_windows: int = 0
    """Windows of it that did not come, by the manifests of others."""
    problem: str | None = None
    """What kept the hours of the period from being compared, lastly."""
    forgotten_until: datetime | None = None
    """Before this moment nothing is known any more but what is missing; None: all that was ever known is."""
    stopped: Sequence[Period] = ()
    """When the collector did not run, as far as that meets the time in which the period was due."""


def explain(facts: SilenceFacts) -> Explanation:
    """The first of the reasons that the facts bear out."""
    if facts.stored:
        return Explanation("records", f"It is not silent: {count(facts.stored, 'record')} are stored.")
    if facts.expected:
        return _missing(facts)
    if facts.compared:
        whose = "of this organization" if facts.organization else "of any organization"
        return Explanation("no calls", f"The provider's counts say that there were no calls {whose} in this time.")
    if facts.forgotten_until:
        what = f"What was known of the time before {moment(facts.forgotten_until)} is not kept any more."
        return Explanation("not kept", what)
    if not facts.settled:
        return Explanation("too early", "The last calls of this time are not due yet.")
    return _not_compared(facts)


def _missing(facts: SilenceFacts) -> Explanation:
    counted = f"The provider counts {count(facts.expected, 'record')}, and none is stored."
    if facts.forgotten_until:
        return Explanation("not kept", f"{counted} What was delivered at the time is not known any more.")
    if facts.stopped and not facts.deliveries:
        return Explanation("not running", f"{counted} The collector did not run {_when(facts.stopped)}.")
    if not facts.deliveries:
        why = "Nothing was delivered by this source at the time: its webhook is off, or leads elsewhere."
        return Explanation("no deliveries", f"{counted} {why}")
    if facts.missing_windows:
        why = f"{count(facts.missing_windows, 'window')} did not arrive."
        return Explanation("no deliveries", f"{counted} {why}")
    return Explanation("missing", f"{counted} Others were delivered at the time; the next reconciliation fetches them.")


def _not_compared(facts: SilenceFacts) -> Explanation:
    if facts.problem and (refusal := _REFUSALS.search(facts.problem)):
        what = f"The provider does not answer questions about it ({refusal[1]}): {facts.problem}"
        return Explanation("no rights", what)
    if facts.stopped:
        what = f"The collector did not run {_when(facts.stopped)}, and {_so_far(facts)} since."
        return Explanation("not running", what)
    if facts.missing_windows:
        what = f"{count(facts.missing_windows, 'window')} did not arrive, and {_so_far(facts)}."
        return Explanation("no deliveries", what)
    return _not_asked(facts)


def _not_asked(facts: SilenceFacts) -> Explanation:
    if facts.pull_gap:
        what = f"{facts.source} is pulled, and not all of this time could be pulled any more: records may be missing."
        return Explanation("missing", what)
    if facts.pulled:
        what = f"{facts.source} is pulled: its provider gave nothing for this time, and has no counts to compare with."
        return Explanation("unknown", what)
    if not facts.askable:
        what = f"{facts.source} has no address of the provider or no token, so nobody can ask whether there were calls."
        return Explanation("not asked", what)
    if facts.problem:
        return Explanation("unknown", f"The provider could not be asked: {facts.problem}")
    kind: Kind = "asked in part" if facts.in_part else "not asked"
    what = f"{'Only a part of this time was' if facts.in_part else 'This time was not'} compared with the provider's"
    if facts.out_of_reach:
        what = f"{what} counts as long as it gave them, so nobody knows whether there were calls."
    else:
        what = f"{what} counts yet. `cdrelay reconcile` {'compares the rest' if facts.in_part else 'does'}."
    return Explanation(kind, what)


def _so_far(facts: SilenceFacts) -> str:
    return "only a part of this time was compared" if facts.in_part else "nothing was compared"


def _when(periods: Sequence[Period]) -> str:
    return " and ".join(f"from {one.start:%Y-%m-%d %H:%M} to {moment(one.end)}" for one in periods)


class Silence:
    """Explains what the control database knows of. Blocking; raises DatabaseUnavailable when it is gone."""

    def __init__(self, database: Database, clock: Clock, rules: Rules) -> None:
        self._database = database
        self._manifests = Manifests(database)
        self._clock = clock
        self._rules = rules

    def explain(self, source: str, org_uuid: str | None, period: Period) -> Explanation:
        """Why there is nothing of a source in a period, or of one organization of it. Raises SourceUnknown.

        Whole hours are looked at, those that the period touches, because that is what providers are asked about.
        """
        return explain(self.facts(source, org_uuid, period))

    def facts(self, source: str, org_uuid: str | None, period: Period) -> SilenceFacts:
        """What the explanation rests on. Raises SourceUnknown."""
        now, rules = self._clock.now(), self._rules
        # A window is delivered when it has settled, a tick after it began; the retries of a failed one take longer.
        due = Period(period.start + rules.settle, period.end + rules.settle + 2 * rules.tick)
        missing = [one for one in self._manifests.missing(source, now, rules) if _meet(one.window, period)]
        hours = Period(floor_to(period.start, rules.count_span), period.end)
        with self._database.read() as connection:
            row = connection.execute(select(sources).where(sources.c.name == source)).one_or_none()
            if row is None:
                raise SourceUnknown(source)
            expected, stored = _counted(connection, source, org_uuid, hours)
            asked = _asked(connection, source, hours)
            open_hours = [
                hour for hour in _whole_hours(hours, rules) if not _compared(asked.get(hour.start), hour, rules)
            ]
            until = forgotten_until(connection, source)
            in_part = bool(open_hours) and any(row.compared is not None for row in asked.values())
            return SilenceFacts(
                source=source,
                organization=org_uuid is not None,
                settled=period.end + rules.settle + rules.tick <= now,
                askable=is_reconcilable(row),
                pulled=row.kind != "webhook",
                pull_gap=(gap := gap_of(row)) is not None and _meet(gap, period),
                expected=expected,
                stored=stored,
                compared=not open_hours,
                in_part=in_part,
                out_of_reach=any(in_reach(hour, now, rules) != hour for hour in open_hours),
                deliveries=_deliveries(connection, source, due),
                missing_windows=len(missing),
                problem=_problem(asked) or (None if in_part else _last_problem(connection, source, period.start)),
                forgotten_until=until if until is not None and hours.start < until else None,
                stopped=_stopped(connection, due, rules.tick),
            )


def _counted(connection: Connection, source: str, org_uuid: str | None, hours: Period) -> tuple[int, int]:
    """Expected and stored."""
    question = select(func.sum(ledger.c.expected), func.sum(ledger.c.stored)).where(
        ledger.c.source == source, ledger.c.window_start >= hours.start, ledger.c.window_start < hours.end
    )
    if org_uuid is not None:
        question = question.where(ledger.c.org_uuid == org_uuid)
    row = connection.execute(question).one()
    return row[0] or 0, row[1] or 0


def _asked(connection: Connection, source: str, hours: Period) -> dict[datetime, Row[Any]]:
    question = select(compared_hours, LAST_COMPARED.label("compared")).where(
        compared_hours.c.source == source,
        compared_hours.c.window_start >= hours.start,
        compared_hours.c.window_start < hours.end,
    )
    return {row.window_start: row for row in connection.execute(question)}


def _whole_hours(hours: Period, rules: Rules) -> list[Period]:
    found, start = [], hours.start
    while start < hours.end:
        found.append(Period(start, start + rules.count_span))
        start += rules.count_span
    return found


def _compared(row: Row[Any] | None, hour: Period, rules: Rules) -> bool:
    return row is not None and row.compared_at is not None and due_until(row.compared_at, rules) >= hour.end


def _deliveries(connection: Connection, source: str, due: Period) -> int:
    question = select(func.count()).where(
        payloads.c.half == "collector",
        payloads.c.received_at >= due.start,
        payloads.c.received_at < due.end,
        payloads.c.source == source,
        payloads.c.channel.in_(("webhook", "stream")),
    )
    return connection.scalar(question) or 0


def _problem(asked: dict[datetime, Row[Any]]) -> str | None:
    """What was said last of one of the hours."""
    said = [row for row in asked.values() if row.problem and row.failures]
    return max(said, key=lambda row: row.tried_at).problem if said else None


def _last_problem(connection: Connection, source: str, since: datetime) -> str | None:
    """What was said of the last run since then."""
    question = select(reconciliations.c.problem).where(
        reconciliations.c.source == source, reconciliations.c.started_at >= since
    )
    last: str | None = connection.scalar(question.order_by(reconciliations.c.started_at.desc()).limit(1))
    return last


def _stopped(connection: Connection, due: Period, tick: timedelta) -> list[Period]:
    question = select(alarms.c.raised_at, alarms.c.cleared_at).where(
        alarms.c.kind == "not-running", alarms.c.raised_at < due.end, alarms.c.cleared_at > due.start
    )
    rows = connection.execute(question.order_by(alarms.c.raised_at)).all()
    return [Period(row[0], row[1]) for row in rows if row[1] - row[0] >= tick]


def _meet(one: Period, other: Period) -> bool:
    return one.start < other.end and other.start < one.end
