"""How webhooks are received: limits and the moment of the answer as set, and what is kept of it for a time."""

from fastapi import APIRouter

from cdrelay.collector.admission import Pace, ReceivingLimits
from cdrelay.collector.aside import Aside
from cdrelay.collector.commitments import Commitments
from cdrelay.collector.receiving import Receiver
from cdrelay.collector.refusals import RefusalCounts
from cdrelay.collector.routes import AfterCommit, webhook_router
from cdrelay.collector.sources import Sources
from cdrelay.settings import Settings
from cdrelay.wiring.foundation import Foundation, Store


def open_aside(foundation: Foundation) -> Aside:
    """Where the collector keeps bodies that are no JSON."""
    return Aside(foundation.settings.home / "collector" / "aside", reserve_bytes=foundation.settings.disk_reserve_bytes)


def open_webhooks(foundation: Foundation, sources: Sources, store: Store, refused: RefusalCounts) -> APIRouter:
    """The route that takes deliveries; what a crash left half written aside is removed. Refusals are `refused`."""
    settings, aside = foundation.settings, open_aside(foundation)
    aside.sweep()
    limits, clock = receiving_limits(settings), foundation.clock
    receiver = Receiver(sources, store.spool, aside, foundation.incidents, clock, limits, refused=refused)
    committed = settings.answer_when == "committed"
    after_commit = AfterCommit(Commitments(foundation.database), settings.answer_seconds) if committed else None
    return webhook_router(receiver, after_commit)


def receiving_limits(settings: Settings) -> ReceivingLimits:
    """What a webhook may cost, as set."""
    return ReceivingLimits(
        body_bytes=settings.body_limit_bytes,
        unpacked_bytes=settings.unpacked_limit_bytes,
        bodies_at_once=settings.bodies_at_once,
        rate=settings.webhook_rate,
        pace=Pace(settings.body_idle_seconds, settings.body_slowest_bytes_per_second),
    )
