"""`/quarantine`, and one payload of it: what was put aside and why, and never what is in a record.

Operators act by command: loading again and dropping need more than knowing an address.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from fastapi import Response

from cdrelay.collector.aside import NO_JSON
from cdrelay.hub.collecting import addresses
from cdrelay.hub.collecting.parts import CollectingParts, page, pages_of
from cdrelay.lake.quarantine_heads import BODY, Head
from cdrelay.lake.spool import Spooled

PAYLOADS = 25
"""On a page."""
RECORDS = 1_000
"""So many of one payload are looked at; the command lists all."""
PLACES = 20
BODIES = 20


@dataclass(frozen=True, slots=True)
class Reason:
    """Why records of one payload cannot be stored, and which do so."""

    field: str
    rule: str
    records: int
    places: str
    """From 0, such as `3, 7–9`."""


def quarantine_page(parts: CollectingParts, number: int) -> Response:
    """The payloads put aside last, and the bodies that were no list of records."""
    payloads, number, shown = parts.quarantine.page(number, PAYLOADS)
    bodies = parts.aside.count()
    listed = parts.aside.bodies(BODIES) if bodies and number == 1 else []
    return page(
        "quarantine.html",
        path=addresses.QUARANTINE_PATH,
        now=parts.clock.now(),
        payloads=payloads,
        held=[(one, addresses.payload_address(one.payload)) for one in shown],
        number=number,
        pages=pages_of(payloads, PAYLOADS),
        page_address=addresses.quarantine_page,
        bodies=[(one, addresses.payload_address(one.envelope.id)) for one in listed],
        number_of_bodies=bodies,
        no_json=NO_JSON,
    )


def payload_page(parts: CollectingParts, payload: str) -> Response:
    """What is there of one payload, as `cdrelay collector quarantine show` tells it."""
    now = parts.clock.now()
    held = parts.quarantine.of_payload(payload, RECORDS)
    if held is not None:
        more = held.records - len(held.heads) if held.heads else 0
        return page(
            "quarantined.html",
            path=addresses.QUARANTINE_PATH,
            now=now,
            held=held,
            reasons=list(_reasons(held.heads)),
            more=more,
            command=_named(held.payload),
        )
    body = parts.aside.find(payload)
    if body is None:
        return page("not_quarantined.html", status=404, path=addresses.QUARANTINE_PATH, now=now, payload=payload[:80])
    return _body_page(parts, body)


def _reasons(heads: Sequence[Head]) -> Iterator[Reason]:
    """One for each field and rule, the first found first."""
    found: dict[tuple[str, str], list[int]] = {}
    for one in heads:
        found.setdefault((one.field, one.rule), []).append(one.index)
    for (field, rule), places in found.items():
        whole = field == BODY
        yield Reason(field, rule, len(places), "the body" if whole else places_in_words(places))


def places_in_words(places: Sequence[int]) -> str:
    """`3, 7–9`: in their order, neighbours together, and of many runs the first."""
    runs: list[list[int]] = []
    for place in sorted(places):
        if runs and place == runs[-1][1] + 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    words = [f"{first:,}" if first == last else f"{first:,}–{last:,}" for first, last in runs[:PLACES]]
    more = sum(last - first + 1 for first, last in runs[PLACES:])
    return ", ".join(words) + (f" and {more:,} more" if more else "")


def _body_page(parts: CollectingParts, body: Spooled) -> Response:
    return page(
        "body_aside.html",
        path=addresses.QUARANTINE_PATH,
        now=parts.clock.now(),
        body=body,
        command=_named(body.envelope.id),
        no_json=NO_JSON,
    )


def _named(payload: str) -> str:
    """As it is typed in a command; `NAME~2` needs no quotes, though the library would set some."""
    return payload if re.fullmatch(r"\w[\w~.-]*", payload, re.ASCII) else quote(payload)
