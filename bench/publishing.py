"""A publisher with partners and records, of which a window is due: what benchmarks of the sending side start from."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from bench.measure import document, envelope, synthetic
from cdrelay.clock import ManualClock
from cdrelay.contract.windows import EPOCH, floor_to
from cdrelay.publisher.parties import ResourceType
from cdrelay.settings import read_settings
from cdrelay.wiring import Foundation, PublisherParts, open_foundation, open_publisher


def organization(number: int) -> str:
    """The id of a customer; that of the same number is the same each time."""
    return str(uuid5(NAMESPACE_OID, f"organization {number}"))


def open_filled(
    home: Path, records: int, partners: int, url: str, resource_type: ResourceType = "analytics"
) -> tuple[Foundation, PublisherParts]:
    """So many partners, each with a customer of its own, and records of these in the window that the next tick owes."""
    settings = read_settings({}, home=home, allow_callbacks_to_private_addresses=True, send_empty_windows=False)
    tick = floor_to(datetime.now(UTC), settings.rules.tick)
    clock = ManualClock(tick - timedelta(minutes=1))
    foundation = open_foundation(settings, clock)
    parts = open_publisher(foundation)
    for number in range(partners):
        partner = parts.directory.add_partner(f"partner {number}")
        parts.directory.add_organization(organization(number), partner_id=partner.id, starts_at=EPOCH)
        secret = "a secret of the partner's"  # noqa: S105  # signs nothing but what is made here
        parts.webhooks.set(partner.id, url, secret=secret, resource_type=resource_type)
    made = _made(records, partners, tick - timedelta(minutes=10), tick - timedelta(minutes=5))
    for first in range(0, records, 5_000):
        parts.store.spool.put(envelope("intake"), document(made[first : first + 5_000]))
    parts.store.loader.drain()
    clock.advance(timedelta(minutes=1))
    return foundation, parts


def _made(records: int, organizations: int, start: datetime, end: datetime) -> Sequence[bytes]:
    """Synthetic records, as many of each organization."""
    mark = b'"Org UUID":"'
    found = []
    for number, record in enumerate(synthetic(records, start, end)):
        before, _, after = record.partition(mark)
        assert after, "a record names its organization"
        found.append(before + mark + organization(number % organizations).encode() + after[36:])
    return found
