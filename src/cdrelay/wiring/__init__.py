"""Where real things are put together: the only place that knows all parts. What it opens it closes, last first.

What is named here is imported when it is asked for: a command that lists partners needs no HTTP server.
"""

from typing import TYPE_CHECKING, Any

from cdrelay.late_import import imported

if TYPE_CHECKING:
    from cdrelay.wiring.access import open_administrators as open_administrators
    from cdrelay.wiring.access import open_oauth as open_oauth
    from cdrelay.wiring.assembly import Running as Running
    from cdrelay.wiring.assembly import assemble as assemble
    from cdrelay.wiring.collector import CollectorParts as CollectorParts
    from cdrelay.wiring.collector import open_collector as open_collector
    from cdrelay.wiring.collector import open_puller as open_puller
    from cdrelay.wiring.collector import open_token_exchange as open_token_exchange
    from cdrelay.wiring.delivering import callback_limits as callback_limits
    from cdrelay.wiring.delivering import delivery_workers as delivery_workers
    from cdrelay.wiring.delivering import open_sender as open_sender
    from cdrelay.wiring.delivering import retry_policy as retry_policy
    from cdrelay.wiring.foundation import Foundation as Foundation
    from cdrelay.wiring.foundation import HalfName as HalfName
    from cdrelay.wiring.foundation import Role as Role
    from cdrelay.wiring.foundation import claim_roles as claim_roles
    from cdrelay.wiring.foundation import client_limits as client_limits
    from cdrelay.wiring.foundation import open_foundation as open_foundation
    from cdrelay.wiring.foundation import open_store as open_store
    from cdrelay.wiring.lakes import open_promoter as open_promoter
    from cdrelay.wiring.lakes import open_tracing as open_tracing
    from cdrelay.wiring.publisher import PublisherParts as PublisherParts
    from cdrelay.wiring.publisher import intake_limits as intake_limits
    from cdrelay.wiring.publisher import open_publisher as open_publisher
    from cdrelay.wiring.publisher import source_readers as source_readers

_NAMES = {
    "access": ("open_administrators", "open_oauth"),
    "assembly": ("Running", "assemble"),
    "collector": ("CollectorParts", "open_collector", "open_puller", "open_token_exchange"),
    "delivering": ("callback_limits", "delivery_workers", "open_sender", "retry_policy"),
    "foundation": ("Foundation", "HalfName", "Role", "claim_roles", "client_limits", "open_foundation", "open_store"),
    "lakes": ("open_promoter", "open_tracing"),
    "publisher": ("PublisherParts", "intake_limits", "open_publisher", "source_readers"),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(imported(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = found  # asked for once
    return found
