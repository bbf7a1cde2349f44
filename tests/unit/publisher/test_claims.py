"""Who may have what: the rules of the two feed types, against a model that asks about one moment after the other."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cdrelay.lake.selection import Party
from cdrelay.publisher.directory.claims import FOREVER, Held, claims_of, union, without
from cdrelay.publisher.parties import ResourceType

START = datetime(2026, 11, 24, tzinfo=UTC)


def moment(number: int) -> datetime:
    return START + timedelta(minutes=number)


spans = st.tuples(st.integers(0, 9), st.integers(1, 5)).map(lambda pair: (moment(pair[0]), moment(sum(pair))))
lists_of_spans = st.lists(spans, max_size=5)


def held(holders: list[str]) -> st.SearchStrategy[list[Held]]:
    return st.lists(
        st.builds(
            Held,
            st.sampled_from(["p", "q", "r"]),
            st.sampled_from(["x", "y"]),
            st.sampled_from(holders),
            spans | spans.map(lambda span: (span[0], FOREVER)),
        ),
        max_size=8,
    )


holders = st.tuples(st.just(""), st.just(False)) | st.tuples(st.sampled_from(["a", "b"]), st.booleans())
party = st.builds(lambda org, holder: Party(org, *holder), st.sampled_from(["x", "y"]), holders)
parties = st.lists(party, max_size=6, unique=True)
feed = st.tuples(st.sampled_from(["p", "q"]), st.sampled_from(["analytics", "billing"]))
feeds = st.lists(feed, max_size=4, unique=True)


def covers(some: list[tuple[datetime, datetime]], at: datetime) -> bool:
    return any(start <= at < end for start, end in some)


@given(lists_of_spans, lists_of_spans)
def test_spans_are_joined_and_taken_from_each_other(some: list, others: list) -> None:
    joined, left = union(some), without(some, others)
    for number in range(16):
        at = moment(number)
        assert covers(joined, at) == covers(some, at)
        assert covers(left, at) == (covers(some, at) and not covers(others, at))
    for result in (joined, left):
        assert all(start < end for start, end in result)
        assert all(one[1] <= following[0] for one, following in pairwise(result))


def may(
    party: Party, partner: str, resource_type: ResourceType, related: list[Held], sold: list[Held], at: datetime
) -> bool:
    """The rule as the seed says it, about one record of the party."""
    of_customer = [one for one in related if one.org_uuid == party.org_uuid and covers([one.span], at)]
    holder = party.org_uuid, party.holder_uuid
    of_holder = [one for one in sold if (one.org_uuid, one.holder_uuid) == holder and covers([one.span], at)]
    managed = any(one.partner_id == partner for one in of_customer)
    if resource_type == "analytics":
        return managed
    return any(one.partner_id == partner for one in of_holder) or (party.workspace and managed and not of_holder)


@given(parties, feeds, held([""]), held(["a", "b"]))
def test_a_record_is_given_to_whom_it_is_due_and_once(
    some: list[Party], wanted: list[tuple[str, ResourceType]], related: list[Held], sold: list[Held]
) -> None:
    claims = claims_of(some, wanted, related, sold, by_holder=True).claims
    for party in some:
        for number in range(16):
            at = moment(number)
            given_to = Counter(
                claim.recipient
                for claim in claims
                if Party(claim.org_uuid, claim.holder_uuid, claim.workspace) == party
                and claim.starts_at <= at < claim.ends_at
            )
            due = {index for index, feed in enumerate(wanted) if may(party, *feed, related, sold, at)}
            assert given_to == Counter(due)
