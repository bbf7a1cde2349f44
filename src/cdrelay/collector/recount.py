"""Looking again at what is stored for windows that the ledger knows, when their provider cannot or need not be asked.

After records came by another way than the records endpoint, and before anything is called lost.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from datetime import datetime

from cdrelay.collector.comparison import (
    BEGINNING_LEFT,
    COMPARED_UNDER_WAY,
    LEFT_UNCOMPARED,
    Finding,
    Former,
    Proof,
    Verdict,
    due_until,
    judge,
    why,
)
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.schedule import next_check
from cdrelay.collector.stores import Stores
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period

_MOST_ROWS = 1_000_000


class Recount:
    """Compares what the ledger expects with what is stored now. Blocking."""

    def __init__(self, stores: Stores, rules: Rules) -> None:
        self._stores = stores
        self._rules = rules

    def look(
        self, rows: Sequence[LedgerRow], now: datetime, *, way: str | None = None, problem: str | None = None
    ) -> list[Verdict]:
        """Load what waits, count, and revise these windows; what is said of them now.

        `way` is the channel by which more may have come, `problem` why what is still missing did not. A window that
        was never compared stays as it is. Raises SourceUnknown, DatabaseUnavailable.
        """
        self._stores.loader.drain()
        by_window: dict[tuple[str, Period], dict[str, LedgerRow]] = defaultdict(dict)
        for row in rows:
            if row.proof != "none" or row.state in ("short", "lost"):
                by_window[row.source, row.window][row.org_uuid] = row
        found: list[Verdict] = []
        for (source, window), known in by_window.items():
            stored = self._stores.lake.count_by_organization(window)
            news = problem or any(stored.get(org, 0) != row.stored for org, row in known.items())
            in_quarantine = self._stores.quarantine.count(window) if news else {}

            def decide(
                former: Mapping[str, Former],
                window: Period = window,
                stored: Mapping[str, int] = stored,
                in_quarantine: Mapping[str, int] = in_quarantine,
                organizations: Set[str] = known.keys(),
            ) -> list[Verdict]:
                return [
                    self._verdict(
                        Finding(org, former[org].expected, stored.get(org, 0)),
                        former[org],
                        window,
                        now,
                        way=way,
                        problem=problem,
                        in_quarantine=in_quarantine.get(org, 0),
                    )
                    for org in sorted(former.keys() & organizations)
                ]

            found += self._stores.ledger.revise(source, window, now, decide)
        return found

    def incomplete(
        self, source: str, now: datetime, period: Period | None = None, organization: str | None = None
    ) -> list[Verdict]:
        """Look again at all windows of a source that lack something, in reach or not; with a period, those in it."""
        rows = self._stores.ledger.rows(period, organization, states=("short", "lost"), source=source, most=_MOST_ROWS)
        return self.look(rows, now)

    def _verdict(
        self,
        found: Finding,
        former: Former,
        window: Period,
        now: datetime,
        *,
        way: str | None,
        problem: str | None,
        in_quarantine: int,
    ) -> Verdict:
        stored = found.stored
        brought = max(0, stored - former.stored) if way else 0
        # Where nothing came nothing changed, also for a window that is short by ids and not by counts.
        same = stored == former.stored
        state = former.state
        if not same:
            # As of the provider's last answer: of what became due since it said nothing.
            answered = former.checked_at or now
            state = judge(found, former.fetched + brought, state, now=answered, window=window, rules=self._rules)
        proof: Proof = former.proof if same else "counts"
        reason = why(found, state, problem=problem, in_quarantine=in_quarantine)
        if not same and former.proof == "none":
            # Its beginning was never compared: that nothing of the rest is missing proves nothing of the whole.
            state, proof, reason = state if found.missing else "open", "none", reason or BEGINNING_LEFT
        elif not same and state == "open" and due_until(now, self._rules) >= window.end:
            proof, reason = "none", self._never_whole(window, now)
        return Verdict(
            org_uuid=found.org_uuid,
            window=window,
            expected=former.expected,
            stored=stored,
            brought=brought,
            state=state,
            proof=proof,
            way=way if brought else None,
            # Whoever asked before knows better why than who only counts.
            reason=former.reason if same and not (problem and found.missing) else reason,
            recheck_at=former.recheck_at if same else next_check(state, window, now, self._rules),
            # The provider was not asked: what another run asks meanwhile is newer than this.
            checked_at=former.checked_at,
        )

    def _never_whole(self, window: Period, now: datetime) -> str:
        left = window.end <= now - self._rules.reach
        return f"{LEFT_UNCOMPARED}; {COMPARED_UNDER_WAY}" if left else COMPARED_UNDER_WAY
