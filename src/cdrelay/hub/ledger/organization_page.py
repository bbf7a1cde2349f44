"""`/ledger/{source}/{organization}`: one organization over the days, why it is silent, and its certificate."""

from datetime import datetime

from fastapi import Response

from cdrelay.collector.heat_map import OrgKey
from cdrelay.collector.heat_marks import due_edge
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.contract.query import in_words
from cdrelay.contract.windows import EPOCH, Period, ceil_to, floor_to
from cdrelay.hub.ledger.addresses import (
    certificate_address,
    hour_address,
    organization_address,
    read_moment,
    write_moment,
)
from cdrelay.hub.ledger.map_page import standing
from cdrelay.hub.ledger.parts import LedgerParts, page, unknown
from cdrelay.hub.ledger.table import Head, links, step_in_words
from cdrelay.hub.strip import LEGEND

DAYS = 14
_HOURS = 24
_HEADS = [Head(f"{hour:02d}", "", first=hour % 6 == 0) for hour in range(_HOURS)]
_MOST_GAPS = 50


def organization_page(parts: LedgerParts, source: str, org_uuid: str, until: str) -> Response:
    """The days up to `until`, the newest first; what is no time is now."""
    now, rules = parts.clock.now(), parts.rules
    period = _period(parts, now, read_moment(until))
    key = parts.key(source, org_uuid, period)
    if key is None:
        return unknown(now, f"the ledger of {source[:64]!r} has no organization {org_uuid[:36]!r}")
    row, day = parts.heat_maps.row(key, period, now), _HOURS * rules.count_span
    cells = list(links(row.cells, _HEADS * DAYS, now, lambda cell: hour_address(*key, cell.period.start)))
    days = [(period.start + at * day, cells[_HOURS * at : _HOURS * (at + 1)]) for at in range(DAYS)]
    gaps = _gaps(parts, key, period)
    return page(
        "organization.html",
        now=now,
        key=key,
        period=period,
        columns=_HEADS,
        days=days[::-1],
        standing=standing(row.sums),
        sums=row.sums,
        gaps=[(gap, hour_address(*key, gap.window.start)) for gap in gaps[:_MOST_GAPS]],
        more_gaps=len(gaps) > _MOST_GAPS,
        explanation=parts.explained(key, Period(period.start, min(period.end, now))),
        legend=LEGEND,
        certificates=_certificates(key, period, due_edge(now, rules)),
        span=step_in_words(rules.count_span),
        by_day=in_words(day) == "24 hours",
        earlier=organization_address(*key, until=write_moment(period.start)),
        later=organization_address(*key, until=write_moment(period.end + DAYS * day)) if period.end <= now else None,
    )


def _period(parts: LedgerParts, now: datetime, until: datetime | None) -> Period:
    day = _HOURS * parts.rules.count_span
    end = latest = floor_to(now, day) + day
    if until is not None:
        end = min(max(ceil_to(until, day), EPOCH + DAYS * day), latest)
    return Period(end - DAYS * day, end)


def _gaps(parts: LedgerParts, key: OrgKey, period: Period) -> list[LedgerRow]:
    most = DAYS * _HOURS
    return parts.ledger.rows(period, key.org_uuid, states=("lost", "short"), source=key.source, most=most)


def _certificates(key: OrgKey, period: Period, edge: datetime) -> dict[str, str]:
    """By their form, of what is shown and is due; there is none while nothing is."""
    end = min(period.end, edge)
    if end <= period.start:
        return {}
    return {form: certificate_address(*key, period.start, end, form) for form in ("pdf", "json")}
