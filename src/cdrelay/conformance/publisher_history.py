"""Checks of the Detailed Call History APIs, `cdr_feed` and `cdr_stream`, where a publisher has them (FACTS 3)."""

from collections.abc import Mapping
from datetime import timedelta

from cdrelay.conformance.checks import NothingToCheck, Outcome, check, failed, judged, passed, skipped, warning
from cdrelay.conformance.exchange import Answer
from cdrelay.conformance.partner_side import PartnerSide, distinct, during, read_items
from cdrelay.conformance.publisher_times import complaint
from cdrelay.contract.error_bodies import error_message
from cdrelay.contract.history import MOST_LOCATIONS, HistoryWindow
from cdrelay.contract.windows import Period

FEED, STREAM = "cdr_feed", "cdr_stream"
_MILLISECOND = timedelta(milliseconds=1)
_ENOUGH = 2_000
"""Records to page through: 500 a page and ten pages a minute (FACTS 3.1), a large hour would take longer than that."""
_HALVINGS = 12
_NONE = "it has no {}, which a publisher need not have"


def _windows(side: PartnerSide) -> Mapping[str, HistoryWindow]:
    return {FEED: side.history.feed, STREAM: side.history.stream}


async def _offered(side: PartnerSide, name: str) -> bool:
    """Whether there is such an API: without parameters it refuses, and is not unknown. That uses up no request."""
    answer = await side.ask_history(name, {})
    return answer.status not in {404, 405, 501} or "no cdrs" in error_message(answer.body).lower()


async def _asked(side: PartnerSide, period: Period, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {"orgId": await side.organization()} | during(period) | dict(more or {})


def _latest(side: PartnerSide, window: HistoryWindow) -> Period:
    end = side.now() - window.settle - side.margin
    return Period(end - window.span, end)


async def _short_period(side: PartnerSide) -> tuple[Period, str]:
    """The organization with the most records in the latest hour with any, and a part of that hour with some of them."""
    period, (busiest, *_) = await side.busiest()
    for _ in range(_HALVINGS):
        if (await side.counts(period)).get(busiest, 0) <= _ENOUGH:
            break
        middle = period.start + (period.end - period.start) / 2
        early = Period(period.start, middle)
        period = early if (await side.counts(early)).get(busiest, 0) else Period(middle, period.end)
    return period, busiest


@check("FACTS 3.1; TRAPS 4", "cdr_feed answers 12 hours, cdr_stream 2 hours; 1 ms more is refused with 400.")
async def history_spans(side: PartnerSide) -> Outcome:
    """The longest period is asked for, then one that is too long."""
    found, offered = [], 0
    for name, window in _windows(side).items():
        if not await _offered(side, name):
            continue
        offered += 1
        longest = _latest(side, window)
        answer = await side.ask_history(name, await _asked(side, longest))
        if answer.status not in {200, 404}:
            found.append(f"{name}, the longest period: {answer}")
        longer = Period(longest.start - _MILLISECOND, longest.end)
        problem = complaint(await side.ask_history(name, await _asked(side, longer)), "endTime")
        found += [f"{name}, 1 ms more: {problem}"] if problem else []
    return judged(found, "the longest is answered, 1 ms more refused") if offered else skipped(_NONE.format(FEED))


@check(
    "FACTS 3.1",
    "cdr_feed wants an end at least 5 minutes old, cdr_stream 1 minute, and a start within 48 and 12 hours.",
)
async def history_reach(side: PartnerSide) -> Outcome:
    """An end of just now, and a start just outside, with a margin for the clock."""
    found, offered = [], 0
    for name, window in _windows(side).items():
        if not await _offered(side, name):
            continue
        offered += 1
        margin = window.settle / 5
        now, old = side.now(), side.now() - window.reach - margin
        tries = {"endTime": Period(now - window.settle - margin, now), "startTime": Period(old, old + margin)}
        for named, period in tries.items():
            problem = complaint(await side.ask_history(name, await _asked(side, period)), named)
            # The provider's documents also name 30 days for cdr_feed; a longer reach harms no one.
            if problem and not (named == "startTime" and name == FEED):
                found.append(f"{name}, {named} just outside: {problem}")
    return judged(found, "refused just outside the limits") if offered else skipped(_NONE.format(FEED))


@check("FACTS 3.1, 3.2", "cdr_feed gives each record of a period once, over pages that Link headers lead to.")
async def feed_pages(side: PartnerSide) -> Outcome:
    """As many and the same as the records endpoint gives of the busiest organization, 500 a page."""
    if not await _offered(side, FEED):
        return skipped(_NONE.format(FEED))
    period, organization = await _short_period(side)
    asked = {"orgId": organization, "max": "500"} | during(period)
    before = distinct(await side.records(organization, period))
    items = await side.follow(await side.ask_history(FEED, asked))
    after = distinct(await side.records(organization, period))
    ids = distinct(items)
    found = []
    if not before & after <= ids:
        found.append(f"{len((before & after) - ids)} records of {len(after)} are missing")
    if ids - before - after:
        found.append(f"{len(ids - before - after)} records are not of the period or the organization")
    if found or len(items) == len(ids):
        return judged(found, f"{len(items)} records, as the records endpoint has them")
    # Pages that share a moment may repeat records; whoever reads must know them again (FACTS 3.2).
    return warning(f"all {len(ids)} records came, but {len(items) - len(ids)} of them more than once")


@check("FACTS 3.1", "max is pulled to 500 or 5000 where it is less or more, and not refused.")
async def max_pulled(side: PartnerSide) -> Outcome:
    """1 and 1,000,000."""
    if not await _offered(side, FEED):
        return skipped(_NONE.format(FEED))
    hour, organizations = await side.busiest()
    known = len(await side.records(organizations[0], hour))
    pages, found = side.history.feed.pages, []
    for text, most in {"1": pages.smallest, "1000000": pages.largest}.items():
        answer = await side.ask_history(FEED, {"orgId": organizations[0], "max": text} | during(hour))
        if answer.status != 200:
            found.append(f"max={text}: {answer}")
            continue
        held = len(read_items(answer))
        if held > most or held < min(known, most):
            found.append(f"max={text}: {held} records of {known} on the page")
    return judged(found, f"taken both, of {known} records")


@check("FACTS 3.1", "locations chooses records by name of location, and more than 10 names are refused with 400.")
async def locations(side: PartnerSide) -> Outcome:
    """One that a record names, and eleven."""
    if not await _offered(side, FEED):
        return skipped(_NONE.format(FEED))
    period, organization = await _short_period(side)
    asked = {"orgId": organization} | during(period)
    many = ",".join(f"Place {number}" for number in range(MOST_LOCATIONS + 1))
    problem = complaint(await side.ask_history(FEED, asked | {"locations": many}), "locations")
    if problem:
        return failed(f"{MOST_LOCATIONS + 1} names: {problem}")
    items = await side.records(organization, period)
    named = [str(one.get("Location") or "") for one in items]
    name = next((text for text in named if text and "," not in text), None)
    if name is None:
        raise NothingToCheck("no record of the period names a location")
    chosen = await side.follow(await side.ask_history(FEED, asked | {"locations": name}))
    others = [one for one in chosen if one.get("Location") != name]
    if others or len(distinct(chosen)) < named.count(name):
        return failed(f"of {named.count(name)} records there, {len(chosen)} came, {len(others)} of other locations")
    return passed(f"{len(chosen)} records of one of {len(set(named))} locations")


@check(
    "FACTS 3.1, 3.3; TRAPS 24",
    "An answer of 429 says in Retry-After after how many seconds to come again, and keeps to it.",
)
async def too_fast(side: PartnerSide) -> Outcome:
    """Two first requests, one right after the other."""
    if not await _offered(side, FEED):
        return skipped(_NONE.format(FEED))
    asked = await _asked(side, _latest(side, side.history.feed))
    answers = [await side.ask_history_once(FEED, asked) for _ in range(2)]
    limited = next((one for one in answers if one.status == 429), None)
    if limited is None:
        return warning("no limit was met: two first requests in a row were answered")
    seconds = limited.headers.get("Retry-After", "")
    if not (seconds.isascii() and seconds.isdigit() and int(seconds) >= 1):
        return failed(f"429 with Retry-After {seconds[:20]!r}, which is no number of seconds from 1")
    return await _after_the_wait(side, asked, int(seconds))


async def _after_the_wait(side: PartnerSide, asked: Mapping[str, str], seconds: int) -> Outcome:
    if seconds > side.longest_rest_seconds:
        return warning(f"Retry-After: {seconds}, too long for the kit to wait")
    await side.rest(seconds)
    answer: Answer = await side.ask_history_once(FEED, asked)
    return failed(f"after the {seconds} s: {answer}") if answer.status == 429 else passed(f"Retry-After: {seconds}")


HISTORY_CHECKS = (history_spans, history_reach, feed_pages, max_pulled, locations, too_fast)
