"""Which windows came whole, by what their deliveries said of themselves (`contract/manifest`).

Each part of a window says how many parts there are and has a digest of its Report IDs. The loader compares it with what
the payload held and writes a row with the payload's receipt: `verified`, `differs`, `quarantined`, or `counted` where
there is no digest. A part that differs counts as not there. A window that is sent again adds rows and takes none away.

What this proof is worth:

* The headers are not signed, only the body is. Who can replay a signed body can put other headers on it, and so have
  an old delivery stand for a window that never came. It proves nothing about a sender who lies; together with equal
  counts it proves that nothing was lost on the way. Without a secret, anyone can say anything.
* Records in quarantine are not there. Where the digest is that of them and the stored ones together, their part came,
  `quarantined`: it proves nothing until all of them were loaded again, and its provider is not asked for it, who would
  give the same. Where a Report ID cannot be read, the part differs, for good. Then counts must tell.
* The rounds of a window are not told apart: of one that is sent again cut into the same number of parts, parts of both
  rounds together count as all. They are, unless the window itself changed between the rounds.
* Late records come in the window that was delivered next, not in that of their call. A whole window says that what was
  due then is here.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Row, func, select

from cdrelay.collector.comparison import due_until
from cdrelay.contract.manifest import ManifestState
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period, ceil_to, floor_to
from cdrelay.control.database import Database
from cdrelay.control.forgetting import forget
from cdrelay.control.tables import manifests

KEPT_REACHES = 7
"""Manifests are kept for so many times the provider's reach (of the contract: 14 days); the ledger needs one."""

_NOT_THERE: ManifestState = "differs"
_PARTS_NAMED = 100
"""So many numbers of parts that are missing are told; nobody signs how many there are said to be."""


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One part of a window, as it came in one payload."""

    window: Period
    part: int
    parts: int
    payload: str
    records: int
    """As the manifest says."""
    digest: str
    """As the manifest says; empty: it says none."""
    state: ManifestState
    received_at: datetime


@dataclass(frozen=True, slots=True)
class MissingWindow:
    """A window that did not come, or not whole."""

    window: Period
    parts_missing: tuple[int, ...] | None = None
    """Numbers from 1, the first 100; None: nothing of it came."""


class Manifests:
    """The manifests in the control database. Blocking; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def missing(self, source: str, now: datetime, rules: Rules) -> list[MissingWindow]:
        """The windows that should be here at `now` and did not come whole, oldest first.

        From the first manifest ever, but none that begins before the reach. A source that never sent one has none, nor
        has one whose parts say no digest and came all. A provider that sends no empty windows looks as if it lost them.
        """
        first = self._first(source)
        until = due_until(now, rules)
        if first is None:
            return []
        start = max(ceil_to(now - rules.reach, rules.tick), floor_to(first, rules.tick))
        if start >= until:
            return []
        sets = _part_sets(self._rows(source, Period(start, until)))
        covered = _merged(one.window for one in sets if one.whole)
        best: dict[Period, _PartSet] = {}
        for one in sorted(sets, key=lambda one: one.lacking, reverse=True):
            best[one.window] = one
        found = []
        while start < until:
            window = Period(start, start + rules.tick)
            if not _covers(covered, window):
                found.append(MissingWindow(window, best[window].missing() if window in best else None))
            start = window.end
        return found

    def proves(self, source: str, period: Period) -> bool:
        """Whether every window of `period` came, all parts, each with the records that its digest is of."""
        verified = [row for row in self._rows(source, period) if row.state == "verified"]
        return _covers(_merged(one.window for one in _part_sets(verified) if one.whole), period)

    def of_window(self, source: str, window: Period) -> list[ManifestRow]:
        """What came of the windows that lie in `window` or touch it: by window, then part, then time of receipt."""
        return self._rows(source, window)

    def prune(self, now: datetime, rules: Rules) -> int:
        """Forget windows long out of reach; how many rows. The newest window of each source stays.

        From it `missing` knows that the source sends manifests, however long it has been silent.
        """
        newer = manifests.alias()
        newest = select(func.max(newer.c.window_start)).where(newer.c.source == manifests.c.source).scalar_subquery()
        long_ago = now - KEPT_REACHES * rules.reach
        # A window that is said to be in the future would never be long out of reach.
        old = (manifests.c.window_end <= long_ago) | (manifests.c.received_at <= long_ago)
        return forget(self._database, manifests, old & (manifests.c.window_start < newest))

    def _first(self, source: str) -> datetime | None:
        question = select(manifests.c.window_start).where(manifests.c.source == source)
        with self._database.read() as connection:
            return connection.scalar(question.order_by(manifests.c.window_start).limit(1))

    def _rows(self, source: str, period: Period) -> list[ManifestRow]:
        of_source = manifests.c.source == source
        meets = (manifests.c.window_start < period.end) & (manifests.c.window_end > period.start)
        order = manifests.c.window_start, manifests.c.part, manifests.c.received_at, manifests.c.payload
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(select(manifests).where(of_source, meets).order_by(*order))]


@dataclass(frozen=True, slots=True)
class _PartSet:
    """The parts of a window that came of those that it is said to have."""

    window: Period
    parts: int
    there: Set[int]
    """Which; all of them from 1 to `parts`."""

    @property
    def lacking(self) -> int:
        """How many are missing. That costs by what came, never by what is said to exist."""
        return self.parts - len(self.there)

    @property
    def whole(self) -> bool:
        """Whether none is missing."""
        return not self.lacking

    def missing(self) -> tuple[int, ...]:
        """The numbers of the first that are."""
        return tuple(islice((part for part in range(1, self.parts + 1) if part not in self.there), _PARTS_NAMED))


def _part_sets(rows: Iterable[ManifestRow]) -> list[_PartSet]:
    came: dict[tuple[Period, int], set[int]] = defaultdict(set)
    for row in rows:
        if row.state != _NOT_THERE:
            came[row.window, row.parts].add(row.part)
        else:
            came[row.window, row.parts]  # it is said to exist, though nothing of it is there
    return [_PartSet(window, parts, there) for (window, parts), there in came.items()]


def _merged(periods: Iterable[Period]) -> list[Period]:
    """The same time in as few periods as can be."""
    merged: list[Period] = []
    for period in sorted(periods):
        if merged and period.start <= merged[-1].end:
            merged[-1] = Period(merged[-1].start, max(merged[-1].end, period.end))
        else:
            merged.append(period)
    return merged


def _covers(merged: Sequence[Period], period: Period) -> bool:
    return any(one.start <= period.start and period.end <= one.end for one in merged)


def _row(row: Row[tuple[object, ...]]) -> ManifestRow:
    return ManifestRow(
        window=Period(row.window_start, row.window_end),
        part=row.part,
        parts=row.parts,
        payload=row.payload,
        records=row.records,
        digest=row.digest,
        state=row.state,
        received_at=row.received_at,
    )
