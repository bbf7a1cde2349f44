"""The pages of the delivery log: windows by state and day, one delivery, and what can be sent again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import get_args

from fastapi import Response
from starlette.datastructures import QueryParams

from cdrelay.contract.query import in_words
from cdrelay.contract.windows import MILLISECOND, Period
from cdrelay.errors import CdrelayError
from cdrelay.hub.ledger.table import step_in_words
from cdrelay.hub.pages import render_page, see_other
from cdrelay.hub.setup.hours import LEGEND, WORDS, hour_strip, strip_standing
from cdrelay.hub.setup.parts import SetupParts, off_by_operator
from cdrelay.hub.sign_in.sessions import SignedIn
from cdrelay.publisher.delivery.deliveries import State
from cdrelay.publisher.delivery.delivery_log import LogFilter, LoggedWindow
from cdrelay.publisher.errors import DeliveryUnknown
from cdrelay.publisher.parties import Webhook

PATH = "/deliveries"
PAGE_SIZE = 50
_MOST_PAGES = 100_000
_STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the page asks for; what makes no sense asks for nothing."""

    state: State | None = None
    day: date | None = None
    page: int = 1

    @classmethod
    def read(cls, query: QueryParams) -> "Asked":
        """Out of `state`, `day` and `page`."""
        state = next((state for state in _STATES if state == query.get("state")), None)
        number = query.get("page", "1")
        page = int(number) if re.fullmatch(r"[1-9][0-9]{0,5}", number, re.ASCII) else 1
        return cls(state, _read_day(query.get("day", "")), min(page, _MOST_PAGES))

    @property
    def filter(self) -> LogFilter:
        """The same for the log."""
        if self.day is None:
            return LogFilter(self.state)
        start = datetime.combine(self.day, time(), UTC)
        return LogFilter(self.state, Period(start, start + timedelta(days=1)))

    def address(self, page: int) -> str:
        """The address of another page of the same."""
        asked = {"state": self.state, "day": self.day, "page": page if page > 1 else None}
        query = "&".join(f"{name}={value}" for name, value in asked.items() if value is not None)
        return f"{PATH}?{query}" if query else PATH


def _read_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if date.min < day < date.max else None


@dataclass(frozen=True, slots=True)
class RangeForm:
    """The form of what shall be sent again, and the rules that it breaks by field."""

    start: str = ""
    end: str = ""
    refused: Mapping[str, str] | None = None

    def period(self, now: datetime, reach: timedelta) -> tuple[Period | None, dict[str, str]]:
        """The ticks from the first to the last, both included; else the rules that are broken."""
        times = {"from": _read_moment(self.start), "to": _read_moment(self.end)}
        broken = {
            name: "a date and a time are needed, in UTC"
            if moment is None
            else f"the time must lie within the last {in_words(reach)}"
            for name, moment in times.items()
            if moment is None or not now - reach <= moment <= now
        }
        start, end = times["from"], times["to"]
        if broken or start is None or end is None:
            return None, broken
        if end < start:
            return None, {"to": "the last window must not be before the first"}
        return Period(start, end + MILLISECOND), {}


def _read_moment(text: str) -> datetime | None:
    """As a browser writes `datetime-local`: without a zone, which is UTC here."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else None


@dataclass(frozen=True, slots=True)
class LogPages:
    """The pages of the log; all methods block."""

    parts: SetupParts

    def windows(
        self,
        signed_in: SignedIn,
        asked: Asked,
        *,
        wanted: RangeForm | None = None,
        done: str = "",
        status: int = 200,
    ) -> Response:
        """The windows that are asked for, under the strip of the last 48 hours."""
        parts, partner_id, now = self.parts, signed_in.administrator.partner_id, self.parts.clock.now()
        webhook, rules = parts.webhook(signed_in), parts.rules
        # One more than is shown tells whether there is another page.
        skip = (asked.page - 1) * PAGE_SIZE
        found = parts.log.windows(partner_id, asked.filter, skip=skip, number=PAGE_SIZE + 1)
        owed_since = webhook.created_at if webhook and parts.send_empty_windows else None
        off = self._off(webhook, partner_id)
        states = parts.log.states(partner_id, Period(now - rules.reach - rules.count_span, now + rules.count_span))
        strip = hour_strip(states, now, rules, owed_since)
        return render_page(
            "setup/deliveries.html",
            signed_in,
            status=status,
            path=PATH,
            webhook=webhook,
            may_set=parts.may_set(signed_in, webhook),
            off=off,
            strip=strip,
            standing=strip_standing(strip, in_words(rules.reach)),
            legend=LEGEND,
            words=WORDS,
            windows=[(window, news_of(window, sending=off is None)) for window in found[:PAGE_SIZE]],
            asked=asked,
            more=len(found) > PAGE_SIZE,
            range=wanted or RangeForm(),
            now=now,
            step=max(1, round(rules.tick.total_seconds())),
            reach=in_words(rules.reach),
            span=step_in_words(rules.count_span),
            done=done,
        )

    def _off(self, webhook: Webhook | None, partner_id: str) -> dict[str, object] | None:
        """Why and since when nothing is sent, and how much waits; None while the webhook is on."""
        if webhook is None or webhook.active:
            return None
        return {
            "because": webhook.switched_off_because,
            "by_operator": off_by_operator(webhook),
            # After the attempt that switched it off there was none.
            "since": self.parts.log.last_attempt_at(partner_id),
            "failing_since": webhook.failing_since,
            "waiting": self.parts.log.waiting(partner_id),
        }

    def delivery(self, signed_in: SignedIn, delivery_id: str) -> Response:
        """One delivery with all attempts. Another partner's is as unknown as none."""
        try:
            logged, window = self.parts.log.window_of(signed_in.administrator.partner_id, delivery_id)
        except DeliveryUnknown as error:
            return render_page("setup/unknown.html", signed_in, status=404, path=PATH, reason=str(error))
        webhook = self.parts.webhook(signed_in)
        now = self.parts.clock.now()
        oldest = now - self.parts.rules.reach
        return render_page(
            "setup/delivery.html",
            signed_in,
            path=PATH,
            now=now,
            delivery=logged.delivery,
            attempts=logged.attempts,
            window=window,
            words=WORDS,
            webhook=webhook,
            may_send_again=self.parts.may_set(signed_in, webhook)
            and webhook is not None
            and window.tick >= oldest
            and logged.delivery.state != "pending",
        )

    def send_again(self, signed_in: SignedIn, wanted: RangeForm) -> Response:
        """Send the windows of a range again, or say next to the field why not."""
        period, refused = wanted.period(self.parts.clock.now(), self.parts.rules.reach)
        if period is not None:
            try:
                resent = self.parts.send_again(signed_in.administrator.partner_id, period)
            except CdrelayError as error:
                refused = {"from": str(error)}
            else:
                return see_other(f"{PATH}?again={resent.windows}")
        form = RangeForm(wanted.start, wanted.end, refused)
        return self.windows(signed_in, Asked(), wanted=form, status=422)


def news_of(window: LoggedWindow, *, sending: bool) -> str:
    """The last that is known of a window, in a line; of several parts, of the one that matters most."""
    part = next(part for part in window.parts if part.delivery.state == window.state)
    tries, delivery = len(part.attempts), part.delivery
    if window.state == "delivered":
        arrived = max(one.delivery.finished_at or window.tick for one in window.parts)
        return f"arrived {arrived:%H:%M:%S}" + (f", at attempt {tries}" if tries > 1 else "")
    if not tries:
        return "not tried yet" if window.state == "pending" else "given up without an attempt"
    counted = f"{tries} attempt{'' if tries == 1 else 's'}: {part.attempts[-1].outcome}"
    if window.state == "failed":
        return f"given up after {counted}"
    return f"{counted}; next {delivery.next_attempt_at:%H:%M:%S}" if sending and delivery.next_attempt_at else counted
