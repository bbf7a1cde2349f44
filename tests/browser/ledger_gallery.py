"""The pages of a collector's ledger with something of everything in them, for tests and for the pictures."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Page

from cdrelay.clock import ManualClock
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation
from tests.browser.gallery import Gallery
from tests.support.ledger_builder import HOUR, LedgerBuilder, fill, org, records_of
from tests.support.server import serving

NOW = datetime(2026, 11, 24, 12, 7, tzinfo=UTC)
TICK = timedelta(minutes=5)
SHORT = org(0)
START = datetime(2026, 11, 22, 19, tzinfo=UTC)
"""Of an hour of that organization that is short."""


@asynccontextmanager
async def open_ledger_gallery(folder: Path, organizations: int = 283) -> AsyncIterator[Gallery]:
    """Serve them until the block ends. It is 12:07 and stays so."""
    foundation = open_foundation(read_settings({}, home=folder / "home"), ManualClock(NOW - 72 * HOUR))
    assert isinstance(foundation.clock, ManualClock)
    running = assemble(foundation, frozenset({"collector", "hub"}))
    assert running.collector is not None
    store = running.collector.store
    builder = LedgerBuilder(foundation.database, store.spool, store.loader)
    builder.source("webex", NOW)
    fill(builder, NOW, organizations, 75)
    _deliveries(builder, foundation.clock)
    foundation.clock.advance(NOW - foundation.clock.now())
    builder.run(NOW - timedelta(minutes=37), short=4, problem="organization … 403: the token lacks a right")
    async with serving(running.app) as address:
        yield Gallery(address)
    foundation.close()


def _deliveries(builder: LedgerBuilder, clock: ManualClock) -> None:
    """Of the short hour: a window that did not come, one that came with other records, and a repair of some."""
    clock.advance(START - clock.now())
    for number in range(12):
        start = START + number * TICK
        clock.advance(start + 2 * TICK + timedelta(seconds=3) - clock.now())
        if number == 4:
            continue
        records = records_of(SHORT, start, 4, TICK)
        payload = f"{number:02x}9d1f2a-77c4-4e0b-9a30-5b1c2d3e4f{number:02x}"
        builder.deliver(payload, records[: 3 if number == 7 else 4], clock.now())
        builder.manifest(start, records, payload, state="differs" if number == 7 else "verified")
    clock.advance(4 * HOUR)
    builder.deliver(
        "b7c1e0aa-6f52-4d9e-8a11-0c2f4d6e8a90", records_of(SHORT, START + 7 * TICK, 4, TICK), clock.now(), "repair"
    )


def _at(path: str) -> Callable[[Page], Awaitable[None]]:
    async def show(page: Page) -> None:
        await page.goto(path)

    return show


_HOUR = f"/ledger/webex/{SHORT}/2026-11-22T19:00Z"
_RECORD = str(records_of(SHORT, START + 7 * TICK, 4, TICK)[3]["Report ID"])

LEDGER_PAGES: Mapping[str, Callable[[Page], Awaitable[None]]] = {
    "ledger": _at("/ledger"),
    "ledger-filtered": _at("/ledger?state=short"),
    "ledger-none": _at("/ledger?organization=nothing"),
    "ledger-week": _at("/ledger?span=week&page=2"),
    "ledger-month": _at("/ledger?span=month"),
    "ledger-organization": _at(f"/ledger/webex/{SHORT}"),
    "ledger-lost": _at(f"/ledger/webex/{org(1)}"),
    "ledger-hour": _at(_HOUR),
    "ledger-silent": _at(f"/ledger/webex/{org(2)}/2026-11-23T14:00Z"),
    "ledger-unknown": _at("/ledger/webex/nobody"),
    "trace": _at(f"/trace/{_RECORD}?at=2026-11-22T19:00Z"),
    "trace-form": _at("/trace"),
    "trace-unknown": _at("/trace/nothing"),
    "loop-of-a-collector": _at("/?paused"),
}
"""How each page comes to be shown."""
