"""`/ledger/{source}/{organization}/{hour}`: one cell: what was proved and how, its windows, payloads and records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi import Response

from cdrelay.collector.heat_map import OrgKey
from cdrelay.collector.heat_marks import due_edge, mark_of
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.manifests import ManifestRow
from cdrelay.collector.payload_history import LoadedPayload, payloads_named
from cdrelay.collector.under_repair import runs_since
from cdrelay.contract.query import in_words
from cdrelay.contract.windows import Period, floor_to
from cdrelay.hub.ledger.addresses import hour_address, organization_address, read_moment, trace_address, write_moment
from cdrelay.hub.ledger.parts import LedgerParts, page, unknown
from cdrelay.hub.strip import LEGEND, SIGNS
from cdrelay.lake.origins import PayloadShare

RECORDS = 100
_MOST_RUNS = 10
_MOST_PAYLOADS = 200
_REPAIRING = ("repair", "history", "report")


@dataclass(frozen=True, slots=True)
class ArrivedWindow:
    """What came of a window of the source, of all its organizations."""

    window: Period
    rows: Sequence[ManifestRow]
    whole: bool

    @property
    def said(self) -> str:
        """In a word."""
        if not self.rows:
            return "nothing came"
        return "whole, ids verified" if self.whole else "not proved by ids"


@dataclass(frozen=True, slots=True)
class Brought:
    """What a payload brought of the hour."""

    share: PayloadShare
    receipt: LoadedPayload | None
    """None: it is not written yet, or was forgotten."""

    @property
    def repairing(self) -> bool:
        """Whether it was fetched."""
        return self.share.channel in _REPAIRING


def hour_page(parts: LedgerParts, source: str, org_uuid: str, hour: str, number: int) -> Response:
    """The cell; `number` is the page of its records, from 1."""
    now, start = parts.clock.now(), read_moment(hour)
    if start is None:
        return unknown(now, f"{hour[:40]!r} is no time; an hour is written as 2026-11-24T11:00Z")
    window = Period(start, start + parts.rules.count_span)
    key = parts.key(source, org_uuid, window)
    if key is None:
        return unknown(now, f"the ledger of {source[:64]!r} has no organization {org_uuid[:36]!r}")
    row = _row(parts, key, window)
    if row is None and (floor_to(start, parts.rules.count_span) != start or start > now):
        return unknown(now, f"no hour of the ledger begins at {write_moment(start)}")
    return _shown(parts, key, row.window if row else window, row, number)


def _shown(parts: LedgerParts, key: OrgKey, window: Period, row: LedgerRow | None, number: int) -> Response:
    now, rules, origins = parts.clock.now(), parts.rules, parts.origins
    shares = origins.payloads(key.org_uuid, window)
    in_lake = sum(share.records for share in shares)
    named = payloads_named(parts.database, [share.payload for share in shares[:_MOST_PAYLOADS]])
    receipts = {one.id: one for one in named}
    pages = max(1, -(-in_lake // RECORDS))
    number = min(number, pages)
    records = origins.records(key.org_uuid, window, skip=(number - 1) * RECORDS, most=RECORDS)
    due = window.end <= due_edge(now, rules)
    mark = mark_of(row.state, row.proof, row.expected, due=due) if row else "unchecked" if due else "open"
    others = {"earlier": window.start - window.length, "later": window.end}
    return page(
        "hour.html",
        now=now,
        key=key,
        organization=organization_address(*key, until=write_moment(min(window.end, now))),
        window=window,
        row=row,
        mark=mark,
        sign=SIGNS[mark],
        meaning=next(entry.meaning for entry in LEGEND if entry.state == mark),
        in_lake=in_lake,
        leaves_at=window.start + rules.reach,
        reach=in_words(rules.reach),
        windows=list(_windows(parts, key.source, window)),
        runs=runs_since(parts.database, key.source, window.start, _MOST_RUNS),
        payloads=[Brought(share, receipts.get(share.payload)) for share in shares[:_MOST_PAYLOADS]],
        more_payloads=max(0, len(shares) - _MOST_PAYLOADS),
        records=[(record, trace_address(record.report_id, window.start)) for record in records],
        number=number,
        pages=pages,
        explanation=parts.explained(key, window),
        address=lambda at: hour_address(*key, window.start, page=str(at) if at > 1 else ""),
        neighbours={name: hour_address(*key, start) for name, start in others.items() if start <= now},
    )


def _row(parts: LedgerParts, key: OrgKey, window: Period) -> LedgerRow | None:
    rows = parts.ledger.rows(window, key.org_uuid, source=key.source)
    return next((row for row in rows if row.window.start == window.start), None)


def _windows(parts: LedgerParts, source: str, hour: Period) -> Iterator[ArrivedWindow]:
    """The windows of the hour, one for each tick; none, where not one of them has a manifest."""
    rows = parts.manifests.of_window(source, hour)
    start, tick = hour.start, parts.rules.tick
    while rows and start < hour.end:
        window = Period(start, start + tick)
        met = [row for row in rows if row.window.start < window.end and row.window.end > window.start]
        yield ArrivedWindow(window, met, parts.manifests.proves(source, window))
        start += tick
