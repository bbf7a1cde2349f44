"""The status as Prometheus metrics. Labels are states and halves, never organizations or people."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cdrelay.collector.alarms.kinds import KINDS
from cdrelay.hub.status import CollectorStatus, PublisherStatus, Status


class _StatusMetrics(Collector):
    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        if self._status.publisher is not None:
            yield from _publisher_metrics(self._status.publisher, self._status)
        if self._status.collector is not None:
            yield from _collector_metrics(self._status.collector)


def metrics_text(status: Status) -> bytes:
    """The exposition text of one status."""
    registry = CollectorRegistry()
    registry.register(_StatusMetrics(status))
    return generate_latest(registry)


def _publisher_metrics(publisher: PublisherStatus, status: Status) -> Iterator[Metric]:
    yield GaugeMetricFamily("cdrelay_publisher_records", "Records in the publisher's lake.", publisher.records)
    yield CounterMetricFamily("cdrelay_publisher_windows", "Windows cut.", publisher.windows)
    yield GaugeMetricFamily(
        "cdrelay_publisher_spool_waiting", "Intake payloads not loaded yet.", publisher.spool_waiting
    )
    yield GaugeMetricFamily(
        "cdrelay_publisher_spool_damaged", "Intake payloads that no load can read.", publisher.spool_damaged
    )
    yield GaugeMetricFamily(
        "cdrelay_publisher_quarantine_records", "Records that are in quarantine now.", publisher.quarantined
    )
    deliveries = GaugeMetricFamily("cdrelay_deliveries", "Deliveries by state.", labels=["state"])
    for state in ("delivered", "pending", "failed"):
        deliveries.add_metric([state], getattr(publisher.deliveries, state))
    yield deliveries
    if publisher.last_cut is not None:
        behind = (status.now - publisher.last_cut.tick).total_seconds()
        yield GaugeMetricFamily(
            "cdrelay_publisher_tick_age_seconds", "Seconds since the last tick that was cut.", behind
        )
        yield GaugeMetricFamily(
            "cdrelay_publisher_last_tick_timestamp_seconds",
            "When the last tick was cut, in seconds since 1970.",
            publisher.last_cut.tick.timestamp(),
        )
    oldest = publisher.sending.oldest_pending
    yield GaugeMetricFamily(
        "cdrelay_deliveries_oldest_pending_seconds",
        "Seconds since the tick of the delivery that has waited longest; 0 when none waits.",
        0.0 if oldest is None else (status.now - oldest).total_seconds(),
    )


def _collector_metrics(collector: CollectorStatus) -> Iterator[Metric]:
    loaded = collector.loaded
    yield GaugeMetricFamily("cdrelay_collector_records", "Records in the collector's lake.", collector.records)
    yield CounterMetricFamily("cdrelay_collector_payloads", "Payloads loaded.", loaded.payloads)
    yield CounterMetricFamily("cdrelay_collector_records_received", "Records in loaded payloads.", loaded.received)
    yield CounterMetricFamily(
        "cdrelay_collector_records_repeated", "Records that were stored already.", loaded.repeated
    )
    yield CounterMetricFamily(
        "cdrelay_collector_records_quarantined",
        "Records that loads put into quarantine, also those loaded again or dropped since.",
        loaded.put_aside,
    )
    yield GaugeMetricFamily(
        "cdrelay_collector_quarantine_records", "Records that are in quarantine now.", collector.quarantined
    )
    yield GaugeMetricFamily("cdrelay_collector_spool_waiting", "Payloads not loaded yet.", collector.spool_waiting)
    yield GaugeMetricFamily(
        "cdrelay_collector_spool_damaged", "Payloads that no load can read.", collector.spool_damaged
    )
    refused = CounterMetricFamily(
        "cdrelay_collector_deliveries_refused",
        "Deliveries that the collector refused since the process began, by why.",
        labels=["reason"],
    )
    for reason, number in collector.refused.items():
        refused.add_metric([reason], number)
    yield refused
    ledger = GaugeMetricFamily("cdrelay_ledger_windows", "Windows of organizations by state.", labels=["state"])
    for state in ("open", "matched", "short", "repaired", "surplus", "lost"):
        ledger.add_metric([state], getattr(collector.ledger, state))
    yield ledger
    drift = GaugeMetricFamily(
        "cdrelay_drift", "How records differ from the documents: different ones, by kind.", labels=["kind"]
    )
    for kind in ("keys", "values", "misfits"):
        drift.add_metric([kind], getattr(collector.drift, kind))
    yield drift
    alarms = GaugeMetricFamily("cdrelay_alarms", "Alarms that stand, by kind.", labels=["kind"])
    for kind in KINDS:
        alarms.add_metric([kind], sum(alarm.kind == kind for alarm in collector.alarms))
    yield alarms
