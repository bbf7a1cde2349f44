"""The client against a provider that misbehaves over real HTTP."""

from collections.abc import AsyncIterator

import pytest

from cdrelay.clock import ManualClock
from cdrelay.collector.partner_client import PartnerClient
from cdrelay.collector.record_numbers import count_records
from cdrelay.contract.answers import Patience, ProviderRejected, ProviderUnavailable
from cdrelay.contract.windows import Period
from cdrelay.provider_exchange import ClientLimits
from tests.integration.collector.collector_bench import LIMITS, START
from tests.support.provider import NOTHING, TOKEN, Call, Provider, Trouble, calls, organization

A, B = organization(1), organization(2)
HOUR = Period(START.replace(hour=10, minute=0), START.replace(hour=11, minute=0))


class NotingClock(ManualClock):
    """Stands still, and notes how long it was to sleep."""

    def __init__(self) -> None:
        super().__init__(START)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """At once."""
        self.slept.append(seconds)


@pytest.fixture
def clock() -> NotingClock:
    return NotingClock()


@pytest.fixture
async def provider(clock: NotingClock) -> AsyncIterator[Provider]:
    async with Provider(clock, records=calls(A, HOUR.start, 5)) as running:
        yield running


@pytest.fixture
async def client(provider: Provider, clock: NotingClock) -> AsyncIterator[PartnerClient]:
    limits = ClientLimits(answer_seconds=10, body_bytes=1_000_000, patience=Patience(3, 120))
    async with PartnerClient(provider.base, TOKEN, clock, limits, jitter=lambda: 0.0) as opened:
        yield opened


async def all_records(client: PartnerClient, org_uuid: str = A) -> list[int]:
    return [count_records(body, "", 1_000_000) async for body in client.records(org_uuid, HOUR)]


async def test_times_are_asked_for_as_the_contract_writes_them(provider: Provider, client: PartnerClient) -> None:
    await client.counts(HOUR)
    assert provider.requests == [
        "/v1/partners/cdrcountbyorg?startTime=2026-11-24T10:00:00.000Z&endTime=2026-11-24T11:00:00.000Z"
    ]


@pytest.mark.parametrize(
    ("trouble", "slept"),
    [
        (Trouble(429, headers={"Retry-After": "7"}), 7),
        (Trouble(429), 5),
        (Trouble(429, headers={"Retry-After": "100000"}), 120),
        (Trouble(423), 5),
        (Trouble(500), 1),
        (Trouble(200, "<html>sign in</html>"), 1),
        (Trouble(200, '{"cdr_counts": null}'), 1),
        (Trouble(200, ""), 1),
    ],
    ids=lambda value: f"{value.status} {value.body}" if isinstance(value, Trouble) else str(value),
)
async def test_passing_trouble_is_waited_for_and_asked_again(
    provider: Provider, client: PartnerClient, clock: NotingClock, trouble: Trouble, slept: float
) -> None:
    provider.troubles.append(trouble)
    assert await client.counts(HOUR) == {A: 5}
    assert clock.slept == [slept]
    assert client.requests == 2


async def test_a_body_without_items_is_asked_for_again(provider: Provider, client: PartnerClient) -> None:
    provider.troubles.append(Trouble(200, "{}"))
    assert await all_records(client) == [5]


async def test_trouble_without_end_is_given_up(provider: Provider, client: PartnerClient) -> None:
    provider.troubles.extend([Trouble(500, '{"message": "over and over"}')] * 10)
    with pytest.raises(ProviderUnavailable, match="over and over"):
        await client.counts(HOUR)
    assert client.requests == 3


async def test_an_unreachable_provider_is_given_up(clock: NotingClock) -> None:
    async with Provider(clock) as gone:
        base = gone.base
    async with PartnerClient(base, TOKEN, clock, LIMITS) as client:
        with pytest.raises(ProviderUnavailable, match="no answer"):
            await client.counts(HOUR)


async def test_an_answer_that_never_ends_is_not_held_in_memory(provider: Provider, client: PartnerClient) -> None:
    provider.troubles.extend([Trouble(200, "x" * 1_100_000)] * 3)
    with pytest.raises(ProviderUnavailable, match="AnswerTooLarge"):
        await client.counts(HOUR)


async def test_another_region_is_followed_and_remembered(
    provider: Provider, client: PartnerClient, clock: NotingClock
) -> None:
    async with Provider(clock, records=calls(B, HOUR.start, 2)) as right:
        provider.troubles.append(Trouble(451, f'{{"message": "Please use {right.base.removeprefix("http://")}"}}'))
        assert await client.counts(HOUR) == {B: 2}
        assert await all_records(client, B) == [2]
        assert len(provider.requests) == 1


async def test_the_token_is_not_taken_to_a_foreign_host(provider: Provider, client: PartnerClient) -> None:
    provider.troubles.append(Trouble(451, '{"message": "Please use localhost.example.com"}'))
    with pytest.raises(ProviderRejected, match="region"):
        await client.counts(HOUR)


async def test_a_redirect_is_not_followed(provider: Provider, client: PartnerClient, clock: NotingClock) -> None:
    async with Provider(clock) as elsewhere:
        provider.troubles.append(Trouble(302, headers={"Location": f"{elsewhere.base}/v1/partners/cdrcountbyorg"}))
        with pytest.raises(ProviderRejected, match="302"):
            await client.counts(HOUR)
        assert elsewhere.tokens_seen == []


async def test_404_for_counts_is_a_wrong_address_and_for_records_nothing(
    provider: Provider, client: PartnerClient
) -> None:
    assert await all_records(client, B) == []
    provider.troubles.append(NOTHING)
    with pytest.raises(ProviderRejected, match="api address"):
        await client.counts(HOUR)


async def test_a_token_that_a_refusal_repeats_is_not_told_on(provider: Provider, client: PartnerClient) -> None:
    provider.troubles.append(Trouble(400, f'{{"message": "not for {TOKEN}"}}'))
    with pytest.raises(ProviderRejected, match="not for ") as refused:
        await client.counts(HOUR)
    assert TOKEN not in str(refused.value)


async def test_a_404_page_of_somebody_else_is_not_taken_for_no_records(
    provider: Provider, client: PartnerClient
) -> None:
    provider.troubles.append(Trouble(404, "<html>Not Found</html>"))
    with pytest.raises(ProviderRejected, match="not the provider's"):
        await all_records(client)


async def test_an_empty_list_is_nothing(provider: Provider, client: PartnerClient) -> None:
    provider.troubles.append(Trouble(200, '{"items": []}'))
    assert await all_records(client) == []


async def test_next_links_are_followed_though_pages_repeat_records(provider: Provider, client: PartnerClient) -> None:
    provider.records_per_page = 2
    assert await all_records(client) == [2, 3, 2]


async def test_pages_announced_by_count_headers_are_asked_for(provider: Provider, client: PartnerClient) -> None:
    provider.troubles.append(Trouble(200, '{"items": [{}]}', {"num-pages": "2"}))
    assert await all_records(client) == [1, 5]
    assert provider.requests[1].endswith("&page=2")


async def test_a_next_link_to_a_foreign_host_is_not_followed(provider: Provider, client: PartnerClient) -> None:
    provider.troubles.append(Trouble(200, '{"items": [{}]}', {"Link": '<https://evil.example/>; rel="next"'}))
    with pytest.raises(ProviderRejected, match="another host"):
        await all_records(client)


@pytest.mark.parametrize("host", ["a..webexapis.com", f"{'a' * 64}.webexapis.com"])
async def test_a_next_link_to_a_host_that_cannot_be_is_given_up(
    provider: Provider, client: PartnerClient, host: str
) -> None:
    provider.troubles.append(Trouble(200, '{"items": [{}]}', {"Link": f'<http://{host}/>; rel="next"'}))
    with pytest.raises(ProviderUnavailable, match="no answer"):
        await all_records(client)


@pytest.fixture
def many(provider: Provider) -> Provider:
    provider.records = [Call(organization(number), HOUR.start) for number in range(100, 383)]
    return provider


async def test_283_organizations_are_two_requests(many: Provider, client: PartnerClient) -> None:
    assert len(await client.counts(HOUR)) == 283
    assert client.requests == 2


async def test_an_organization_that_appears_between_pages_pushes_none_out(
    many: Provider, client: PartnerClient
) -> None:
    first = organization(1)

    def appear(page: int) -> None:
        if page == 2 and len(many.records) == 283:
            many.records.append(Call(first, HOUR.start))

    many.before_page = appear
    counts = await client.counts(HOUR)
    assert counts == {call.org_uuid: 1 for call in many.records}
    assert first in counts


async def test_an_organization_that_disappears_between_pages_takes_none_with_it(
    many: Provider, client: PartnerClient
) -> None:
    before = list(many.records)

    def disappear(page: int) -> None:
        if page == 2:
            many.records = before[1:]

    many.before_page = disappear
    assert await client.counts(HOUR) == {call.org_uuid: 1 for call in before}


async def test_pages_that_never_stand_still_end_in_all_that_was_seen(many: Provider, client: PartnerClient) -> None:
    fresh = iter(range(100))

    def appear(page: int) -> None:
        if page == 2:
            many.records.append(Call(organization(next(fresh)), HOUR.start))

    many.before_page = appear
    counts = await client.counts(HOUR)
    assert client.requests == 8
    assert len(counts) >= 283 + 3
