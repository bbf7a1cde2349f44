"""The publisher kit against our own publisher, which passes, in ordinary and in compressed time."""

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from cdrelay.clock import SystemClock
from cdrelay.conformance import publisher_history
from cdrelay.conformance.checks import CannotRun, Result
from cdrelay.conformance.exchange import read_url
from cdrelay.conformance.publisher import ENDPOINT_CHECKS, check_publisher
from cdrelay.conformance.publisher_history import HISTORY_CHECKS
from cdrelay.contract.windows import EPOCH
from tests.integration.conformance.conftest import Ours, ours_on
from tests.integration.conformance.wrong_publisher import (
    ANSWERS,
    HISTORY_ANSWERS,
    HISTORY_QUESTIONS,
    NO_HEADERS,
    NO_RETRY_AFTER,
    QUESTIONS,
    make_wrong,
)
from tests.support.provider import TOKEN, Provider, Trouble, calls, organization


async def run(ours: Ours, token: str | None = None, only: set[str] | None = None) -> list[Result]:
    """The results of the kit."""
    rules = ours.running.foundation.settings.rules
    checks = [one for one in ENDPOINT_CHECKS if only is None or one.name in only]
    history, token = ours.running.foundation.settings.history_rules, token or ours.token
    address, clock = read_url(ours.address), SystemClock()
    return await check_publisher(address, token, clock, rules=rules, history=history, checks=checks)


def partner_without_calls(ours: Ours) -> str:
    """The token of another partner, with one customer who has no calls."""
    assert ours.running.publisher is not None
    directory = ours.running.publisher.directory
    partner = directory.add_partner("Quiet")
    directory.add_organization("11111111-2222-4333-8444-555555555555", partner_id=partner.id, starts_at=EPOCH)
    return directory.credentials.create_token(partner.id)


async def test_our_publisher_passes_every_check(ours: Ours) -> None:
    results = await run(ours)

    # Without a limit on questions, as here, there is none to be met.
    assert [(one.name, one.verdict) for one in results if one.verdict != "passed"] == [("too-fast", "warning")]
    assert len(results) == len(ENDPOINT_CHECKS)


async def test_of_a_busy_hour_only_a_part_is_paged_through(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = await run(ours, only={"feed-pages"})
    # The records of one call can end in the same millisecond, ten of them: there is no smaller part than these.
    monkeypatch.setattr(publisher_history, "_ENOUGH", enough := 20)
    (part,) = await run(ours, only={"feed-pages"})

    assert (whole.verdict, part.verdict) == ("passed", "passed")
    assert 1 <= int(part.what.split()[0]) <= enough < int(whole.what.split()[0])


async def test_our_publisher_passes_every_check_in_compressed_time(tmp_path: Path) -> None:
    async with ours_on(tmp_path / "home", compress=60) as ours:
        results = await run(ours)

    assert [(one.name, one.what) for one in results if one.verdict != "passed"] == []


async def test_a_token_that_is_not_taken_means_that_nothing_can_be_checked(ours: Ours) -> None:
    with pytest.raises(CannotRun, match="with this token: answered 401"):
        await run(ours, token="nobody")


FAULTS = {
    "takes times without milliseconds": "other-time-forms",
    "passes over the page": "page-beyond-the-end",
    "includes the end of a period": "half-open-periods",
    "knows orgId alone": "organization-spellings",
    "counts one too many": "counts-match-records",
    "leaves a key out": "all-keys",
    "does not name the parameter": "times-required",
    "answers errors with a page": "error-shape",
    "answers 403 for 401": "token-required",
    "has nothing for strangers": "unknown-organization",
    NO_HEADERS: "counts-shape",
    "takes a period 1 ms too long": "history-spans",
    "takes an end of just now": "history-reach",
    "refuses a max out of range": "max-pulled",
    "passes over locations": "locations",
    "leaves a record out": "feed-pages",
    NO_RETRY_AFTER: "too-fast",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_a_publisher_is_caught_by_the_check_that_is_for_it(fault: str, tmp_path: Path) -> None:
    speed = 60 if fault == NO_RETRY_AFTER else 1
    async with ours_on(tmp_path / "home", speed, partial(make_wrong, fault=fault)) as ours:
        results = await run(ours, only={FAULTS[fault]})

    assert FAULTS[fault] in {one.name for one in results if one.verdict == "failed"}


def test_every_fault_of_a_publisher_is_tried() -> None:
    of_history = HISTORY_QUESTIONS.keys() | HISTORY_ANSWERS.keys() | {NO_RETRY_AFTER}
    assert FAULTS.keys() == QUESTIONS.keys() | ANSWERS.keys() | {NO_HEADERS} | of_history


async def test_a_publisher_without_history_apis_is_not_asked_to_have_them() -> None:
    clock = SystemClock()
    provider = Provider(clock, records=calls(organization(1), clock.now() - timedelta(minutes=30), 5))
    async with provider:
        results = await check_publisher(read_url(provider.base), TOKEN, clock, checks=HISTORY_CHECKS)

    assert {(one.verdict, one.what) for one in results} == {
        ("skipped", "it has no cdr_feed, which a publisher need not have")
    }


async def test_without_records_what_needs_some_is_a_warning(ours: Ours) -> None:
    results = await run(ours, token=partner_without_calls(ours))

    warned = {one.name for one in results if one.verdict == "warning"}
    assert {"records-shape", "all-keys", "counts-match-records", "half-open-periods"} <= warned
    assert [one for one in results if one.verdict == "failed"] == []


async def test_283_organizations_on_two_pages_pass(ours: Ours) -> None:
    assert ours.running.publisher is not None
    directory = ours.running.publisher.directory
    partner = directory.add_partner("Large")
    for number in range(283):
        directory.add_organization(organization(number), partner_id=partner.id, starts_at=EPOCH)

    results = await run(
        ours, directory.credentials.create_token(partner.id), {"pages-of-counts", "page-beyond-the-end"}
    )

    assert [(one.verdict, one.what) for one in results] == [
        ("passed", "organizations: 283, pages: 2"),
        ("passed", "an empty list"),
    ]


async def test_another_publisher_that_pages_by_link_and_limits_requests_is_read_to_the_end() -> None:
    clock = SystemClock()
    hour_ago = clock.now().replace(microsecond=0) - timedelta(hours=1)
    provider = Provider(clock, records=calls(organization(1), hour_ago, 25), records_per_page=10)
    provider.troubles.append(Trouble(429, headers={"Retry-After": "0"}))
    names = {"counts-match-records", "half-open-periods", "records-shape"}
    checks = [one for one in ENDPOINT_CHECKS if one.name in names]

    async with provider:
        results = await check_publisher(read_url(provider.base), TOKEN, clock, checks=checks)

    assert {one.verdict for one in results} == {"passed"}, results
    assert any("offset=20" in path for path in provider.requests)


async def test_a_token_goes_to_no_other_host() -> None:
    elsewhere = Trouble(200, '{"items":[]}', {"Link": '<http://127.0.0.1:1/v1/partners/cdrsbyorg>; rel="next"'})
    clock = SystemClock()
    provider = Provider(clock, records=calls(organization(1), clock.now() - timedelta(hours=1), 5))
    provider.record_troubles[organization(1)] = elsewhere
    checks = [one for one in ENDPOINT_CHECKS if one.name == "records-shape"]

    async with provider:
        results = await check_publisher(read_url(provider.base), TOKEN, clock, checks=checks)

    assert (results[0].verdict, results[0].what) == ("failed", "the next page lies elsewhere, at 127.0.0.1")
