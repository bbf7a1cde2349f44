"""`/alarms`: what is up now, by kind, and what to do first; below it what ended lately."""

from dataclasses import dataclass
from datetime import timedelta

from fastapi import Response

from cdrelay.collector.alarms.kinds import FIRST_STEPS, KINDS, page_of
from cdrelay.collector.alarms.store import Alarm
from cdrelay.hub.collecting.addresses import ALARMS_PATH
from cdrelay.hub.collecting.parts import CollectingParts, page

OF_A_KIND = 20
"""So many of a kind are shown; the command lists all."""
ENDED = 50
LATELY = timedelta(days=7)

_ORDER = list(dict.fromkeys(("records-near-edge", "disk-full", *KINDS)))
"""What cannot wait comes first."""


@dataclass(frozen=True, slots=True)
class OfKind:
    """The alarms of one kind that stand."""

    kind: str
    means: str
    first: str
    """What to do first; empty for a kind that this version does not know."""
    page: str
    alarms: list[Alarm]
    more: int
    """How many are not shown."""


def alarms_page(parts: CollectingParts) -> Response:
    """Those that stand, and those that ended within a week."""
    now = parts.clock.now()
    standing = [_of_kind(number, alarms) for number, alarms in parts.alarms.standing_of_each_kind(OF_A_KIND)]
    ended, last = parts.alarms.ended_since(now - LATELY, ENDED)
    return page(
        "alarms.html",
        path=ALARMS_PATH,
        now=now,
        kinds=sorted(standing, key=lambda one: _ORDER.index(one.kind) if one.kind in _ORDER else len(_ORDER)),
        number=sum(len(one.alarms) + one.more for one in standing),
        ended=[(one, KINDS.get(one.kind, one.kind)) for one in last],
        more_ended=ended - len(last),
    )


def _of_kind(number: int, alarms: list[Alarm]) -> OfKind:
    kind = alarms[0].kind
    means, first = KINDS.get(kind, kind), FIRST_STEPS.get(kind, "")
    return OfKind(kind, means, first, page_of(kind), alarms, number - len(alarms))
