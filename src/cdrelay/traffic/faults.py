"""What can go wrong with records on their way: late, twice, corrected, with an unknown key, broken.

When a copy of a record is handed over later than the call's end, the delay depends only on the second the call ended
in, and there are few different delays. So whoever wants the copies due in some second need not make all the seconds
before it: it asks, for each delay, whether that was the delay so many seconds ago, and makes only those seconds again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import product
from math import ceil
from random import Random

from cdrelay.traffic.wire import stamp

_LATE_BOUNDS = (600, 7200)
_DUPLICATE_AFTER = (60, 330, 900, 2400)
_CORRECTED_AFTER = (120, 420, 1200, 3600)
_UNKNOWN = (
    b'"Call quality score":"4.2"',
    b'"Carbon footprint":0.25',
    b'"Emoji summary":"\xf0\x9f\x93\x9e"',
    b'"Nested detail":{"codec":"opus","hops":[1,2]}',
)
_NO_RECORDS = (b"null", b"[]", b'"not a record"', b"42")
_IMPOSSIBLE_TIMES = (b"2026-02-30T25:61:00.000Z", b"0000-00-00T00:00:00.000Z", b"tomorrow", b"")


@dataclass(frozen=True, slots=True)
class Faults:
    """Each a probability per record, 0 to 1; several can strike one record. Raises ValueError outside that range.

    Minutes are those of the contract: in compressed time (`Plan.time_scale`) they pass faster.
    """

    late: float = 0.0
    """Handed over 10 to 120 minutes after it ended, and not before."""
    duplicate: float = 0.0
    """Handed over a second time, identical, 1 to 40 minutes after the first."""
    corrected: float = 0.0
    """Followed, 2 to 60 minutes after the first, by a second version: the same Report ID, a later Report time (that
    moment) and a changed Duration. Strikes legs that were answered; the others have no duration to correct."""
    unknown_key: float = 0.0
    """Carries a key nobody has documented."""
    broken: float = 0.0
    """Lacks its Report ID, or has an impossible Report time, or is no object at all."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0.0 <= getattr(self, field.name) <= 1.0:
                raise ValueError(f"{field.name} is a probability: 0 to 1")

    @property
    def any(self) -> bool:
        """Whether anything can go wrong at all."""
        return any(getattr(self, field.name) > 0 for field in fields(self))


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one record."""

    late: bool
    duplicate: bool
    corrected: bool
    unknown_key: bool
    broken: bool
    detail: float
    """Chooses among the ways a fault can look, 0 up to 1."""


@dataclass(frozen=True, slots=True)
class Delays:
    """How many seconds later the copies of records are handed over whose calls ended in one second."""

    late: int
    duplicate: int
    corrected: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """One reason to hand a copy of a record over."""

    applies: Callable[[Fate], bool]
    delay: Callable[[Delays], int]
    is_correction: bool = False


def hand_overs(faults: Faults) -> tuple[HandOver, ...]:
    """The reasons there can be under these probabilities; a fault that is off adds none, and so costs nothing."""
    reasons = [HandOver(lambda fate: not fate.late, lambda _: 0)]
    if faults.duplicate:
        reasons.append(HandOver(lambda fate: not fate.late and fate.duplicate, lambda by: by.duplicate))
    if faults.corrected:
        reasons.append(
            HandOver(lambda fate: not fate.late and fate.corrected, lambda by: by.corrected, is_correction=True)
        )
    if faults.late:
        reasons.append(HandOver(lambda fate: fate.late, lambda by: by.late))
    if faults.late and faults.duplicate:
        reasons.append(HandOver(lambda fate: fate.late and fate.duplicate, lambda by: by.late + by.duplicate))
    if faults.late and faults.corrected:
        both = HandOver(
            lambda fate: fate.late and fate.corrected, lambda by: by.late + by.corrected, is_correction=True
        )
        reasons.append(both)
    return tuple(reasons)


class DelayTable:
    """The delays of every second under one seed."""

    def __init__(self, seed: int, time_scale: float) -> None:
        rng = Random(f"{seed}/delays")
        self._salt = rng.getrandbits(64)
        low, high = _LATE_BOUNDS
        # One in each ten minutes of the range, at an odd place in it.
        late = [rng.randrange(start, start + 600) for start in range(low, high, 600)]
        self._late, self._duplicate, self._corrected = (
            [max(1, min(ceil(seconds / time_scale), int(high / time_scale))) for seconds in choices]
            for choices in (late, _DUPLICATE_AFTER, _CORRECTED_AFTER)
        )

    def at(self, second: int) -> Delays:
        """The delays for calls that ended in that second."""
        # The finaliser of splitmix64: a few multiplications instead of seeding a generator for each second asked.
        x = (second * 0x9E3779B97F4A7C15 + self._salt) & 0xFFFFFFFFFFFFFFFF
        x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        x = ((x ^ x >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        x ^= x >> 31
        return Delays(self._late[x % 11], self._duplicate[x >> 20 & 3], self._corrected[x >> 40 & 3])

    def possible(self, reason: HandOver) -> tuple[int, ...]:
        """All the delays that a reason can have, in seconds."""
        every = product(self._late, self._duplicate, self._corrected)
        return tuple(sorted({reason.delay(Delays(*each)) for each in every}))


def fates(faults: Faults, rng: Random) -> Iterator[Fate]:
    """One fate after another. Each takes the same number of draws, so turning one fault up leaves the others alone."""
    draw = rng.random
    while True:
        yield Fate(
            draw() < faults.late,
            draw() < faults.duplicate,
            draw() < faults.corrected,
            draw() < faults.unknown_key,
            draw() < faults.broken,
            draw(),
        )


def can_be_corrected(record: bytes) -> bool:
    """Whether the leg was answered."""
    return b'"Answered":"true"' in record


def corrected(record: bytes, fate: Fate, moment: int) -> bytes:
    """The second version of a record, reported at `moment` (milliseconds since 1970)."""
    duration, longer = int(_value(record, b'"Duration":', b",")), 1 + int(fate.detail * 30)
    record = _with_value(record, b'"Duration":', b",", b"%d" % (duration + longer))
    return _with_value(record, b'"Report time":"', b'"', stamp(moment))


def damaged(record: bytes, fate: Fate) -> bytes:
    """The record with what its fate puts in or breaks; itself when nothing does."""
    if fate.unknown_key:
        record = record[:-1] + b"," + _UNKNOWN[int(fate.detail * 4)] + b"}"
    if not fate.broken:
        return record
    # Three ways, four forms of each.
    way, form = divmod(int(fate.detail * 12), 4)
    if way == 0:
        start = record.index(b'"Report ID":"')
        return record[:start] + record[record.index(b",", start) + 1 :]
    return _with_value(record, b'"Report time":"', b'"', _IMPOSSIBLE_TIMES[form]) if way == 1 else _NO_RECORDS[form]


def _value(record: bytes, before: bytes, after: bytes) -> bytes:
    start = record.index(before) + len(before)
    return record[start : record.index(after, start)]


def _with_value(record: bytes, before: bytes, after: bytes, value: bytes) -> bytes:
    # A quote inside a value is escaped, so `"key":` in a record is always a key.
    start = record.index(before) + len(before)
    return record[:start] + value + record[record.index(after, start) :]
