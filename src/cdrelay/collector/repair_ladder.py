"""What is done about windows that the records endpoint left short: `cdr_feed` of the customer, and at last giving up.

The steps of the ladder: the records endpoint, at every comparison (`source_run`); `cdr_feed` of the customer, up to 30
days back, once while the hour is in the records endpoint's reach and once after it left; then nothing goes by itself
any more, and the window is lost, until somebody imports the customer's report (`report_import`). A step that fails is
tried again a few times, less and less often. Records in quarantine are not lost: a window that lacks no others stays
short.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from cdrelay.clock import Clock
from cdrelay.collector.comparison import Verdict, due_until, margin
from cdrelay.collector.history_client import HistoryClient
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.recount import Recount
from cdrelay.collector.schedule import backoff
from cdrelay.collector.stores import Stores
from cdrelay.collector.tally import Tally
from cdrelay.contract.answers import ProviderError, ProviderRejected
from cdrelay.contract.history import HistoryRules
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.lake.spool import Envelope

_TRIES = 5
"""So many times `cdr_feed` is asked for a window while it is in reach, when it fails, and so many times after."""
_QUESTIONS = 10
"""So many periods are asked for in one climb; the others have their turn in the next."""
FEED_REACHES = 15
"""`cdr_feed` goes back so many times the reach: 30 days."""
_LEAD_HOURS = 3
"""Its times may mean the start of the call, so it is asked for calls that began so much earlier, too."""


class RepairLadder:
    """Climbs it for one source. `history` is None where there is no `cdr_feed` to ask."""

    def __init__(
        self, source: str, history: HistoryClient | None, stores: Stores, clock: Clock, rules: Rules, feed: HistoryRules
    ) -> None:
        self._source = source
        self._history = history
        self._stores = stores
        self._clock = clock
        self._rules = rules
        self._span = feed.feed.span
        self._recount = Recount(stores, rules)

    async def climb(self, tally: Tally) -> None:
        """See to the windows that this run left short, and to those out of reach. Adds to `tally` what came of it.

        Raises NoRoom, DatabaseUnavailable, SourceUnknown, and what a token cannot be had for.
        """
        rows = await asyncio.to_thread(self._to_see_to, set(tally.short_windows))
        asked = [row for row in rows if self._may_ask(row)]
        for group in list(_grouped(asked, self._span - _LEAD_HOURS * self._rules.count_span))[:_QUESTIONS]:
            await self._ask(group, tally)
        out_of_reach = {(row.org_uuid, row.window) for row in rows if self._left_reach(row)}
        tally.lost += len(await asyncio.to_thread(self._give_up, out_of_reach, tally))

    def _to_see_to(self, just_compared: set[tuple[str, Period]]) -> list[LedgerRow]:
        """Short windows whose turn it is and whose records are not all in quarantine, the oldest first."""
        now, ledger = self._clock.now(), self._stores.ledger
        gone = ledger.short(self._source, ended_by=now - self._rules.reach, due_by=now)
        still = {(one.org_uuid, one.window) for one in self._recount.look(gone, now) if one.state == "short"}
        waiting = ledger.short(self._source, ended_by=due_until(now, self._rules))
        keys = still | just_compared
        rows = [row for row in waiting if (row.org_uuid, row.window) in keys]
        counts = {window: self._stores.quarantine.count(window) for window in {row.window for row in rows}}
        return [row for row in rows if not self._set_aside(row, counts[row.window].get(row.org_uuid, 0))]

    def _set_aside(self, row: LedgerRow, count: int) -> bool:
        missing = row.expected - row.stored
        if count < missing:
            return False
        reason = f"{missing} missing, {count} in quarantine" if missing else row.reason or ""
        now = self._clock.now()
        again_at = now + self._rules.count_span
        # While it can be compared, the comparison may be due sooner; a moment that is past would be due for ever.
        sooner = row.recheck_at if row.recheck_at is not None and row.recheck_at > now else again_at
        self._stores.ledger.postpone(row, reason, min(again_at, sooner))
        return True

    def _left_reach(self, row: LedgerRow) -> bool:
        return row.window.end <= self._clock.now() - self._rules.reach

    def _may_ask(self, row: LedgerRow) -> bool:
        if self._history is None or row.window.start < self._clock.now() - FEED_REACHES * self._rules.reach:
            return False
        return row.history_tries < self._most_tries(row)

    def _most_tries(self, row: LedgerRow) -> int:
        return _TRIES * 2 if self._left_reach(row) else _TRIES

    async def _ask(self, rows: Sequence[LedgerRow], tally: Tally) -> None:
        """Ask for windows of one organization that lie close together; alone where that is too much at once."""
        try:
            await self._fetch(rows)
        except ProviderRejected as error:
            if len(rows) > 1:
                for row in rows:
                    await self._ask([row], tally)
                return
            await self._note(rows, tally, self._most_tries, f"cdr_feed does not give them: {error}")
        except ProviderError as error:
            tally.problems.append(f"organization {rows[0].org_uuid}, cdr_feed: {error}")
            await self._note(rows, tally, lambda row: row.history_tries + 1, f"cdr_feed: {error}")
        else:
            await self._note(rows, tally, self._most_tries, "cdr_feed does not give them either")

    async def _fetch(self, rows: Sequence[LedgerRow]) -> None:
        """Into the spool; first with what began before, then without where that is refused. Raises ProviderError."""
        newest = self._clock.now() - self._rules.settle - margin(self._rules)
        hours = Period(rows[0].window.start, min(rows[-1].window.end, newest))
        lead = Period(hours.start - _LEAD_HOURS * self._rules.count_span, hours.end)
        try:
            await self._fetch_period(rows[0].org_uuid, lead)
        except ProviderRejected:
            await self._fetch_period(rows[0].org_uuid, hours)

    async def _fetch_period(self, organization: str, period: Period) -> None:
        if self._history is None:
            return
        async for body in self._history.records(organization, period):
            envelope = Envelope(
                id=self._stores.new_id(), source=self._source, channel="history", received=self._clock.now()
            )
            await asyncio.to_thread(self._stores.spool.put, envelope, body)

    async def _note(
        self, rows: Sequence[LedgerRow], tally: Tally, tries: Callable[[LedgerRow], int], problem: str
    ) -> None:
        verdicts = await asyncio.to_thread(self._concluded, rows, tries, problem)
        for row, verdict in zip(rows, verdicts, strict=False):
            tally.fetched += verdict.brought
            if verdict.state != "short":
                tally.repaired += 1
                tally.short -= (row.org_uuid, row.window) in tally.short_windows

    def _concluded(self, rows: Sequence[LedgerRow], tries: Callable[[LedgerRow], int], problem: str) -> list[Verdict]:
        now = self._clock.now()
        verdicts = self._recount.look(rows, now, way="history", problem=problem)
        self._stores.ledger.history_asked([(row, tries(row)) for row in rows])
        short = {(one.org_uuid, one.window) for one in verdicts if one.state == "short"}
        for row in rows:
            if (row.org_uuid, row.window) in short and self._left_reach(row):
                again_at = now + backoff(tries(row) - _TRIES, self._rules)
                self._stores.ledger.postpone(row, f"{row.expected - row.stored} missing; {problem}", again_at)
        return verdicts

    def _give_up(self, keys: set[tuple[str, Period]], tally: Tally) -> list[LedgerRow]:
        """Those of the windows out of reach for which no step is left that goes by itself."""
        now = self._clock.now()
        short = self._stores.ledger.short(self._source, ended_by=now - self._rules.reach)
        spent = [row for row in short if (row.org_uuid, row.window) in keys and not self._may_ask(row)]
        reason = "neither the records endpoint nor cdr_feed gave them in time"
        if self._history is None:
            reason = "the records endpoint did not give them in time, and there is no cdr_feed to ask"
        lost = self._stores.ledger.give_up(spent, reason)
        if lost:
            missing = sum(row.expected - row.stored for row in lost)
            first, last = write_time(lost[0].window.start), write_time(lost[-1].window.end)
            tally.told_lost = f"{missing} records of {len(lost)} windows between {first} and {last} are lost"
        return lost


def _grouped(rows: Sequence[LedgerRow], longest: timedelta) -> Iterator[list[LedgerRow]]:
    """Windows of one organization that lie within `longest`, the group with the oldest window first."""
    by_organization: dict[str, list[LedgerRow]] = defaultdict(list)
    for row in rows:
        by_organization[row.org_uuid].append(row)
    groups: list[list[LedgerRow]] = []
    for of_one in by_organization.values():
        group: list[LedgerRow] = []
        for row in of_one:
            if group and row.window.end - group[0].window.start > longest:
                groups.append(group)
                group = []
            group.append(row)
        groups.append(group)
    yield from sorted(groups, key=lambda group: group[0].window.start)
