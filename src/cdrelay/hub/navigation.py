"""The pages of a collector, for whoever comes by."""

from collections.abc import Mapping

from cdrelay.hub.collecting.addresses import ALARMS_PATH, QUARANTINE_PATH, SOURCES_PATH
from cdrelay.hub.ledger.addresses import DRIFT_PATH, PATH, TRACE_PATH

COLLECTOR: Mapping[str, str] = {
    "/": "The loop",
    ALARMS_PATH: "Alarms",
    SOURCES_PATH: "Sources",
    QUARANTINE_PATH: "Quarantine",
    PATH: "Ledger",
    TRACE_PATH: "Trace",
    DRIFT_PATH: "Drift",
}
"""What each is called, by its address, in their order."""
