"""How often each kind of call is made."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from cdrelay.traffic import calls, moved_calls, service_calls
from cdrelay.traffic.lines import Switchboard

Maker = Callable[[Switchboard, int, Random], list[bytes]]
"""Switchboard, moment of the call's end in milliseconds since 1970, and chance, to the records of the call."""


@dataclass(frozen=True, slots=True)
class KindOfCall:
    """One kind, its share and its size."""

    name: str
    permille: int
    """Share of all calls."""
    mean_records: float
    """Records a call makes on average; exact, so that a rate of records becomes a rate of calls."""
    make: Maker


# A pair for the way in and a pair for each of one to MOST_RINGING agents.
_TEAM_RECORDS = 2 + (1 + service_calls.MOST_RINGING)

KINDS: tuple[KindOfCall, ...] = (
    KindOfCall("internal", 240, 2, calls.internal),
    KindOfCall("pstn_inbound", 216, 1, calls.pstn_inbound),
    KindOfCall("pstn_outbound", 240, 1, calls.pstn_outbound),
    KindOfCall("international", 25, 1, calls.international),
    KindOfCall("emergency", 2, 1, calls.emergency),
    KindOfCall("unanswered", 100, 1.5, calls.unanswered),
    KindOfCall("busy", 30, 2, calls.busy),
    KindOfCall("recorded", 25, 1, calls.recorded),
    KindOfCall("hunt_group", 27, _TEAM_RECORDS, service_calls.hunt_group),
    KindOfCall("call_queue", 30, _TEAM_RECORDS, service_calls.call_queue),
    KindOfCall("auto_attendant", 25, 4, service_calls.auto_attendant),
    KindOfCall("forwarded", 15, 4, moved_calls.forwarded),
    # Six in ten of those transferred come from outside, and so lack the caller's record.
    KindOfCall("blind_transfer", 15, 3.4, moved_calls.blind_transfer),
    KindOfCall("consultative_transfer", 10, 3.4, moved_calls.consultative_transfer),
)

MEAN_RECORDS = sum(kind.permille * kind.mean_records for kind in KINDS) / 1000
"""Records a call makes on average over all kinds."""
MAKERS: tuple[Maker, ...] = tuple(kind.make for kind in KINDS for _ in range(kind.permille))
"""Each maker as often as its permille: drawing evenly from these draws by share."""
MOST_RECORDS = 2 + 2 * service_calls.MOST_RINGING
"""Records of the largest call."""
