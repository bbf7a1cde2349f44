"""Reconciling 1,000 organizations for 48 hours: when nothing is missing, and when 1 % of their hours are short.

Our publisher is the provider, in a process of its own, over real HTTP; it has 200 records of each organization. The
collector's lake is a copy of its lake, or lacks all records of one in a hundred of the hours of an organization.

Requests: an hour is asked for once a page of 200 organizations, and an organization's records of an hour once. A tenth
more is allowed. Seconds: all 48 hours are compared, and mended, within one tick of the contract (5 minutes), so that a
run is over before the next deliveries are due. For the partner endpoints no rate is documented (FACTS 2.3); the sibling
endpoints take one first request a minute and ten for further pages, and a run every 12 hours has 720 minutes for its
requests. Comparing an hour must cost the same at the end of a run as at its beginning.
"""

import asyncio
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

from bench.collecting import SECRET, serving
from bench.measure import Measure, document, envelope, stopwatch, synthetic
from bench.publishing import organization
from cdrelay.collector.ledger_rows import ReconciliationReport
from cdrelay.collector.reconciliation import Progress
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import EPOCH
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_collector, open_foundation, open_publisher

ORGANIZATIONS = 1_000
RECORDS = 200_000
SHORT_ONE_IN = 100
RUN_EVERY_MINUTES = 720
RULES = Rules()
_ORGANIZATION_MARK, _TIME_MARK = b'"Org UUID":"', b'"Report time":"'


@dataclass(frozen=True, slots=True)
class Run:
    """One run over all hours, and how long each took."""

    report: ReconciliationReport
    seconds: float
    hours: Sequence[float]


def run(scratch: Path) -> list[Measure]:
    """Both runs, each with a collector of its own."""
    made = list(_made())
    token = _fill_publisher(scratch / "publisher", [record for record, _ in made])
    kept = [record for record, lacks in made if lacks is None]
    short = len({lacks for _, lacks in made if lacks is not None})
    with serving(scratch / "publisher", "publisher") as (_, port):
        whole = _collector(scratch / "whole", port, token)
        shutil.copytree(scratch / "publisher" / "publisher" / "lake", whole / "collector" / "lake", dirs_exist_ok=True)
        lacking = _collector(scratch / "lacking", port, token)
        _load(lacking, kept)
        nothing_missing, some_missing = _reconcile(whole), _reconcile(lacking)
    assert nothing_missing.report.fetched == 0
    assert nothing_missing.report.problem is None, nothing_missing.report.problem
    report = some_missing.report
    # What has left the reach since it was made, and what is not due yet, is at the edges.
    lacked = len(made) - len(kept)
    assert lacked * 0.9 < report.fetched <= lacked, (report.fetched, lacked)
    assert report.short == 0, report
    return [
        *_measures(nothing_missing, "nothing missing", 0),
        *_measures(some_missing, f"1 in {SHORT_ONE_IN} short", short),
        _flatness(nothing_missing.hours),
    ]


def _measures(done: Run, name: str, short: int) -> Iterable[Measure]:
    report, hours = done.report, len(done.hours)
    further = hours * (-(-ORGANIZATIONS // RULES.organizations_per_page) - 1)
    due = hours + further + short
    first, minutes = report.requests - further, RUN_EVERY_MINUTES
    yield Measure(
        f"reconciling {ORGANIZATIONS:,} organizations, {name}: requests",
        f"{report.requests:,}; by the formula {due:,}: {hours} hours, {short:,} short of an organization",
        report.requests / due,
        1.1,
        "at most",
    )
    yield Measure(
        f"… {name}: share of a tick",
        f"{done.seconds:.1f} s for {report.windows:,} hours of an organization, {report.fetched:,} records fetched",
        done.seconds / RULES.tick.total_seconds(),
        1.0,
        "at most",
    )
    yield Measure(
        f"… {name}: share of the siblings' rates",
        f"{first:,} first requests and {further:,} further pages in {minutes} minutes",
        max(first / minutes, further / minutes / 10),
        1.0,
        "at most",
    )


def _flatness(hours: Sequence[float]) -> Measure:
    some = max(1, len(hours) // 4)
    first, last = median(hours[:some]), median(hours[-some:])
    figures = f"{first * 1000:,.0f} ms an hour at first, {last * 1000:,.0f} ms at last"
    return Measure("… cost of comparing an hour as a run goes on", figures, last / first, 1.5, "at most")


def _made() -> Iterable[tuple[bytes, tuple[int, bytes] | None]]:
    """Records of all organizations in turn over the whole reach, each with the organization's hour that lacks it."""
    end = datetime.now(UTC) - RULES.settle
    for number, record in enumerate(synthetic(RECORDS, end - RULES.reach + timedelta(minutes=10), end)):
        before, mark, after = record.partition(_ORGANIZATION_MARK)
        assert mark, "a record names its organization"
        org = number % ORGANIZATIONS
        hour = record.partition(_TIME_MARK)[2][:13]
        short = (org + 37 * int(hour[-2:])) % SHORT_ONE_IN == 0
        yield before + mark + organization(org).encode() + after[36:], (org, hour) if short else None


def _fill_publisher(home: Path, records: Sequence[bytes]) -> str:
    """The token of a partner with all organizations and their records."""
    foundation = open_foundation(read_settings({}, home=home))
    parts = open_publisher(foundation)
    partner = parts.directory.add_partner("partner")
    for number in range(ORGANIZATIONS):
        parts.directory.add_organization(organization(number), partner_id=partner.id, starts_at=EPOCH)
    for first in range(0, len(records), 5_000):
        parts.store.spool.put(envelope("intake"), document(records[first : first + 5_000]))
    parts.store.loader.drain()
    token = parts.directory.credentials.create_token(partner.id)
    foundation.close()
    return token


def _collector(home: Path, port: int, token: str) -> Path:
    """The home of a collector whose provider listens on that port."""
    foundation = open_foundation(read_settings({}, home=home))
    change = SourceChange(secret=SECRET, api=f"http://127.0.0.1:{port}", token=token)
    open_collector(foundation).sources.add("bench", change)
    foundation.close()
    return home


def _load(home: Path, records: Sequence[bytes]) -> None:
    foundation = open_foundation(read_settings({}, home=home))
    store = open_collector(foundation).store
    for first in range(0, len(records), 5_000):
        store.spool.put(envelope(), document(records[first : first + 5_000]))
    store.loader.drain()
    foundation.close()


def _reconcile(home: Path) -> Run:
    foundation = open_foundation(read_settings({}, home=home))
    collector = assemble(foundation, frozenset({"collector"})).collector
    assert collector is not None
    reached: list[float] = []

    def note(progress: Progress) -> None:
        reached.append(time.perf_counter())

    with stopwatch() as elapsed:
        (report,) = asyncio.run(collector.reconciler.run_once("bench", note))
        seconds = elapsed()
    foundation.close()
    return Run(report, seconds, [later - earlier for earlier, later in pairwise(reached)])
