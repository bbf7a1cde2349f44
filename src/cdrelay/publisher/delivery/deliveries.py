"""Deliveries as values: one is one POST, a part of a partner's window."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from cdrelay.contract.manifest import Manifest
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period

State = Literal["pending", "delivered", "failed"]

# Any fixed UUID would do; this one was drawn at random for deliveries.
_NAMESPACE = UUID("5c64b3a0-0b1c-4c62-9c8a-7d0c6a1f6f0e")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST: what it holds and how far it has come. Its body lies in the outbox under `id`."""

    id: str
    partner_id: str
    tick: datetime
    window: Period
    part: int
    """From 1."""
    parts: int
    records: int
    body_bytes: int
    """Before compression: as it is sent."""
    digest: str = ""
    """Of its Report IDs, as in the manifest."""
    round: int = 0
    """0; 1 and up when the window is sent again."""
    state: State = "pending"
    attempts: int = 0
    next_attempt_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def manifest(self) -> Manifest:
        """What it says of itself in headers."""
        return Manifest(self.window, self.part, self.parts, self.records, self.digest)


@dataclass(frozen=True, slots=True)
class Due:
    """A partner's oldest due delivery, and whether the partner is in trouble: whether what is pending failed before."""

    delivery: Delivery
    troubled: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a delivery."""

    number: int
    started_at: datetime
    milliseconds: int
    status: int | None
    outcome: str
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryStatistics:
    """Deliveries by state."""

    delivered: int = 0
    pending: int = 0
    failed: int = 0


def delivery_id(partner_id: str, tick: datetime, part: int, round_: int = 0) -> str:
    """The id of a part, the same whenever it is asked: a spreading that is repeated writes over its own traces."""
    again = f" {round_}" if round_ else ""
    return str(uuid5(_NAMESPACE, f"{partner_id} {write_time(tick)} {part}{again}"))
