"""What an address of the heat map asks for. What makes no sense asks for nothing."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from cdrelay.collector.heat_map import HeatQuestion
from cdrelay.collector.heat_marks import MARKS, Mark
from cdrelay.contract.query import in_words
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import EPOCH, Period, ceil_to, floor_to
from cdrelay.hub.ledger.addresses import map_address, read_beginning, read_moment, write_moment

Span = Literal["reach", "day", "week", "month"]
SPANS: tuple[Span, ...] = get_args(Span)
ROWS = 100
_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How long a period is, how long a column, and to multiples of what its ends are rounded."""

    length: timedelta
    step: timedelta
    unit: timedelta


def shape_of(span: Span, rules: Rules) -> Shape:
    """In hours of the contract, which are shorter when time is compressed."""
    hour = rules.count_span
    match span:
        case "day":
            return Shape(24 * hour, hour, 24 * hour)
        case "week":
            return Shape(7 * 24 * hour, 6 * hour, 6 * hour)
        case "month":
            return Shape(31 * 24 * hour, 24 * hour, 24 * hour)
        case "reach":
            # The hour that is leaving the reach, and the present one.
            return Shape((math.ceil(rules.reach / hour) + 1) * hour, hour, hour)


def span_in_words(span: Span, rules: Rules) -> str:
    """What it is called: `49 hours`, `a week`; compressed, how long it is."""
    shape = shape_of(span, rules)
    plain = {"day": "a day", "week": "a week", "month": "31 days"}.get(span)
    return plain if plain and rules.count_span == timedelta(hours=1) else in_words(shape.length)


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of the page."""

    span: Span = "reach"
    until: datetime | None = None
    """None: now."""
    source: str = ""
    organization: str = ""
    state: Mark | None = None
    page: int = 1

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Asked":
        """Out of `span`, `until`, `source`, `organization`, `state` and `page`."""
        number = query.get("page", "1")
        return cls(
            span=next((span for span in SPANS if span == query.get("span")), "reach"),
            until=read_moment(query.get("until", "")),
            source=query.get("source", "")[:64],
            organization=query.get("organization", "")[:200].strip(),
            state=next((state for state in MARKS if state == query.get("state")), None),
            page=min(int(number), _MOST_PAGES) if re.fullmatch(r"[1-9][0-9]{0,5}", number, re.ASCII) else 1,
        )

    def question(self, now: datetime, rules: Rules) -> HeatQuestion:
        """The same for the ledger."""
        shape, beginning = shape_of(self.span, rules), read_beginning(self.organization)
        period = self.period(now, rules)
        return HeatQuestion(period, shape.step, self.source or None, beginning, self.state, self.page, ROWS)

    def period(self, now: datetime, rules: Rules) -> Period:
        """What the columns are of; it ends with the present one at the latest."""
        shape = shape_of(self.span, rules)
        end = latest = floor_to(now, shape.unit) + shape.unit
        if self.until is not None:
            end = min(max(ceil_to(self.until, shape.unit), EPOCH + shape.length), latest)
        return Period(end - shape.length, end)

    def earlier(self, now: datetime, rules: Rules) -> str:
        """The address of the period before."""
        return self.address(until=write_moment(self.period(now, rules).start), page=None)

    def later(self, now: datetime, rules: Rules) -> str | None:
        """The address of the period after; None: it has not begun."""
        shape, end = shape_of(self.span, rules), self.period(now, rules).end
        if end > floor_to(now, shape.unit):
            return None
        following = end + shape.length
        return self.address(until=write_moment(following) if following <= now else None, page=None)

    def address(self, **other: str | None) -> str:
        """The address of another page of the same."""
        query = {
            "span": "" if self.span == "reach" else self.span,
            "until": "" if self.until is None else write_moment(self.until),
            "source": self.source,
            "organization": self.organization,
            "state": self.state or "",
            "page": str(self.page) if self.page > 1 else "",
        }
        return map_address(**query | {name: value or "" for name, value in other.items()})
