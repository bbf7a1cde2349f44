"""Synthetic calls by the second, the same for the same plan whatever was asked before.

Each second draws its calls from a generator of its own, seeded by the plan's seed and the second. So a span is the
row of its seconds and nothing is remembered between questions. Copies handed over later than their call's end are
found by making the few seconds again whose copies fall due (see `faults`): on average one second more for each of
late, duplicate and corrected that is on, and one for each of the last two when all come late.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush, merge
from operator import itemgetter
from random import Random

from cdrelay.traffic.calls import pstn_outbound
from cdrelay.traffic.faults import (
    DelayTable,
    Faults,
    HandOver,
    can_be_corrected,
    corrected,
    damaged,
    fates,
    hand_overs,
)
from cdrelay.traffic.lines import Switchboard
from cdrelay.traffic.mix import MAKERS, MEAN_RECORDS, MOST_RECORDS
from cdrelay.traffic.organizations import Organization, build_organizations
from cdrelay.traffic.shape import draw_count, factor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NO_FAULTS = Faults()

_Due = tuple[int, bytes]
"""When to hand over, in milliseconds since 1970, and what."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What traffic to make. Raises ValueError for what cannot be."""

    seed: int = 1
    organizations: int = 20
    records_per_second: float = 20.0
    """On average, in the busiest hour of a working day."""
    shaped: bool = True
    """Whether nights and weekends are quieter; False is the same rate always."""
    faults: Faults = _NO_FAULTS
    time_scale: float = 1.0
    """How much faster contract time passes: the minutes of faults are divided by it, nothing else changes."""

    def __post_init__(self) -> None:
        if self.organizations < 1:
            raise ValueError("traffic needs at least one organization")
        if self.records_per_second < 0:
            raise ValueError("a rate of records is not negative")
        if self.time_scale <= 0:
            raise ValueError("a time scale is positive")


class Traffic:
    """The calls of a plan. Asking changes nothing; two of the same plan answer alike."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._organizations = build_organizations(plan.seed, plan.organizations)
        # One entry a user: drawing evenly gives large organizations their share of the calls.
        self._callers = [at for at, each in enumerate(self._organizations) for _ in each.users]
        self._switchboards: dict[int, Switchboard] = {}
        self._calls_per_second = plan.records_per_second / MEAN_RECORDS
        self._delays = DelayTable(plan.seed, plan.time_scale)
        self._hand_overs = [(reason, self._delays.possible(reason)) for reason in hand_overs(plan.faults)]

    @property
    def organizations(self) -> tuple[Organization, ...]:
        """The customers whose calls these are."""
        return self._organizations

    def between(self, start: datetime, end: datetime) -> Iterator[bytes]:
        """The records handed over in [start, end), one JSON object each without a newline, in that order.

        A record is handed over at its Report time, late ones and second copies when they are due. The same span gives
        the same bytes always, and spans that follow each other give what one span over both does, wherever they meet.
        Raises ValueError for times without a zone.
        """
        first, last = _milliseconds(start), _milliseconds(end)
        due_in = self._due_with_faults if self._plan.faults.any else self._due
        seconds = range(first // 1000, -(-last // 1000))
        return (record for second in seconds for due, record in due_in(second) if first <= due < last)

    def records(self, count: int, start: datetime, end: datetime) -> Iterator[bytes]:
        """Exactly `count` records of whole calls, spread evenly over [start, end) in order of handing over.

        Report IDs are distinct but for the copies that the plan's faults ask for; copies are counted. What is due
        later than `end` comes last. The daily shape plays no part. The same arguments give the same bytes; other ones,
        other calls. Raises ValueError for times without a zone.
        """
        first, last = _milliseconds(start), _milliseconds(end)
        rng = Random(f"{self._plan.seed}/records/{count}/{first}/{last}")
        evenly = self._evenly(count, first, max(0, last - first), rng)
        if not self._plan.faults.any:
            return (record for _, record in evenly)
        return self._evenly_with_faults(count, evenly, Random(f"{self._plan.seed}/faults/{count}/{first}/{last}"))

    def _call(self, end: int, rng: Random) -> list[bytes]:
        return MAKERS[int(rng.random() * len(MAKERS))](self._switchboard(rng), end, rng)

    def _switchboard(self, rng: Random) -> Switchboard:
        at = self._callers[int(rng.random() * len(self._callers))]
        board = self._switchboards.get(at)
        if board is None:
            board = self._switchboards[at] = Switchboard(self._organizations[at])
        return board

    def _due(self, second: int) -> Iterator[_Due]:
        """The records of the calls that ended in that second, in order."""
        rng = Random(f"{self._plan.seed}/calls/{second}")
        calls = draw_count(rng, self._calls_per_second * (factor(second) if self._plan.shaped else 1.0))
        for end in sorted([second * 1000 + int(rng.random() * 1000) for _ in range(calls)]):
            for record in self._call(end, rng):
                yield end, record

    def _due_with_faults(self, second: int) -> Iterator[_Due]:
        """What is handed over in that second, for whichever reason, in order."""
        origins = (
            (second - delay, reason)
            for reason, possible in self._hand_overs
            for delay in possible
            if reason.delay(self._delays.at(second - delay)) == delay
        )
        return merge(*(self._copies(origin, reason) for origin, reason in origins), key=itemgetter(0))

    def _copies(self, origin: int, reason: HandOver) -> Iterator[_Due]:
        """The copies of the records that ended in second `origin` which are handed over for one reason."""
        delay = 1000 * reason.delay(self._delays.at(origin))
        fate_of = fates(self._plan.faults, Random(f"{self._plan.seed}/faults/{origin}"))
        for (ended, record), fate in zip(self._due(origin), fate_of, strict=False):
            if reason.applies(fate):
                if not reason.is_correction:
                    yield ended + delay, damaged(record, fate)
                elif can_be_corrected(record):
                    yield ended + delay, damaged(corrected(record, fate, ended + delay), fate)

    def _evenly(self, count: int, first: int, span: int, rng: Random) -> Iterator[_Due]:
        made = 0
        while made < count:
            end = first + span * made // count
            # The last few are calls of one record each, so that the count is met without cutting a call.
            whole = count - made >= MOST_RECORDS
            records = self._call(end, rng) if whole else pstn_outbound(self._switchboard(rng), end, rng)
            made += len(records)
            for record in records:
                yield end, record

    def _evenly_with_faults(self, count: int, evenly: Iterator[_Due], rng: Random) -> Iterator[bytes]:
        """The same with each record's copies put where they are due; waiting ones are kept in memory."""
        waiting: list[tuple[int, int, bytes]] = []
        promised = 0
        for (ended, record), fate in zip(evenly, fates(self._plan.faults, rng), strict=False):
            delays = self._delays.at(ended // 1000)
            for reason, _ in self._hand_overs:
                if promised < count and reason.applies(fate):
                    due = ended + 1000 * reason.delay(delays)
                    if reason.is_correction and not can_be_corrected(record):
                        continue
                    version = corrected(record, fate, due) if reason.is_correction else record
                    heappush(waiting, (due, promised, damaged(version, fate)))
                    promised += 1
            while waiting and waiting[0][0] <= ended:
                yield heappop(waiting)[2]
            if promised == count:
                break
        while waiting:
            yield heappop(waiting)[2]


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError("traffic needs times with a zone")
    return (moment - _EPOCH) // _MILLISECOND
