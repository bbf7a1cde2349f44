"""`/ledger`: organizations by hour, the worst first; totals, what is being repaired, the next edge."""

from fastapi import Response

from cdrelay.collector.heat_map import HeatCell, HeatRow, Sums
from cdrelay.collector.heat_marks import MARKS
from cdrelay.collector.under_repair import read_under_repair
from cdrelay.contract.query import in_words
from cdrelay.hub.ledger.addresses import hour_address, organization_address, write_moment
from cdrelay.hub.ledger.asked import SPANS, Asked, span_in_words
from cdrelay.hub.ledger.parts import LedgerParts, page
from cdrelay.hub.ledger.table import CellLink, heads, links, step_in_words
from cdrelay.hub.standing import Standing
from cdrelay.hub.strip import LEGEND


def map_page(parts: LedgerParts, asked: Asked) -> Response:
    """The page that is asked for."""
    now, rules = parts.clock.now(), parts.rules
    question = asked.question(now, rules)
    drawn = parts.heat_maps.draw(question, now)
    groups, columns = heads(drawn.columns, question.step)
    repair = read_under_repair(parts.database, rules, question.source)
    hourly = question.step == rules.count_span

    def behind(row: HeatRow) -> list[CellLink]:
        def address(cell: HeatCell) -> str:
            if hourly:
                return hour_address(*row.key, cell.period.start)
            return organization_address(*row.key, until=write_moment(cell.period.end))

        return list(links(row.cells, columns, now, address))

    return page(
        "map.html",
        now=now,
        asked=asked,
        map=drawn,
        period=question.period,
        groups=groups,
        columns=columns,
        rows=[(row, organization_address(*row.key), behind(row)) for row in drawn.rows],
        standing=standing(drawn.sums),
        repair=repair,
        legend=LEGEND,
        states=MARKS,
        sources=parts.heat_maps.sources(),
        spans={span: span_in_words(span, rules) for span in SPANS},
        column=step_in_words(question.step),
        reach=in_words(rules.reach),
        earlier=asked.earlier(now, rules),
        later=asked.later(now, rules),
        page_address=lambda number: asked.address(page=str(number) if number > 1 else None),
        several_sources=len({row.key.source for row in drawn.rows}) > 1,
    )


def standing(sums: Sums) -> Standing:
    """What is shown, in a sentence."""
    if sums.lost:
        more = f", and more are missing in {_hours(sums.short)}" if sums.short else ""
        return Standing("grave", f"Records are lost in {_hours(sums.lost)}{more}.")
    if sums.short:
        missing = "1 record is" if sums.missing == 1 else f"{sums.missing:,} records are"
        return Standing("warn", f"{missing} missing in {_hours(sums.short)}, and still to be had.")
    if sums.unchecked:
        missing = "Nothing is known to be missing" if sums.compared else "Nothing was compared"
        return Standing("warn", f"{missing}; of {_hours(sums.unchecked)} it is not known.")
    if not sums.compared:
        return Standing("idle", "There is nothing to compare yet.")
    return Standing("good", f"Nothing is missing: all {sums.expected:,} records that the provider counts are stored.")


def _hours(number: int) -> str:
    return "1 hour" if number == 1 else f"{number:,} hours"
