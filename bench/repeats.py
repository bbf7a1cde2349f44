"""Input of which a quarter is there twice: what replays, repairs and impatient senders make of a feed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

from cdrelay.traffic.faults import Fate, can_be_corrected, corrected

_FRESH_FOR_EACH_REPEAT = 3
_CORRECTED_EVERY = 100
_LONGER = Fate(late=False, duplicate=False, corrected=True, unknown_key=False, broken=False, detail=0.5)


def with_repeats(fresh: Sequence[bytes], earlier: Sequence[bytes]) -> list[bytes]:
    """`fresh`, and after every three records one that is there already; 25 % of the result.

    Half of the repeats are of `fresh`, as a rule in another payload, and half of `earlier`, which is loaded already.
    One in a hundred is a corrected version where the call was answered: the same Report ID, reported now.
    """
    rng = Random(1)
    count = len(fresh) // _FRESH_FOR_EACH_REPEAT
    repeats = rng.sample(fresh, count - count // 2) + rng.sample(earlier, count // 2)
    rng.shuffle(repeats)
    now = int(datetime.now(UTC).timestamp() * 1000)
    mixed: list[bytes] = []
    for number, repeat in enumerate(repeats):
        first = number * _FRESH_FOR_EACH_REPEAT
        mixed += fresh[first : first + _FRESH_FOR_EACH_REPEAT]
        changed = number % _CORRECTED_EVERY == 0 and can_be_corrected(repeat)
        mixed.append(corrected(repeat, _LONGER, now) if changed else repeat)
    return mixed + list(fresh[count * _FRESH_FOR_EACH_REPEAT :])
