"""What must hold at the end: each record once, in its newest version, whole, and a ledger that says so."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from cdrelay.collector.ledger import Ledger
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.contract.times import read_time
from cdrelay.contract.windows import Period, floor_to
from cdrelay.settings import read_settings
from cdrelay.wiring import HalfName, open_foundation, open_store

Key = tuple[str, str]
"""Org UUID and Report ID."""
Record = dict[str, Any]
_ALWAYS = Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Held:
    """Everything one half holds at a moment."""

    records: Sequence[Record]
    """As on the wire; a record that is stored twice is there twice."""

    @property
    def by_key(self) -> Mapping[Key, Record]:
        """Each record once."""
        return {key_of(record): record for record in self.records}


@dataclass(slots=True)
class Violations:
    """What does not hold: keys of records, and sentences about the ledger."""

    lost: list[Key] = field(default_factory=list)
    twice: list[Key] = field(default_factory=list)
    outdated: list[Key] = field(default_factory=list)
    different: list[Key] = field(default_factory=list)
    """The right version with other fields."""
    unknown: list[Key] = field(default_factory=list)
    """Nobody gave these."""
    ledger: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.lost, self.twice, self.outdated, self.different, self.unknown, self.ledger))


def key_of(record: Record) -> Key:
    """The identity of a record."""
    return record["Org UUID"], record["Report ID"]


def read_held(home: Path, half: HalfName) -> Held:
    """All records in the lake of one half, loaded from its spool first. No other process may be loading it."""
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home)}))
    try:
        store = open_store(foundation, half)
        store.loader.drain()
        organizations = sorted(store.lake.count_by_organization(_ALWAYS))
        found = [line for one in organizations for line in store.lake.read_organization(one, _ALWAYS)]
    finally:
        foundation.close()
    return Held([msgspec.json.decode(line) for line in found])


def read_ledger(home: Path) -> list[LedgerRow]:
    """All that the ledger says."""
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home)}))
    try:
        return Ledger(foundation.database).rows(most=1_000_000)
    finally:
        foundation.close()


def check_records(given: Held, stored: Held, acknowledged: Mapping[Key, str]) -> Violations:
    """Compare what the publisher holds, and what the collector acknowledged, with what the collector holds."""
    found, there, truth = Violations(), stored.by_key, given.by_key
    times = Counter(key_of(record) for record in stored.records)
    found.twice = sorted(key for key, number in times.items() if number > 1)
    for key, record in truth.items():
        if key not in there:
            found.lost.append(key)
        elif there[key]["Report time"] < record["Report time"]:
            found.outdated.append(key)
        elif there[key] != record:
            found.different.append(key)
    for key, report_time in acknowledged.items():
        if key in truth:
            continue
        if key not in there:
            found.lost.append(key)
        elif there[key]["Report time"] < report_time:
            found.outdated.append(key)
    found.unknown = sorted(there.keys() - truth.keys() - acknowledged.keys())
    return found


def check_ledger(rows: Iterable[LedgerRow], given: Held, hour: timedelta) -> list[str]:
    """A sentence for each organization and hour of which the ledger does not say that all is there, and how much."""
    expected: dict[tuple[str, datetime], int] = defaultdict(int)
    for record in given.records:
        expected[record["Org UUID"], floor_to(read_time(record["Report time"]), hour)] += 1
    said = {(row.org_uuid, row.window.start): row for row in rows}
    problems = []
    for (org, start), number in sorted(expected.items()):
        row = said.pop((org, start), None)
        where = f"organization {org}, hour from {start:%H:%M:%S.%f}"
        if row is None:
            problems.append(f"{where}: the ledger has no row; the publisher has {number} records")
        elif row.state not in ("matched", "repaired") or not row.expected == row.stored == number:
            problems.append(
                f"{where}: {row.state}, expected {row.expected}, stored {row.stored};"
                f" the publisher has {number} records ({row.reason or 'no reason given'})"
            )
    for (org, start), row in sorted(said.items()):
        if row.stored != row.expected or row.state not in ("matched", "repaired", "open"):
            problems.append(
                f"organization {org}, hour from {start:%H:%M:%S.%f}: {row.state}, and the publisher has none"
            )
    return problems
