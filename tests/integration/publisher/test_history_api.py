"""The two Detailed Call History APIs over HTTP: pages without gaps or repeats, what selects, how often one may ask."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import duckdb
import pytest
from yarl import URL

from cdrelay.contract.history import HistoryRules
from cdrelay.contract.organization_ids import encoded_organization_id
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH
from cdrelay.lake.spool import NoRoom
from cdrelay.publisher.api.history_api import history_router
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, Bench, record, report_id, served

FEED, STREAM, RECORDS = "/v1/cdr_feed", "/v1/cdr_stream", "/v1/partners/cdrsbyorg"
BOTH = pytest.mark.parametrize("path", [FEED, STREAM])
MS = timedelta(milliseconds=1)
UNLIMITED = HistoryRules(first_requests=0, page_requests=0)


def ago(**step: float) -> datetime:
    """That long before the start of the test."""
    return START - timedelta(**step)


def times(start: datetime, end: datetime) -> dict[str, str]:
    """As query parameters."""
    return {"startTime": write_time(start), "endTime": write_time(end)}


HOUR = times(ago(hours=2), ago(hours=1))


@dataclass
class Api:
    """A client with a partner's token."""

    bench: Bench
    client: aiohttp.ClientSession
    partner_id: str
    token: str

    async def get(self, path: str, params: dict[str, str] | None = None) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Status, decoded body, and the response for its headers."""
        # Encoded: a link is followed as it is.
        url = URL(path, encoded=True) if params is None else URL(path)
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.client.get(url, params=params, headers=headers) as response:
            return response.status, await response.json(), response

    async def pages(self, path: str, params: dict[str, str], then: Any = lambda: None) -> list[list[str]]:
        """The Report IDs on every page, following the links; `then` happens after the first."""
        status, body, response = await self.get(path, params)
        found = []
        while True:
            assert status == 200, body
            found.append([one["Report ID"] for one in body["items"]])
            link = response.links.get("next")
            if len(found) == 1:
                then()
            if link is None:
                return found
            status, body, response = await self.get(_target(response))


def _target(response: aiohttp.ClientResponse) -> str:
    """The address in the Link header, letter by letter."""
    address, _, relation = response.headers["Link"].partition(">")
    assert relation == '; rel="next"'
    return address.removeprefix("<")


@asynccontextmanager
async def api_of(bench: Bench, rules: HistoryRules, load: Any = None) -> AsyncIterator[Api]:
    """The APIs of a publisher with one partner, one organization and its token."""
    partner = bench.partner()
    app = bench.app()
    lake, backlog = bench.store.lake, bench.backlog(load)
    app.include_router(history_router(bench.directory, bench.entitlement, lake, backlog, bench.clock, rules))
    async with served(app) as client:
        yield Api(bench, client, partner.id, bench.directory.credentials.create_token(partner.id))


@pytest.fixture
async def api(bench: Bench) -> AsyncIterator[Api]:
    """Without limits on how often one may ask."""
    async with api_of(bench, UNLIMITED) as opened:
        yield opened


@pytest.fixture
async def limited(bench: Bench) -> AsyncIterator[Api]:
    """With the documented limits."""
    async with api_of(bench, HistoryRules()) as opened:
        yield opened


def store(api: Api, *records: dict[str, str]) -> None:
    """Take in and load."""
    api.bench.spool(*records)
    api.bench.store.loader.drain()


def assert_each_once(pages: list[list[str]], names: list[object]) -> None:
    """No record is missing and none repeated."""
    assert Counter(one for page in pages for one in page) == Counter(report_id(name) for name in names)


# --- pages ---


@pytest.mark.parametrize("path", [FEED, RECORDS])
async def test_records_of_one_millisecond_come_once_each_over_five_pages(api: Api, path: str) -> None:
    moment = ago(minutes=90)
    edges = {"before": moment - MS, "after": moment + MS}
    store(api, *(record(n, moment) for n in range(2_198)), *(record(name, at) for name, at in edges.items()))
    store(api, record("of another", moment, org=OTHER_ORG))
    pages = await api.pages(path, HOUR | {"max": "500", "orgId": ORG})
    assert [len(page) for page in pages] == [500, 500, 500, 500, 200]
    assert_each_once(pages, [*range(2_198), *edges])
    assert (pages[0][0], pages[-1][-1]) == (report_id("before"), report_id("after"))


async def test_records_of_one_payload_come_once_each_over_four_pages_of_the_stream(api: Api) -> None:
    store(api, *(record(n, ago(minutes=n)) for n in range(1_700)))
    api.bench.advance(minutes=1, milliseconds=1)
    pages = await api.pages(STREAM, times(START, START + MS) | {"max": "500"})
    assert [len(page) for page in pages] == [500, 500, 500, 200]
    assert_each_once(pages, list(range(1_700)))


async def test_moments_finer_than_a_millisecond_keep_their_place(api: Api) -> None:
    moment = ago(minutes=90)
    fine = [write_time(moment)[:-1] + f"{n % 997:03}Z" for n in range(1_600)]
    store(api, *(record(n, moment) | {"Report time": text} for n, text in enumerate(fine)))
    assert_each_once(await api.pages(FEED, HOUR | {"max": "500"}), list(range(1_600)))


async def test_a_last_page_that_is_full_leads_to_no_empty_one(api: Api) -> None:
    store(api, *(record(n, ago(minutes=90)) for n in range(1_000)))
    assert [len(page) for page in await api.pages(FEED, HOUR | {"max": "500"})] == [500, 500]


async def test_what_comes_while_pages_are_read_moves_none_of_what_was_there(api: Api) -> None:
    store(api, *(record(n, ago(minutes=90) + MS * n) for n in range(1_100)))
    late, ahead = record("late", ago(minutes=100)), record("ahead", ago(minutes=70))
    pages = await api.pages(FEED, HOUR | {"max": "500"}, lambda: store(api, late, ahead))
    assert_each_once(pages, [*range(1_100), "ahead"])


async def test_a_link_can_be_followed_after_its_start_has_left_the_reach(api: Api) -> None:
    start = ago(hours=48)
    store(api, *(record(n, start) for n in range(600)))
    pages = await api.pages(
        FEED, times(start, start + timedelta(hours=1)) | {"max": "500"}, lambda: api.bench.advance(minutes=10)
    )
    assert_each_once(pages, list(range(600)))


async def test_a_link_keeps_the_question_and_adds_the_time_to_go_on_from(api: Api) -> None:
    store(api, *(record(n, ago(minutes=90), Location="Köln & Bonn") for n in range(501)))
    _, _, response = await api.get(FEED, HOUR | {"max": "1", "locations": "Köln & Bonn,Ulm"})
    link = URL(_target(response), encoded=True)
    assert link.origin() == response.url.origin()
    assert link.path == FEED
    kept = {name: values[0] for name, values in parse_qs(link.raw_query_string).items()}
    mark = {"startTimeForNextFetch": write_time(ago(minutes=90)), "lastReportId": kept["lastReportId"]}
    assert kept == HOUR | {"max": "500", "locations": "Köln & Bonn,Ulm", "orgId": ORG} | mark


async def test_records_of_the_partner_endpoint_come_all_at_once_unless_pages_are_asked_for(api: Api) -> None:
    store(api, *(record(n, ago(minutes=90)) for n in range(5_100)))
    assert [len(page) for page in await api.pages(RECORDS, HOUR | {"orgId": ORG})] == [5_100]
    assert [len(page) for page in await api.pages(RECORDS, HOUR | {"orgId": ORG, "max": "9999"})] == [5_000, 100]


# --- what selects ---


async def test_the_feed_selects_by_report_time_start_included_and_end_not(api: Api) -> None:
    ended = {"start": ago(hours=2), "last": ago(hours=1) - MS, "end": ago(hours=1), "before": ago(hours=2) - MS}
    store(api, *(record(name, moment) for name, moment in ended.items()))
    assert await api.pages(FEED, HOUR) == [[report_id("start"), report_id("last")]]


async def test_the_stream_selects_by_receipt_so_that_late_and_corrected_records_come_by_themselves(api: Api) -> None:
    store(api, record("prompt", ago(minutes=1)), record("corrected", ago(minutes=2)))
    api.bench.advance(minutes=10)
    store(api, record("late", ago(hours=30)), record("corrected", ago(minutes=1)))
    api.bench.advance(minutes=1, milliseconds=1)
    first, second = START, START + timedelta(minutes=10)
    assert await api.pages(STREAM, times(first, second)) == [[report_id("prompt")]]
    assert_each_once(await api.pages(STREAM, times(second, second + MS)), ["late", "corrected"])


async def test_the_stream_holds_what_was_taken_in_and_not_loaded_yet(api: Api) -> None:
    api.bench.spool(record("waiting", ago(minutes=1)))
    api.bench.advance(minutes=2)
    assert await api.pages(STREAM, times(START, START + MS)) == [[report_id("waiting")]]


@pytest.mark.parametrize("error", [NoRoom("the disk is full"), duckdb.IOException("could not write")])
async def test_a_stream_that_would_lack_what_cannot_be_loaded_is_503(bench: Bench, error: Exception) -> None:
    def full() -> None:
        raise error

    async with api_of(bench, UNLIMITED, full) as api:
        status, body, response = await api.get(STREAM, HOUR)
        assert (status, body["errorCode"]) == (503, 503)
        assert int(response.headers["Retry-After"]) > 0
        assert (await api.get(FEED, HOUR))[0] == 200


async def test_locations_are_names_to_choose_by_on_every_page(api: Api) -> None:
    places = ["Köln & Bonn", "Ulm", "Ulm ", "ulm", ""]
    store(api, *(record(n, ago(minutes=90), Location=places[n % 5]) for n in range(1_500)))
    assert_each_once(await api.pages(FEED, HOUR | {"locations": "Ulm"}), list(range(1, 1_500, 5)))
    two = [n for n in range(1_500) if n % 5 < 2]
    assert_each_once(await api.pages(FEED, HOUR | {"locations": " Ulm,Köln & Bonn", "max": "500"}), list(two))
    assert await api.pages(FEED, HOUR | {"locations": "Nowhere"}) == [[]]


@BOTH
async def test_nothing_in_range_is_an_empty_list_and_no_link(api: Api, path: str) -> None:
    status, body, response = await api.get(path, HOUR)
    assert (status, body) == (200, {"items": []})
    assert "Link" not in response.headers


async def test_records_come_out_as_they_went_in(api: Api) -> None:
    sent = record("one", ago(minutes=90), **{"Called line ID": "Zoë", "A key nobody knows": "kept"})
    store(api, sent)
    _, body, _ = await api.get(FEED, HOUR)
    assert sent.items() <= body["items"][0].items()


# --- who and whom ---


@BOTH
@pytest.mark.parametrize("form", [str.lower, str.upper, encoded_organization_id])
async def test_an_organization_is_named_in_every_form(api: Api, path: str, form: Any) -> None:
    assert (await api.get(path, HOUR | {"orgId": form(ORG)}))[0] == 200


@BOTH
async def test_a_partner_of_several_organizations_must_name_one(api: Api, path: str) -> None:
    api.bench.directory.add_organization(OTHER_ORG, partner_id=api.partner_id, starts_at=EPOCH)
    status, body, _ = await api.get(path, HOUR)
    assert status == 400
    assert body["message"].startswith("orgId: is required")


@BOTH
async def test_an_organization_of_another_partner_is_403_and_one_that_is_none_400(api: Api, path: str) -> None:
    api.bench.partner("other", [OTHER_ORG])
    assert (await api.get(path, HOUR | {"orgId": OTHER_ORG}))[0] == 403
    assert (await api.get(path, HOUR | {"orgId": "nobody"}))[0] == 400


@BOTH
async def test_a_token_that_is_unknown_is_401_in_the_shape_of_errors(api: Api, path: str) -> None:
    api.token = "nonsense"
    status, body, response = await api.get(path, HOUR)
    assert status == body["errorCode"] == 401
    assert body["errors"] == [{"description": body["message"]}]
    assert body["trackingId"] == response.headers["Trackingid"]


@pytest.mark.parametrize(
    ("path", "params", "words"),
    [
        (FEED, times(ago(hours=14), ago(hours=1)), "endTime: must be no more than 12 hours after startTime"),
        (FEED, times(ago(hours=49), ago(hours=40)), "startTime: must be no more than 48 hours ago"),
        (FEED, times(ago(hours=1), ago(minutes=4)), "endTime: must be at least 5 minutes ago"),
        (STREAM, times(ago(hours=3), ago(minutes=1)), "endTime: must be no more than 2 hours after startTime"),
        (STREAM, times(ago(hours=13), ago(hours=12)), "startTime: must be no more than 12 hours ago"),
        (STREAM, times(ago(hours=1), ago(seconds=59)), "endTime: must be at least 1 minute ago"),
        (FEED, {"startTime": HOUR["startTime"]}, "endTime: is required"),
        (STREAM, HOUR | {"max": "all"}, "max: must be a whole number from 500 to 5000"),
        (FEED, HOUR | {"locations": "a,b,c,d,e,f,g,h,i,j,k"}, "locations: must be no more than 10 names"),
        (FEED, HOUR | {"startTimeForNextFetch": "x"}, "startTimeForNextFetch: must be what the Link header gave"),
    ],
)
async def test_a_parameter_that_breaks_a_rule_is_named(api: Api, path: str, params: dict[str, str], words: str) -> None:
    status, body, _ = await api.get(path, params)
    assert status == body["errorCode"] == 400
    assert body["message"].startswith(words)


# --- how often ---


@BOTH
async def test_a_second_first_request_in_a_minute_is_429_until_the_minute_is_over(limited: Api, path: str) -> None:
    assert (await limited.get(path, HOUR))[0] == 200
    limited.bench.advance(seconds=20)
    status, body, response = await limited.get(path, HOUR)
    assert status == body["errorCode"] == 429
    assert body["message"] == "Request rate exceeds threshold"
    assert response.headers["Retry-After"] == "40"
    limited.bench.advance(seconds=40)
    assert (await limited.get(path, HOUR))[0] == 200


async def test_ten_further_pages_a_minute_are_read_and_the_eleventh_waits(limited: Api) -> None:
    store(limited, *(record(n, ago(minutes=90)) for n in range(6_001)))
    status, body, response = await limited.get(FEED, HOUR | {"max": "500"})
    seen = [one["Report ID"] for one in body["items"]]
    waits = []
    while "Link" in response.headers:
        target = _target(response)
        status, body, response = await limited.get(target)
        if status == 429:
            waits.append(len(seen) // 500)
            limited.bench.advance(seconds=int(response.headers["Retry-After"]))
            status, body, response = await limited.get(target)
        seen += [one["Report ID"] for one in body["items"]]
    assert waits == [11]
    assert_each_once([seen], list(range(6_001)))


async def test_each_token_and_each_api_has_its_own_limit(limited: Api) -> None:
    assert (await limited.get(FEED, HOUR))[0] == 200
    assert (await limited.get(STREAM, HOUR))[0] == 200
    assert (await limited.get(FEED, HOUR))[0] == 429
    limited.token = limited.bench.directory.credentials.create_token(limited.partner_id)
    assert (await limited.get(FEED, HOUR))[0] == 200


async def test_a_request_that_is_refused_for_another_reason_uses_up_nothing(limited: Api) -> None:
    assert (await limited.get(FEED, {}))[0] == 400
    assert (await limited.get(FEED, HOUR | {"orgId": OTHER_ORG}))[0] == 403
    assert (await limited.get(FEED, HOUR))[0] == 200


async def test_in_compressed_time_a_minute_is_a_second(bench: Bench) -> None:
    async with api_of(bench, HistoryRules().compressed(60)) as api:
        hour = times(ago(minutes=2), ago(minutes=1))
        assert [(await api.get(FEED, hour))[0] for _ in range(2)] == [200, 429]
        bench.advance(seconds=1)
        assert (await api.get(FEED, hour))[0] == 200


def test_the_settings_say_how_far_and_how_often(bench: Bench) -> None:
    assert bench.settings.history_rules == HistoryRules()
    set_otherwise = replace(
        bench.settings,
        history_feed_reach_hours=720.0,
        history_first_requests_per_minute=0,
        history_page_requests_per_minute=20,
        compress=60.0,
    ).history_rules
    assert set_otherwise.feed.reach == timedelta(hours=12)
    assert (set_otherwise.first_requests, set_otherwise.page_requests) == (0, 20)


async def test_the_description_of_the_interface_names_parameters_links_and_errors(api: Api) -> None:
    async with api.client.get("/openapi.json") as response:
        paths = json.loads(await response.read())["paths"]
    for path in (FEED, STREAM):
        described = paths[path]["get"]
        names = {one["name"] for one in described["parameters"]}
        assert names >= {"startTime", "endTime", "locations", "max", "orgId", "startTimeForNextFetch"}
        assert {"200", "400", "401", "403", "429", "503"} <= described["responses"].keys()
        assert "Link" in described["responses"]["200"]["headers"]
