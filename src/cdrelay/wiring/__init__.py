"""Where real things are put together: the only place that knows all parts. What it opens it closes, last first."""

from cdrelay.wiring.access import open_administrators, open_oauth
from cdrelay.wiring.assembly import Running, assemble
from cdrelay.wiring.collector import CollectorParts, collector_workers, open_collector
from cdrelay.wiring.delivering import callback_limits, delivery_workers, retry_policy
from cdrelay.wiring.foundation import (
    Foundation,
    HalfName,
    Role,
    RoleTaken,
    Store,
    claim_roles,
    client_limits,
    load_limits,
    open_foundation,
    open_store,
)
from cdrelay.wiring.publisher import PublisherParts, intake_limits, open_publisher, publisher_workers, source_readers

__all__ = [
    "CollectorParts",
    "Foundation",
    "HalfName",
    "PublisherParts",
    "Role",
    "RoleTaken",
    "Running",
    "Store",
    "assemble",
    "callback_limits",
    "claim_roles",
    "client_limits",
    "collector_workers",
    "delivery_workers",
    "intake_limits",
    "load_limits",
    "open_administrators",
    "open_collector",
    "open_foundation",
    "open_oauth",
    "open_publisher",
    "open_store",
    "publisher_workers",
    "retry_policy",
    "source_readers",
]
