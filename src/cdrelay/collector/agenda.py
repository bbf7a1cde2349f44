"""What is known of a source when it is decided what to compare: hours that were, what is missing, when nothing came."""

from datetime import datetime

from sqlalchemy import Connection, case, func, select
from sqlalchemy.dialects.sqlite import insert

from cdrelay.collector.comparison import COMPARED_UNDER_WAY, due_until
from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.schedule import SILENT_TICKS, HourFacts, SourceFacts, gaps_of
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.tables import compared_hours, ledger, payloads, sources

_DAY_SECONDS = 86_400

LAST_COMPARED = case((compared_hours.c.failures == 0, compared_hours.c.tried_at), else_=compared_hours.c.compared_at)
"""When an hour was last compared, be it only what could be asked for of it; `compared_at` is for its beginning, too."""


class Agenda:
    """The store of hours that were compared, and the facts that decide which are next. Blocking.

    All methods raise DatabaseUnavailable.
    """

    def __init__(self, database: Database, manifests: Manifests) -> None:
        self._database = database
        self._manifests = manifests

    def facts(self, source: str, now: datetime, rules: Rules, started_at: datetime | None = None) -> SourceFacts:
        """All that is known of a source at `now`."""
        since = now - rules.reach - rules.count_span
        with self._database.read() as connection:
            rechecks = _rechecks(connection, source, since)
            known = {
                row.window_start: HourFacts(row.tried_at, row.failures, row.compared, rechecks.get(row.window_start))
                for row in connection.execute(
                    select(compared_hours, LAST_COMPARED.label("compared")).where(
                        compared_hours.c.source == source, compared_hours.c.window_start >= since
                    )
                )
            }
            gaps = gaps_of(_silences(connection, source, since, rules), rules)
        missing = [one.window for one in self._manifests.missing(source, now, rules)]
        return SourceFacts(source, known, missing, gaps, started_at)

    def compared(self, source: str, window: Period, asked_at: datetime, *, from_beginning: bool) -> None:
        """Put down that an hour was compared with what the provider counted at `asked_at`. Raises SourceUnknown.

        Where its beginning had left the reach, what was known of the whole of it stays known.
        """
        self._note(
            {"source": source, "window_start": window.start, "tried_at": asked_at, "failures": 0},
            {"problem": None} | ({"compared_at": asked_at} if from_beginning else {}),
        )

    def failed(self, source: str, window: Period, asked_at: datetime, problem: str) -> None:
        """Put down that comparing an hour failed, and why. Raises SourceUnknown."""
        self._note(
            {"source": source, "window_start": window.start, "tried_at": asked_at, "failures": 1},
            {"problem": problem},
        )

    def uncompared(self, source: str, windows: list[Period], rules: Rules) -> dict[Period, str]:
        """Those of the windows that were never compared, or not since their end was due, and what kept them from it."""
        if not windows:
            return {}
        question = select(compared_hours).where(
            compared_hours.c.source == source, compared_hours.c.window_start >= windows[0].start
        )
        with self._database.read() as connection:
            known = {row.window_start: row for row in connection.execute(question)}
        found = {}
        for window in windows:
            row = known.get(window.start)
            if row is None:
                found[window] = "not compared yet"
            elif row.compared_at is None or due_until(row.compared_at, rules) < window.end:
                found[window] = row.problem or COMPARED_UNDER_WAY
        return found

    def compared_whole(self, source: str, period: Period, rules: Rules) -> dict[datetime, datetime]:
        """Hours that begin in the period and were compared from beginning to end, by their start, and when lastly.

        Of an organization without a row for one of them the provider counted nothing, and nothing was stored.
        """
        known = compared_hours.c
        question = select(known.window_start, known.compared_at).where(
            known.source == source,
            known.window_start >= period.start,
            known.window_start < period.end,
            known.compared_at.is_not(None),
        )
        with self._database.read() as connection:
            rows = connection.execute(question).all()
        return {start: at for start, at in rows if due_until(at, rules) >= start + rules.count_span}

    def _note(self, key: dict[str, object], rest: dict[str, object]) -> None:
        statement = insert(compared_hours).values(key | rest)
        failures = compared_hours.c.failures + 1 if key["failures"] else 0
        changed = {"tried_at": key["tried_at"], "failures": failures} | rest
        statement = statement.on_conflict_do_update(index_elements=["source", "window_start"], set_=changed)
        with self._database.write() as connection:
            if connection.execute(select(sources.c.name).where(sources.c.name == key["source"])).first() is None:
                raise SourceUnknown(str(key["source"]))
            connection.execute(statement)


def _rechecks(connection: Connection, source: str, since: datetime) -> dict[datetime, datetime]:
    question = (
        select(ledger.c.window_start, func.min(ledger.c.recheck_at))
        .where(ledger.c.source == source, ledger.c.window_start >= since, ledger.c.recheck_at.is_not(None))
        .group_by(ledger.c.window_start)
    )
    return {row[0]: row[1] for row in connection.execute(question)}


def _silences(connection: Connection, source: str, since: datetime, rules: Rules) -> list[tuple[datetime, datetime]]:
    """Pairs of successive deliveries that are far apart."""
    of_source = (
        payloads.c.half == "collector",
        payloads.c.source == source,
        payloads.c.channel == "webhook",
        payloads.c.received_at >= since,
    )
    received = payloads.c.received_at
    before = func.lag(received, type_=received.type).over(order_by=received).label("before")
    came = select(before, payloads.c.received_at.label("after")).where(*of_source).subquery()
    days = SILENT_TICKS * rules.tick.total_seconds() / _DAY_SECONDS
    # A little less than asked for, because days are fractions; the exact test follows.
    far = func.julianday(came.c.after) - func.julianday(came.c.before) >= days * 0.99
    return [(row[0], row[1]) for row in connection.execute(select(came.c.before, came.c.after).where(far))]
