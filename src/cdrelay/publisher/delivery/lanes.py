"""Which of the due deliveries to start, so that no partner delays another. Pure.

The order is by the time left before the 48 hours of a window end: the window that ends its reach first goes first. It
holds within a partner, whose windows go one after the other, and between partners in the same lane. There are two:

* *Well*: partners whose last attempt arrived, and new ones.
* *Troubled*: partners that have failed since anything of theirs arrived, and those whose delivery under way takes
  longer than a moment: a partner that hangs for the first time leaves the well lane while it still hangs.

At most one delivery a partner is under way, so a slow partner holds one place and not one for its whole backlog. Of the
slots the troubled are given one half at most; the other half is always there for the well, also when so many have
fallen into trouble while under way that more than all slots are taken. What is well therefore waits for what is well
and under way or older, for a moment each, and for nothing that is troubled. Between windows that end at the same moment
the order is that in which they came due.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from cdrelay.publisher.delivery.deliveries import Due

MOST_TIMES_SLOTS = 4
"""However many hang, no more than this many times the slots are under way: each one holds a body in memory."""


def by_time_left(due: Due) -> tuple[datetime, datetime, str]:
    """The key to sort by: what leaves the reach first, then what came due first, comes first.

    All windows are of use equally long (seed: 48 hours), so they are in the order of their ends.
    """
    delivery = due.delivery
    return (delivery.window.end, delivery.next_attempt_at or delivery.tick, delivery.partner_id)


def choose(due: Iterable[Due], under_way: Mapping[str, bool], slots: int) -> list[Due]:
    """Those of `due`, which are sorted, to start now.

    `under_way` says of each partner that is being sent to whether it is troubled.
    """
    taken = {True: sum(under_way.values()), False: 0}
    taken[False] = len(under_way) - taken[True]
    half = max(1, slots // 2)
    chosen: dict[str, Due] = {}
    for one in due:
        partner, total = one.delivery.partner_id, taken[True] + taken[False]
        if total >= slots * MOST_TIMES_SLOTS:
            break
        if partner in under_way or partner in chosen:
            continue
        places = min(half, slots - taken[False]) if one.troubled else max(slots - taken[True], slots - slots // 2)
        if taken[one.troubled] < places:
            chosen[partner] = one
            taken[one.troubled] += 1
    return list(chosen.values())
