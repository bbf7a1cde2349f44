"""The pages of alarms, sources and quarantine, with something of everything and with nothing in them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import Page

from cdrelay.clock import ManualClock
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation
from tests.browser.gallery import Gallery
from tests.support.collecting_builder import CollectingBuilder, fill
from tests.support.ledger_builder import HOUR, org, records_of
from tests.support.server import serving

NOW = datetime(2026, 11, 24, 12, 7, tzinfo=UTC)
REFUSED = str(records_of(org(9), NOW - HOUR, 1)[0]["Report ID"])
"""Of a record that is in quarantine."""


@asynccontextmanager
async def open_collecting_gallery(folder: Path, *, empty: bool = False) -> AsyncIterator[Gallery]:
    """Serve them until the block ends. It is 12:07 and stays so."""
    foundation = open_foundation(read_settings({}, home=folder / "home"), ManualClock(NOW))
    running = assemble(foundation, frozenset({"collector", "hub"}))
    if not empty:
        fill(CollectingBuilder(running, NOW), NOW)
    async with serving(running.app) as address:
        yield Gallery(address)
    foundation.close()


def _at(path: str) -> Callable[[Page], Awaitable[None]]:
    async def show(page: Page) -> None:
        await page.goto(path)

    return show


EMPTY_PAGES: Mapping[str, Callable[[Page], Awaitable[None]]] = {
    "alarms-none": _at("/alarms"),
    "sources-none": _at("/sources"),
    "quarantine-none": _at("/quarantine"),
    "quarantine-unknown": _at("/quarantine/nothing"),
}
"""How each page comes to be shown where there is nothing."""

COLLECTING_PAGES: Mapping[str, Callable[[Page], Awaitable[None]]] = {
    "alarms": _at("/alarms"),
    "sources": _at("/sources"),
    "quarantine": _at("/quarantine"),
    "quarantine-second": _at("/quarantine?page=2"),
    "quarantine-payload": _at("/quarantine/b7c1e0aa-6f52-4d9e-8a11-0c2f4d6e8a90"),
    "quarantine-body": _at("/quarantine/c9d1f2a4-77c4-4e0b-9a30-5b1c2d3e4f00"),
    "quarantine-aside": _at("/quarantine/d0d1f2a4-77c4-4e0b-9a30-5b1c2d3e4f00"),
    "loop-with-alarms": _at("/?paused"),
}
"""How each comes to be shown where there is something of everything."""
