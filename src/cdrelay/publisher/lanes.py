"""Which of the due deliveries to start, so that no partner delays another. Pure.

At most one delivery a partner is under way, so a slow partner holds one slot and not its whole backlog. Partners whose
pending deliveries have failed before share one half of the slots at most: however many partners hang, the other half is
there for those that work. A partner that hangs for the first time holds a slot of the good half once, for the time
limit of the exchange, and is in the other half from then on, also after a restart: it shows in the rows.
"""

from collections.abc import Iterable, Mapping

from cdrelay.publisher.deliveries import Due


def choose(due: Iterable[Due], under_way: Mapping[str, bool], slots: int) -> list[Due]:
    """Those of `due`, in order, to start now. `under_way` says of each partner being sent to whether it is troubled."""
    total, troubled = len(under_way), sum(under_way.values())
    for_troubled = max(1, slots // 2)
    chosen: dict[str, Due] = {}
    for one in due:
        partner = one.delivery.partner_id
        if total >= slots:
            break
        if partner in under_way or partner in chosen or (one.troubled and troubled >= for_troubled):
            continue
        chosen[partner] = one
        total += 1
        troubled += one.troubled
    return list(chosen.values())
