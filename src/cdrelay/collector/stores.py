"""Where reconciling reads and writes on our side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cdrelay.collector.agenda import Agenda
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.quarantine_counts import Lacked
from cdrelay.contract.windows import Period
from cdrelay.lake.spool import Spool


class CountingLake(Protocol):
    """What is stored."""

    def count_by_organization(self, period: Period, source: str | None = None) -> Mapping[str, int]:
        """Records of each organization that has any, by Report time; with a source, those that it brought."""
        ...

    def report_ids(self, org_uuid: str, period: Period) -> set[str]:
        """The Report IDs of one organization's records, by Report time."""
        ...


class DrainingLoader(Protocol):
    """Brings what waits in the spool into the lake."""

    def drain(self) -> object:
        """Load all that waits; harmless to repeat."""
        ...


class QuarantineCounts(Protocol):
    """What cannot be stored."""

    def count(self, window: Period) -> Mapping[str, int]:
        """Records in quarantine of each organization that has any, by Report time."""
        ...

    def vain(
        self, missing: Mapping[str, int], window: Period, now: datetime, before: Mapping[str, Lacked]
    ) -> frozenset[str]:
        """Of organizations that lack so many records of a window, those for which fetching again brings the same."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where a run reads and writes on our side."""

    ledger: Ledger
    agenda: Agenda
    manifests: Manifests
    lake: CountingLake
    loader: DrainingLoader
    spool: Spool
    quarantine: QuarantineCounts
    new_id: Callable[[], str]
