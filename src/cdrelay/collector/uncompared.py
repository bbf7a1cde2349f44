"""Rows of the ledger for hours that were not compared, so that silence shows: each known organization has one."""

from datetime import datetime

from cdrelay.collector.schedule import spans_due
from cdrelay.collector.source_run import KNOWN_REACHES
from cdrelay.collector.sources import Source
from cdrelay.collector.stores import Stores
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import EPOCH, Period


class Uncompared:
    """Notes them. Blocking; remembers what was noted, so that looking again costs little."""

    def __init__(self, stores: Stores, rules: Rules) -> None:
        self._stores = stores
        self._rules = rules
        self._noted: dict[tuple[str, datetime], str] = {}
        self._left_at: dict[str, datetime] = {}

    def note(self, source: Source, now: datetime, *, alone: bool) -> None:
        """See that every organization of a source has a row for each hour in reach that was not compared, and why.

        And say of what has left the reach so that nobody knows any more. Raises SourceUnknown, DatabaseUnavailable.
        """
        reach = self._rules.reach
        hours = [span for span in spans_due(now, self._rules) if span.length == self._rules.count_span]
        found = self._stores.agenda.uncompared(source.name, hours, self._rules)
        if not source.reconcilable:
            found = dict.fromkeys(found, "the source has no api address or no token")
        news = {hour: why for hour, why in found.items() if self._noted.get((source.name, hour.start)) != why}
        if news:
            self._stores.loader.drain()
            known = self._known(source.name, now, alone=alone)
            for hour, why in news.items():
                stored = self._stores.lake.count_by_organization(hour)
                self._stores.ledger.note_uncompared(source.name, hour, stored, known, why, now)
                self._noted[source.name, hour.start] = why
        # All of the past once, and then what has left since.
        since = self._left_at.get(source.name, EPOCH + self._rules.count_span) - self._rules.count_span
        self._stores.ledger.leave_uncompared(source.name, since, now - reach)
        self._left_at[source.name] = now - reach
        self._noted = {key: why for key, why in self._noted.items() if key[1] >= now - 2 * reach}

    def _known(self, source: str, now: datetime, *, alone: bool) -> set[str]:
        known = set(self._stores.ledger.organizations(source, now - KNOWN_REACHES * self._rules.reach))
        if alone:
            known |= self._stores.lake.count_by_organization(Period(now - self._rules.reach, now)).keys()
        return known
