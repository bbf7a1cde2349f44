"""A running process whose ledger has something in it, and how its pages are walked."""

import re
from datetime import timedelta
from html import unescape

import aiohttp

from tests.integration.hub.conftest import NOW, Served
from tests.integration.hub.hub_bench import Page
from tests.support.ledger_builder import HOUR, REFUSED, LedgerBuilder, org, records_of

ORG = org(1)
START = NOW - 30 * HOUR
"""Of an hour that is short: of 12 records 9 came with a delivery, one with a repair."""
TICK = timedelta(minutes=5)


def builder(served: Served) -> LedgerBuilder:
    """Fills the ledger of the process, which has the source `webex` then."""
    collector = served.running.collector
    assert collector is not None
    made = LedgerBuilder(served.running.foundation.database, collector.store.spool, collector.store.loader)
    made.source("webex", NOW)
    return made


def fill(served: Served) -> LedgerBuilder:
    """One organization that is short, one that is well."""
    made = builder(served)
    records = records_of(ORG, START, 12)
    made.deliver("first-payload", records[:9], START + 2 * TICK)
    made.deliver("repair-payload", records[9:10], START + 5 * HOUR, "repair")
    made.manifest(START, records[:1], "first-payload")
    made.manifest(START + TICK, records[1:2], "first-payload", state="differs")
    short = {"state": "short", "expected": 12, "stored": 10, "fetched": 1, "ways": "repair", "reason": REFUSED}
    made.rows([{"org_uuid": ORG, "window_start": START, "recheck_at": NOW + HOUR} | short])
    made.rows({"org_uuid": org(2), "window_start": NOW - ago * HOUR, "proof": "ids"} for ago in range(1, 49))
    made.run(NOW - HOUR, short=1, problem="organization x: 403")
    return made


async def fetched(served: Served, path: str) -> tuple[int, str, bytes]:
    """Status, kind and body, which need not be text."""
    async with aiohttp.ClientSession() as session, session.get(served.address + path) as answer:
        return answer.status, answer.content_type, await answer.read()


def words(html: str) -> str:
    """What is read, with one blank between the texts of elements."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", html)).split())


def rows_of(page: Page) -> list[str]:
    """Where the rows of a heat map lead."""
    heads = [attrs for tag, attrs in page.elements if tag == "a" and (attrs.get("title") or "").endswith("webex")]
    return [str(attrs["href"]) for attrs in heads]


def cells_of(page: Page) -> list[dict[str, str | None]]:
    """The links of the cells of a heat map."""
    return [attrs for tag, attrs in page.elements if tag == "a" and "aria-label" in attrs]
