"""Who may have the records of a party, and for which times: the rules of the two feed types. Pure.

Analytics: all records of the customers with which the partner has a calling relationship. Billing: records of users
and workspaces whose licence the partner sold, and of its customers' workspaces whose licence nobody is known to have
sold (seed: workspaces are included; docs/decisions/0008). What counts is what was in force when the call ended.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cdrelay.lake.selection import Claim, Claims, Party
from cdrelay.publisher.parties import ResourceType

Span = tuple[datetime, datetime]
"""[from, to)."""

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Where the span of what has no end yet ends."""


@dataclass(frozen=True, slots=True)
class Held:
    """A relation or licence: which partner, of which organization and, of a licence, which holder, when."""

    partner_id: str
    org_uuid: str
    holder_uuid: str
    """Empty for a relation."""
    span: Span


def claims_of(
    parties: Iterable[Party],
    feeds: Sequence[tuple[str, ResourceType]],
    relations: Iterable[Held],
    licences: Iterable[Held],
    *,
    by_holder: bool,
) -> Claims:
    """What each of `feeds` (partner, resource type), the recipients by their place in it, may have of the parties.

    `relations` and `licences` are all that concern the parties, of any partner.
    """
    related, sold = _by_party(relations), _by_party(licences)
    numbers: dict[str, list[tuple[int, ResourceType]]] = defaultdict(list)
    for number, (partner_id, resource_type) in enumerate(feeds):
        numbers[partner_id].append((number, resource_type))
    claims = []
    for party in parties:
        of_customer = related.get((party.org_uuid, ""), {})
        of_holder = sold.get((party.org_uuid, party.holder_uuid), {})
        for partner_id in {*of_customer, *of_holder} & numbers.keys():
            for number, resource_type in numbers[partner_id]:
                spans = _spans(party, resource_type, partner_id, of_customer, of_holder)
                whose = party.org_uuid, party.holder_uuid, party.workspace
                claims += [Claim(number, *whose, *span) for span in spans]
    return Claims(claims, by_holder)


def _by_party(held: Iterable[Held]) -> dict[tuple[str, str], dict[str, list[Span]]]:
    """The spans by organization and holder, and by partner."""
    found: dict[tuple[str, str], dict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
    for one in held:
        found[one.org_uuid, one.holder_uuid][one.partner_id].append(one.span)
    return found


def _spans(
    party: Party,
    resource_type: ResourceType,
    partner_id: str,
    of_customer: Mapping[str, Collection[Span]],
    of_holder: Mapping[str, Collection[Span]],
) -> list[Span]:
    if resource_type == "analytics":
        return union(of_customer.get(partner_id, ()))
    spans = list(of_holder.get(partner_id, ()))
    if party.workspace:
        anyones = [span for seller in of_holder.values() for span in seller]
        spans += without(of_customer.get(partner_id, ()), anyones)
    return union(spans)


def union(spans: Iterable[Span]) -> list[Span]:
    """The same times in spans that neither overlap nor touch, the first first."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif start < end:
            found.append((start, end))
    return found


def without(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The times of `spans` that are in none of `others`, as `union` gives them."""
    found, barred = [], union(others)
    for start, end in union(spans):
        begin = start
        for barred_start, barred_end in barred:
            if barred_end <= begin or barred_start >= end:
                continue
            if begin < barred_start:
                found.append((begin, barred_start))
            begin = barred_end
        if begin < end:
            found.append((begin, end))
    return found
