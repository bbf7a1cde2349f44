"""Checks of a publisher: who is let in, what the answers hold, and whether counts and records agree."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from cdrelay.conformance.checks import CheckFailed, NothingToCheck, Outcome, check, failed, judged, passed
from cdrelay.conformance.partner_side import (
    COUNTS,
    PAGES_AT_MOST,
    RECORDS,
    Endpoint,
    PartnerSide,
    distinct,
    during,
    read_listing,
)
from cdrelay.conformance.publisher_times import complaint, refusals
from cdrelay.contract.organization_ids import encoded_organization_id
from cdrelay.contract.times import read_time
from cdrelay.contract.windows import Period
from cdrelay.records.fields import FIELDS

_ORGANIZATIONS_COMPARED = 10
_BAD_TOKENS: Mapping[str, Mapping[str, str]] = {
    "without a token": {},
    "with an unknown token": {"Authorization": "Bearer no-one-ever-made-this-token"},
    "with an empty token": {"Authorization": "Bearer "},
    "with another scheme": {"Authorization": "Basic bm8tb25lOm5vLW9uZQ=="},
}


@check("seed: API endpoints; FACTS 5", "Without a partner access token that is known, the answer is 401.")
async def token_required(side: PartnerSide) -> Outcome:
    """Both endpoints, four ways."""
    hour, found = during(side.latest()), []
    for endpoint in await side.endpoints():
        for how, headers in _BAD_TOKENS.items():
            answer = await side.ask(endpoint.name, dict(endpoint.fixed) | hour, headers)
            if answer.status != 401:
                found.append(f"{endpoint.name} {how}: {answer}")
    return judged(found, "all were refused with 401")


@check(
    "seed: reconciliation endpoint; FACTS 2.1",
    "Counts come as cdr_counts, each with orgId and count, and with the three page headers.",
)
async def counts_shape(side: PartnerSide) -> Outcome:
    """The first page."""
    listing = await side.page(side.latest())
    return passed(f"{len(listing.counts)} organizations on page {listing.current} of {listing.pages}")


@check(
    "seed: reconciliation endpoint; TRAPS 5",
    "num-pages, total-orgs and current-page fit what the pages hold, at most 200 organizations each.",
)
async def pages_of_counts(side: PartnerSide) -> Outcome:
    """All pages of one hour."""
    hour, found = side.latest(), []
    first = await side.page(hour)
    pages = [first, *[await side.page(hour, number) for number in range(2, min(first.pages, PAGES_AT_MOST) + 1)]]
    for number, page in enumerate(pages, 1):
        if page.current != number:
            found.append(f"page {number} says it is page {page.current}")
        if (page.pages, page.total) != (first.pages, first.total):
            found.append(
                f"page {number} says {page.pages} pages of {page.total}, page 1 {first.pages} of {first.total}"
            )
        if len(page.counts) > side.rules.organizations_per_page:
            found.append(f"page {number} holds {len(page.counts)} organizations")
    listed = [org for page in pages for org in page.counts]
    if len(listed) != len(set(listed)):
        found.append("an organization is on two pages")
    if len(listed) != first.total:
        found.append(f"total-orgs is {first.total}, listed are {len(listed)}")
    return judged(found, f"organizations: {len(listed)}, pages: {len(pages)}")


@check("FACTS 2.1", "A page beyond the last is empty, or refused with 400 or 404.")
async def page_beyond_the_end(side: PartnerSide) -> Outcome:
    """One past what num-pages says."""
    hour = side.latest()
    last = (await side.page(hour)).pages
    answer = await side.ask(COUNTS, during(hour) | {"page": str(last + 1)})
    if answer.status in {400, 404}:
        return passed(str(answer))
    held = len(read_listing(answer).counts)
    return failed(f"it repeats {held} organizations") if held else passed("an empty list")


@check("FACTS 2.3", "A page that is no whole number from 1 is refused with 400, and the message names the parameter.")
async def bad_page(side: PartnerSide) -> Outcome:
    """Zero, less, a fraction, a word."""
    hour = during(side.latest())
    tries = [(f"page={text}", hour | {"page": text}, "page") for text in ("0", "-1", "1.5", "two")]
    return judged(await refusals(side, Endpoint(COUNTS, {}), tries), "all were refused with 400")


@check(
    "seed: records endpoint; FACTS 2.2",
    "Records come as items, each of the organization and the period that were asked for.",
)
async def records_shape(side: PartnerSide) -> Outcome:
    """Of the busiest organization of the latest hour with records."""
    hour, organizations = await side.busiest()
    items = await side.records(organizations[0], hour)
    found = [problem for item in items for problem in _item_problems(item, organizations[0], hour)]
    return judged(found, f"{len(items)} records")


def _item_problems(item: Mapping[str, Any], organization: str, hour: Period) -> Iterable[str]:
    if str(item.get("Org UUID")).lower() != organization:
        yield "a record has another Org UUID"
    if not item.get("Report ID"):
        yield "a record has no Report ID"
    ended = _moment(item)
    if ended is None:
        yield "a Report time is not of the form YYYY-MM-DDTHH:MM:SS.mmmZ"
    elif ended not in hour:
        yield "a Report time lies outside of the period"


def _moment(item: Mapping[str, Any]) -> datetime | None:
    try:
        return read_time(str(item.get("Report time")))
    except ValueError:
        return None


@check(
    "seed: records endpoint; FACTS 4",
    "Every record has all 87 keys of the Detailed Call History format, spelled as on the wire.",
)
async def all_keys(side: PartnerSide) -> Outcome:
    """Of the same organization."""
    hour, organizations = await side.busiest()
    items = await side.records(organizations[0], hour)
    missing = [field.name for field in FIELDS if any(field.name not in item for item in items)]
    return judged([f"{name} is missing" for name in missing], f"{len(FIELDS)} keys in each of {len(items)} records")


@check(
    "seed: reconciliation endpoint; TRAPS 2, 3",
    "For an hour, the distinct records of each organization are as many as its count says.",
)
async def counts_match_records(side: PartnerSide) -> Outcome:
    """Counted before and after, since a late record may come in between."""
    hour, organizations = await side.busiest()
    compared = organizations[:_ORGANIZATIONS_COMPARED]
    before = await side.counts(hour)
    held = {org: len(distinct(await side.records(org, hour))) for org in compared}
    after = await side.counts(hour)
    found = [
        f"{org}: counted {before.get(org, 0)}, then {after.get(org, 0)}, gave {number}"
        for org, number in held.items()
        # A correction moves a record out of an hour, so the count can also fall.
        if not min(before.get(org, 0), after.get(org, 0)) <= number <= max(before.get(org, 0), after.get(org, 0))
    ]
    return judged(found, f"{sum(held.values())} records of {len(held)} organizations, as counted")


@check(
    "FACTS 1.1; TRAPS 1",
    "Periods include their start and exclude their end: a record on the edge of two is in the second alone.",
)
async def half_open_periods(side: PartnerSide) -> Outcome:
    """The hour is cut at the very Report time of one of its records."""
    hour, organizations = await side.busiest()
    items = await side.records(organizations[0], hour)
    edge = next((moment for item in items if (moment := _moment(item)) and hour.start < moment), None)
    if edge is None:
        raise NothingToCheck("no record lies inside the hour")
    one = next(str(item.get("Report ID")) for item in items if _moment(item) == edge)
    first = distinct(await side.records(organizations[0], Period(hour.start, edge)))
    second = distinct(await side.records(organizations[0], Period(edge, hour.end)))
    found = ["the record on the edge is in the period that ends there"] if one in first else []
    if one not in second:
        found.append("the record on the edge is not in the period that starts there")
    return judged(found, "the record on the edge is in the period that starts there")


@check(
    "seed: records endpoint; FACTS 2.2, 6",
    "orgId and orgID are both taken, and an encoded organization id means the same as the plain one.",
)
async def organization_spellings(side: PartnerSide) -> Outcome:
    """Three ways to ask the same question."""
    hour, organizations = await side.busiest()
    org = organizations[0]
    plain = distinct(await side.records(org, hour))
    found = []
    for how, text, parameter in (
        ("orgID", org, "orgID"),
        ("in capitals", org.upper(), "orgId"),
        ("encoded", encoded_organization_id(org), "orgId"),
    ):
        try:
            same = distinct(await side.records(text, hour, parameter)) == plain
        except CheckFailed as error:
            found.append(f"{how}: {error}")
            continue
        if not same:
            found.append(f"{how}: other records than with orgId and the plain id")
    return judged(found, f"{len(plain)} records each time")


@check("FACTS 2.3", "An organization that is not the partner's is answered 403 or 404.")
async def unknown_organization(side: PartnerSide) -> Outcome:
    """A UUID that was made for this question."""
    answer = await side.ask(RECORDS, {"orgId": str(uuid4())} | during(side.latest()))
    return passed(str(answer)) if answer.status in {403, 404} else failed(str(answer))


@check(
    "FACTS 2.3",
    "A missing organization id, or one that is none, is refused with 400, and the message names the parameter.",
)
async def bad_organization(side: PartnerSide) -> Outcome:
    """None, an empty one, and a word."""
    hour = during(side.latest())
    found = []
    for what, more in {"no orgId": {}, "empty orgId": {"orgId": ""}, "orgId of a word": {"orgId": "nobody"}}.items():
        problem = complaint(await side.ask(RECORDS, hour | more), "orgId")
        if problem is not None:
            found.append(f"{what}: {problem}")
    return judged(found, "all were refused with 400")


ANSWER_CHECKS = (
    token_required,
    counts_shape,
    pages_of_counts,
    page_beyond_the_end,
    bad_page,
    records_shape,
    all_keys,
    counts_match_records,
    half_open_periods,
    organization_spellings,
    unknown_organization,
    bad_organization,
)
