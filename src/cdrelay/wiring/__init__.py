"""Where real things are put together: the only place that knows all parts. What it opens it closes, last first."""

from cdrelay.wiring.access import open_administrators, open_oauth
from cdrelay.wiring.assembly import Running, assemble
from cdrelay.wiring.collector import CollectorParts, open_collector, open_puller, open_token_exchange
from cdrelay.wiring.delivering import callback_limits, delivery_workers, open_sender, retry_policy
from cdrelay.wiring.foundation import (
    Foundation,
    HalfName,
    Role,
    claim_roles,
    client_limits,
    open_foundation,
    open_store,
)
from cdrelay.wiring.lakes import open_promoter, open_tracing
from cdrelay.wiring.publisher import PublisherParts, intake_limits, open_publisher, source_readers

__all__ = [
    "CollectorParts",
    "Foundation",
    "HalfName",
    "PublisherParts",
    "Role",
    "Running",
    "assemble",
    "callback_limits",
    "claim_roles",
    "client_limits",
    "delivery_workers",
    "intake_limits",
    "open_administrators",
    "open_collector",
    "open_foundation",
    "open_oauth",
    "open_promoter",
    "open_publisher",
    "open_puller",
    "open_sender",
    "open_store",
    "open_token_exchange",
    "open_tracing",
    "retry_policy",
    "source_readers",
]
