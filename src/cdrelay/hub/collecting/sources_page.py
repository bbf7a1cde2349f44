"""`/sources`: each source, what came of it lately, and what is not well. No secret, no token, no word of a provider."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from fastapi import Response

from cdrelay.collector.alarms.kinds import KINDS
from cdrelay.collector.source_states import SourceState
from cdrelay.hub.collecting import addresses
from cdrelay.hub.collecting.parts import CollectingParts, page, pages_of
from cdrelay.hub.collecting.token_words import token_ended, token_in_words
from cdrelay.hub.ledger.addresses import map_address

SOURCES = 25
"""On a page."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not well; commands stand between backticks."""

    what: str
    address: str | None = None
    """Where there is more about it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A source as the page has it."""

    state: SourceState
    token: str
    troubles: list[Trouble]
    ledger: str


def sources_page(parts: CollectingParts, number: int) -> Response:
    """One page of them, by name."""
    now, there = parts.clock.now(), parts.sources.number()
    pages = pages_of(there, SOURCES)
    number = min(number, pages)
    states = parts.sources.read(now, (number - 1) * SOURCES, SOURCES)
    shown = [
        Shown(one, token_in_words(one, now), list(_troubles(one, now)), map_address(source=one.name)) for one in states
    ]
    return page(
        "sources.html",
        path=addresses.SOURCES_PATH,
        now=now,
        there=there,
        sources=shown,
        unwell=sum(bool(one.troubles) for one in shown),
        number=number,
        pages=pages,
        page_address=addresses.sources_page,
    )


def _troubles(state: SourceState, now: datetime) -> Iterator[Trouble]:
    for kind in state.alarms:
        yield Trouble(f"{KINDS.get(kind, kind)}.", addresses.alarms_address(kind))
    if state.kind == "webhook":
        yield from _of_webhook(state)
    elif state.pull_fails:
        yield Trouble(f"It could not be pulled lately: `cdrelay collector source show {state.name}` says why.")
    if state.token_fails:
        yield Trouble(f"Its tokens cannot be refreshed: `cdrelay collector source show {state.name}` says why.")
    elif token_ended(state, now):
        yield Trouble(f"Its token has ended: `cdrelay collector login {state.name}` gets another.")


def _of_webhook(state: SourceState) -> Iterator[Trouble]:
    if not state.signed:
        yield Trouble(
            "It has no secret, so whoever knows its address can deliver records:"
            f" `cdrelay collector source set {state.name} --secret-file F`."
        )
    if state.provider is None:
        yield Trouble(
            "It has no address of its provider, so nothing is compared:"
            f" `cdrelay collector source set {state.name} --api URL`."
        )
    elif not state.askable:
        yield Trouble(
            f"It has no token, so nothing is compared and nothing fetched: `cdrelay collector login {state.name}`."
        )
