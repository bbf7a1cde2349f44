"""The state of the loop as numbers, for the page, `/api/status`, the metrics and the terminal alike.

Nothing in it is personal or secret: counts, times, ids of organizations.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import func, select

from cdrelay import __version__
from cdrelay.clock import Clock
from cdrelay.collector.ledger import Ledger, LedgerHour, LedgerTotals
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.incidents import Incident, Incidents
from cdrelay.control.tables import payloads
from cdrelay.lake.spool import Spool
from cdrelay.lake.store import Lake
from cdrelay.publisher.cuts import Cuts, TickCut
from cdrelay.publisher.deliveries import Delivery, DeliveryStatistics
from cdrelay.publisher.outbox import Outbox

_FRESH = timedelta(seconds=1)
_LATEST = 8


@dataclass(frozen=True, slots=True)
class PublisherStores:
    """Where the publisher's numbers come from."""

    lake: Lake
    spool: Spool
    cuts: Cuts
    outbox: Outbox


@dataclass(frozen=True, slots=True)
class CollectorStores:
    """Where the collector's numbers come from."""

    lake: Lake
    spool: Spool
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class Payloads:
    """What became of the payloads that were loaded."""

    payloads: int
    received: int
    """Records in them, repeated and refused ones too."""
    repeated: int
    corrected: int
    quarantined: int
    last_received: datetime | None


@dataclass(frozen=True, slots=True)
class PublisherStatus:
    """The publisher half."""

    records: int
    last_load: int
    spool_waiting: int
    intake: Payloads
    windows: int
    last_cut: TickCut | None
    deliveries: DeliveryStatistics
    latest: list[Delivery]


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """The collector half."""

    records: int
    last_load: int
    spool_waiting: int
    loaded: Payloads
    ledger: LedgerTotals
    hours: list[LedgerHour]
    """The reach of the contract hour by hour, oldest first, hours without verdict left out."""

    @property
    def confirmed(self) -> int:
        """Records that the provider counts in the hours where nothing is missing, the present one included."""
        return sum(hour.expected for hour in self.hours if hour.stored >= hour.expected)


@dataclass(frozen=True, slots=True)
class Status:
    """All of it at one moment. A half that does not run in this process is None."""

    now: datetime
    rules: Rules
    publisher: PublisherStatus | None
    collector: CollectorStatus | None
    incidents: list[Incident]


class StatusSource:
    """Reads the status; at most once a second, however many look. Blocking, may be used from any thread."""

    def __init__(
        self,
        database: Database,
        incidents: Incidents,
        clock: Clock,
        rules: Rules,
        publisher: PublisherStores | None,
        collector: CollectorStores | None,
    ) -> None:
        self._database = database
        self._incidents = incidents
        self._clock = clock
        self._rules = rules
        self._publisher = publisher
        self._collector = collector
        self._lock = Lock()
        self._last: Status | None = None

    def read(self) -> Status:
        """The status, at most a second old. Raises DatabaseUnavailable."""
        with self._lock:
            now = self._clock.now()
            if self._last is None or now - self._last.now >= _FRESH:
                self._last = Status(
                    now, self._rules, self._read_publisher(), self._read_collector(), self._incidents.latest(_LATEST)
                )
            return self._last

    def _read_publisher(self) -> PublisherStatus | None:
        if (stores := self._publisher) is None:
            return None
        return PublisherStatus(
            records=stores.lake.total(),
            last_load=stores.lake.last_load(),
            spool_waiting=len(stores.spool.waiting()),
            intake=self._payloads("publisher"),
            windows=stores.outbox.windows(),
            last_cut=stores.cuts.last(),
            deliveries=stores.outbox.statistics(),
            latest=stores.outbox.latest(_LATEST),
        )

    def _read_collector(self) -> CollectorStatus | None:
        if (stores := self._collector) is None:
            return None
        hours = round(self._rules.reach / self._rules.count_span) + 1
        return CollectorStatus(
            records=stores.lake.total(),
            last_load=stores.lake.last_load(),
            spool_waiting=len(stores.spool.waiting()),
            loaded=self._payloads("collector"),
            ledger=stores.ledger.totals(),
            hours=sorted(stores.ledger.by_hour(hours), key=lambda hour: hour.window),
        )

    def _payloads(self, half: str) -> Payloads:
        sums = [
            func.coalesce(func.sum(payloads.c[name]), 0) for name in ("records", "repeated", "corrected", "quarantined")
        ]
        question = select(func.count(), *sums, func.max(payloads.c.received_at)).where(payloads.c.half == half)
        with self._database.read() as connection:
            return Payloads(*connection.execute(question).one())


def as_json(status: Status) -> dict[str, Any]:
    """The answer of `/api/status`. Times are text in UTC; a half that does not run here is null."""
    rules = status.rules
    return {
        "version": __version__,
        "now": write_time(status.now),
        "contract": {name: getattr(rules, name).total_seconds() for name in ("tick", "settle", "reach", "count_span")},
        "publisher": None if status.publisher is None else _publisher_json(status.publisher),
        "collector": None if status.collector is None else _collector_json(status.collector),
        "incidents": [{"at": write_time(one.at), "part": one.part, "what": one.what} for one in status.incidents],
    }


def _publisher_json(publisher: PublisherStatus) -> dict[str, Any]:
    cut = publisher.last_cut
    return {
        "records": publisher.records,
        "last_load": publisher.last_load,
        "spool_waiting": publisher.spool_waiting,
        "intake": _payloads_json(publisher.intake),
        "windows": publisher.windows,
        "last_cut": None if cut is None else {"tick": write_time(cut.tick), "cutoff": write_time(cut.cut.cutoff)},
        "deliveries": asdict(publisher.deliveries),
    }


def _collector_json(collector: CollectorStatus) -> dict[str, Any]:
    return {
        "payloads": collector.loaded.payloads,
        "records": collector.records,
        "quarantined": collector.loaded.quarantined,
        "last_load": collector.last_load,
        "spool_waiting": collector.spool_waiting,
        "loaded": _payloads_json(collector.loaded),
        "ledger": asdict(collector.ledger),
        "confirmed": collector.confirmed,
        "hours": [
            _period_json(hour.window)
            | {"expected": hour.expected, "stored": hour.stored, "states": asdict(hour.states)}
            for hour in collector.hours
        ],
    }


def _payloads_json(loaded: Payloads) -> dict[str, Any]:
    last = loaded.last_received
    return asdict(loaded) | {"last_received": None if last is None else write_time(last)}


def _period_json(period: Period) -> dict[str, Any]:
    return {"start": write_time(period.start), "end": write_time(period.end)}
