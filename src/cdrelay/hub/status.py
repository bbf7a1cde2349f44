"""The state of the loop as numbers, for the page, `/api/status`, the metrics and the terminal alike.

Nothing in it is personal or secret: counts, times, ids of organizations.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from cdrelay import __version__
from cdrelay.clock import Clock
from cdrelay.collector.alarms.kinds import page_of
from cdrelay.collector.alarms.store import Alarm, Alarms
from cdrelay.collector.drift import Drift, DriftTotals
from cdrelay.collector.ledger import Ledger
from cdrelay.collector.ledger_rows import LedgerHour, LedgerTotals
from cdrelay.collector.refusals import Reason, RefusalCounts
from cdrelay.contract.rules import Rules
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.control.database import Database
from cdrelay.control.incidents import Incident, Incidents
from cdrelay.hub.payload_figures import LoadedPayload, PayloadFigures, Payloads
from cdrelay.hub.sending_figures import Sending, read_sending
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.spool import Spool
from cdrelay.lake.store import Lake
from cdrelay.publisher.delivery.cuts import Cuts, TickCut
from cdrelay.publisher.delivery.deliveries import Delivery, DeliveryStatistics
from cdrelay.publisher.delivery.outbox import Outbox

_FRESH = timedelta(seconds=1)
_LATEST = 8


@dataclass(frozen=True, slots=True)
class PublisherStores:
    """Where the publisher's numbers come from."""

    lake: Lake
    spool: Spool
    quarantine: Quarantine
    cuts: Cuts
    outbox: Outbox


@dataclass(frozen=True, slots=True)
class CollectorStores:
    """Where the collector's numbers come from."""

    lake: Lake
    spool: Spool
    ledger: Ledger
    alarms: Alarms
    drift: Drift
    quarantine: Quarantine
    refused: RefusalCounts


@dataclass(frozen=True, slots=True)
class PublisherStatus:
    """The publisher half."""

    records: int
    last_load: int
    spool_waiting: int
    spool_damaged: int
    """Files of the spool that no load can read: what was acknowledged with them is in no window, count or answer."""
    quarantined: int
    """Records that are in quarantine now."""
    intake: Payloads
    windows: int
    last_cut: TickCut | None
    deliveries: DeliveryStatistics
    sending: Sending
    latest: list[Delivery]


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """The collector half."""

    records: int
    last_load: int
    spool_waiting: int
    spool_damaged: int
    """Files of the spool that no load can read."""
    loaded: Payloads
    latest: list[LoadedPayload]
    ledger: LedgerTotals
    hours: list[LedgerHour]
    """The reach of the contract hour by hour, oldest first, hours without verdict left out."""
    alarms: list[Alarm]
    """Those that stand, the oldest first."""
    drift: DriftTotals
    quarantined: int
    """Records that are in quarantine now."""
    refused: Mapping[Reason, int]
    """Deliveries that were refused since the process began, by why."""

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

    @property
    def compressed(self) -> bool:
        """Whether time runs faster than the contract says: a demonstration or a test."""
        return self.rules.tick < Rules().tick


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
        self._payloads = PayloadFigures(database)
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
            # Also when the clock was set back.
            if self._last is None or not self._last.now <= now < self._last.now + _FRESH:
                self._last = Status(
                    now, self._rules, self._read_publisher(now), self._read_collector(), self._incidents.latest(_LATEST)
                )
            return self._last

    def lakes(self) -> list[Lake]:
        """Those that the status is read from."""
        return [half.lake for half in (self._publisher, self._collector) if half is not None]

    def _read_publisher(self, now: datetime) -> PublisherStatus | None:
        if (stores := self._publisher) is None:
            return None
        return PublisherStatus(
            records=stores.lake.total(),
            last_load=stores.lake.last_load(),
            spool_waiting=len(stores.spool.waiting()),
            spool_damaged=len(stores.spool.damaged()),
            quarantined=stores.quarantine.number(),
            intake=self._payloads.totals("publisher"),
            windows=stores.outbox.windows(),
            last_cut=stores.cuts.last(),
            deliveries=stores.outbox.statistics(),
            sending=read_sending(self._database, now - self._rules.reach),
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
            spool_damaged=len(stores.spool.damaged()),
            loaded=self._payloads.totals("collector"),
            latest=self._payloads.latest("collector", _LATEST),
            ledger=stores.ledger.totals(),
            hours=sorted(stores.ledger.by_hour(hours), key=lambda hour: hour.window),
            alarms=stores.alarms.standing(),
            drift=stores.drift.totals(),
            quarantined=stores.quarantine.number(),
            refused=stores.refused.by_reason(),
        )


def as_json(status: Status) -> dict[str, Any]:
    """The answer of `/api/status`. Times are text in UTC; a half that does not run here is null."""
    rules = status.rules
    return {
        "version": __version__,
        "now": write_time(status.now),
        "contract": {name: getattr(rules, name).total_seconds() for name in ("tick", "settle", "reach", "count_span")},
        "compressed": status.compressed,
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
        "spool_damaged": publisher.spool_damaged,
        "quarantined": publisher.quarantined,
        "intake": _payloads_json(publisher.intake),
        "windows": publisher.windows,
        "last_cut": None if cut is None else {"tick": write_time(cut.tick), "cutoff": write_time(cut.cut.cutoff)},
        "deliveries": asdict(publisher.deliveries),
        "sending": {
            "recent_bytes": publisher.sending.recent_bytes,
            "oldest_pending": _time_json(publisher.sending.oldest_pending),
            "recent_failed": publisher.sending.recent_failed,
        },
    }


def _collector_json(collector: CollectorStatus) -> dict[str, Any]:
    return {
        "payloads": collector.loaded.payloads,
        "records": collector.records,
        "quarantined": collector.quarantined,
        "last_load": collector.last_load,
        "spool_waiting": collector.spool_waiting,
        "spool_damaged": collector.spool_damaged,
        "loaded": _payloads_json(collector.loaded),
        "latest": [asdict(one) | {"received_at": write_time(one.received_at)} for one in collector.latest],
        "ledger": asdict(collector.ledger),
        "drift": asdict(collector.drift),
        "refused": dict(collector.refused),
        "confirmed": collector.confirmed,
        "hours": [
            _period_json(hour.window)
            | {"expected": hour.expected, "stored": hour.stored, "states": asdict(hour.states)}
            for hour in collector.hours
        ],
        "alarms": [
            {"kind": one.kind, "subject": one.subject, "what": one.what, "page": page_of(one.kind)}
            | {"raised_at": write_time(one.raised_at), "seen_at": write_time(one.seen_at)}
            for one in collector.alarms
        ],
    }


def _payloads_json(loaded: Payloads) -> dict[str, Any]:
    return asdict(loaded) | {"last_received": _time_json(loaded.last_received)}


def _time_json(moment: datetime | None) -> str | None:
    return None if moment is None else write_time(moment)


def _period_json(period: Period) -> dict[str, Any]:
    return {"start": write_time(period.start), "end": write_time(period.end)}
