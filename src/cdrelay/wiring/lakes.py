"""What works on a lake beside the loader: promoting keys, tracing records."""

from cdrelay.collector.trace import Tracing
from cdrelay.lake.promote import Promoter
from cdrelay.wiring.foundation import Foundation, HalfName, Store, open_store


def open_promoter(foundation: Foundation, half: HalfName) -> Promoter:
    """What gives keys of one half's lake a column."""
    store = open_store(foundation, half)
    return Promoter(store.table, store.engine, store.loader.exclusively)


def open_tracing(foundation: Foundation, half: HalfName, store: Store | None = None) -> Tracing:
    """What traces records of one half; `store` is its store, where that is open already."""
    store = store or open_store(foundation, half)
    return Tracing(
        half,
        foundation.database,
        store.lake,
        store.spool,
        store.quarantine,
        unpacked_limit=foundation.settings.unpacked_limit_bytes,
    )
