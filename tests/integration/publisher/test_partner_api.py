"""The two partner endpoints over HTTP, as the seed describes them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import aiohttp
import pytest

from cdrelay.contract.organization_ids import encoded_organization_id
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import EPOCH
from tests.integration.publisher.publisher_bench import (
    ORG,
    OTHER_ORG,
    START,
    Bench,
    ids,
    record,
    report_id,
    served,
)

COUNTS = "/v1/partners/cdrcountbyorg"
RECORDS = "/v1/partners/cdrsbyorg"
MS = timedelta(milliseconds=1)


def ago(**step: float) -> datetime:
    """That long before now."""
    return START - timedelta(**step)


def times(start: datetime, end: datetime) -> dict[str, str]:
    """As query parameters."""
    return {"startTime": write_time(start), "endTime": write_time(end)}


@dataclass
class Api:
    """A client of the endpoints with a partner's token."""

    bench: Bench
    client: aiohttp.ClientSession
    partner_id: str
    token: str

    async def get(
        self, path: str, params: dict[str, str] | list[tuple[str, str]], **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, decoded body and headers (names in lower case)."""
        sent = {"Authorization": f"Bearer {self.token}"} | headers
        async with self.client.get(path, params=params, headers=sent) as response:
            names = {name.lower(): value for name, value in response.headers.items()}
            return response.status, await response.json(), names


@pytest.fixture
async def api(bench: Bench) -> AsyncIterator[Api]:
    """A partner with one organization, and its token."""
    partner = bench.partner()
    async with served(bench.app()) as client:
        yield Api(bench, client, partner.id, bench.directory.credentials.create_token(partner.id))


def assert_error(answer: tuple[int, Any, dict[str, str]], status: int, words: str) -> None:
    """The one shape of errors, and what it says."""
    got, body, headers = answer
    assert got == status
    assert body["errorCode"] == status
    assert words in body["message"]
    assert body["errors"] == [{"description": body["message"]}]
    assert body["trackingId"] == headers["trackingid"]


HOUR = times(ago(hours=2), ago(hours=1))


async def test_counts_name_every_organization_also_those_without_calls(api: Api) -> None:
    api.bench.directory.add_organization(OTHER_ORG, partner_id=api.partner_id, starts_at=EPOCH)
    api.bench.spool(*(record(number, ago(minutes=90)) for number in range(3)), record("outside", ago(minutes=30)))
    api.bench.store.loader.drain()
    status, body, headers = await api.get(COUNTS, HOUR)
    assert status == 200
    assert body == {"cdr_counts": [{"orgId": ORG, "count": 3}, {"orgId": OTHER_ORG, "count": 0}]}
    assert [headers[name] for name in ("num-pages", "total-orgs", "current-page")] == ["1", "2", "1"]
    assert headers["trackingid"].startswith("CDRELAY_")


async def test_counts_and_records_agree_on_half_open_edges(api: Api) -> None:
    api.bench.spool(record("start", ago(hours=2)), record("last", ago(hours=1) - MS), record("end", ago(hours=1)))
    api.bench.store.loader.drain()
    _, counted, _ = await api.get(COUNTS, HOUR)
    _, found, _ = await api.get(RECORDS, {"orgId": ORG} | HOUR)
    assert counted["cdr_counts"][0]["count"] == 2
    assert ids(json.dumps(found).encode()) == [report_id("start"), report_id("last")]


async def test_283_organizations_are_two_pages(api: Api) -> None:
    orgs = sorted(str(uuid5(NAMESPACE_URL, str(number))) for number in range(282))
    for org in orgs:
        api.bench.directory.add_organization(org, partner_id=api.partner_id, starts_at=EPOCH)
    every = sorted([*orgs, ORG])
    seen = []
    for page, size in (("1", 200), ("2", 83), ("3", 0)):
        status, body, headers = await api.get(COUNTS, HOUR | {"page": page})
        assert status == 200
        assert len(body["cdr_counts"]) == size
        assert [headers[name] for name in ("num-pages", "total-orgs", "current-page")] == ["2", "283", page]
        seen += [one["orgId"] for one in body["cdr_counts"]]
    assert seen == every


ALLOWED = [
    (COUNTS, times(ago(hours=2), ago(hours=1))),
    (COUNTS, times(ago(hours=48), ago(hours=47))),
    (COUNTS, times(ago(minutes=65), ago(minutes=5))),
    (RECORDS, times(ago(hours=48), ago(minutes=5))),
    (RECORDS, times(ago(minutes=5) - MS, ago(minutes=5))),
    (COUNTS, HOUR | {"max": "5", "somethingElse": "x"}),
]


@pytest.mark.parametrize(("path", "params"), ALLOWED)
async def test_periods_exactly_on_the_edge_are_allowed(api: Api, path: str, params: dict[str, str]) -> None:
    assert (await api.get(path, {"orgId": ORG} | params))[0] == 200


REFUSED = [
    (COUNTS, times(ago(hours=2), ago(hours=1) + MS), "endTime: must be no more than 60 minutes after startTime"),
    (COUNTS, times(ago(hours=48) - MS, ago(hours=47)), "startTime: must be no more than 48 hours ago"),
    (COUNTS, times(ago(minutes=30), ago(minutes=5) + MS), "endTime: must be at least 5 minutes ago"),
    (COUNTS, times(ago(minutes=5) + MS, ago(minutes=4)), "startTime: must be at least 5 minutes ago"),
    (COUNTS, times(ago(hours=1), ago(hours=1)), "endTime: must be later than startTime"),
    (COUNTS, times(ago(hours=1), ago(hours=2)), "endTime: must be later than startTime"),
    (COUNTS, {"endTime": write_time(ago(hours=1))}, "startTime: is required"),
    (COUNTS, {"startTime": write_time(ago(hours=1))}, "endTime: is required"),
    (COUNTS, HOUR | {"startTime": ""}, "startTime: is required"),
    (COUNTS, HOUR | {"startTime": "2026-11-24T15:00:00Z"}, "startTime: must be a UTC time in the form"),
    (COUNTS, HOUR | {"startTime": "2026-02-30T15:00:00.000Z"}, "startTime: must be a UTC time"),
    (COUNTS, HOUR | {"endTime": "yesterday"}, "endTime: must be a UTC time in the form"),
    (COUNTS, HOUR | {"page": "0"}, "page: must be a whole number from 1"),
    (COUNTS, HOUR | {"page": "one"}, "page: must be a whole number from 1"),
    (RECORDS, HOUR, "orgId: is required"),
    (RECORDS, HOUR | {"orgId": "no id"}, "orgId: 'no id' is neither a UUID nor"),
    (RECORDS, {"orgId": ORG} | times(ago(hours=48) - MS, ago(hours=47)), "startTime: must be no more than 48 hours"),
    (RECORDS, {"orgId": ORG} | times(ago(hours=1), ago(minutes=5) + MS), "endTime: must be at least 5 minutes ago"),
]


@pytest.mark.parametrize(("path", "params", "words"), REFUSED)
async def test_a_parameter_that_breaks_a_rule_is_named(api: Api, path: str, params: dict[str, str], words: str) -> None:
    assert_error(await api.get(path, params), 400, words)


TWICE = [
    (COUNTS, [("startTime", write_time(ago(minutes=90)))], "startTime: is given more than once"),
    (COUNTS, [("page", "1"), ("page", "2")], "page: is given more than once"),
    (RECORDS, [("orgId", ORG), ("orgId", OTHER_ORG)], "orgId: is given more than once"),
    (RECORDS, [("orgId", ORG), ("orgID", OTHER_ORG)], "orgID: names another organization than orgId"),
]


@pytest.mark.parametrize(("path", "more", "words"), TWICE)
async def test_of_two_values_none_is_taken_for_the_one_that_is_meant(
    api: Api, path: str, more: list[tuple[str, str]], words: str
) -> None:
    assert_error(await api.get(path, [*HOUR.items(), *more]), 400, words)


async def test_the_same_value_twice_is_one(api: Api) -> None:
    # As a client does that follows a link and adds its own parameters to it.
    twice = [*HOUR.items(), *HOUR.items(), ("orgId", ORG), ("orgID", ORG.upper())]
    assert (await api.get(RECORDS, twice))[0] == 200


@pytest.mark.parametrize("form", [str.lower, str.upper, encoded_organization_id])
@pytest.mark.parametrize("name", ["orgId", "orgID"])
async def test_an_organization_is_known_in_every_form_and_under_both_names(api: Api, form: Any, name: str) -> None:
    api.bench.spool(record("one", ago(minutes=90)))
    api.bench.store.loader.drain()
    status, body, _ = await api.get(RECORDS, {name: form(ORG)} | HOUR)
    assert status == 200
    assert [one["Report ID"] for one in body["items"]] == [report_id("one")]


async def test_an_organization_without_records_is_an_empty_list(api: Api) -> None:
    assert (await api.get(RECORDS, {"orgId": ORG} | HOUR))[:2] == (200, {"items": []})


async def test_records_come_out_as_they_went_in(api: Api) -> None:
    sent = record("one", ago(minutes=90), **{"Called line ID": "Zoë", "A key nobody knows": "kept"})
    api.bench.spool(sent)
    api.bench.store.loader.drain()
    _, body, _ = await api.get(RECORDS, {"orgId": ORG} | HOUR)
    assert sent.items() <= body["items"][0].items()


async def test_many_records_come_as_one_document(api: Api) -> None:
    api.bench.spool(*(record(number, ago(minutes=90), User="x" * 500) for number in range(3_000)))
    api.bench.store.loader.drain()
    _, body, _ = await api.get(RECORDS, {"orgId": ORG} | HOUR)
    assert len({one["Report ID"] for one in body["items"]}) == 3_000


@pytest.mark.parametrize("path", [COUNTS, RECORDS])
async def test_a_token_that_is_missing_unknown_expired_or_revoked_is_401(api: Api, path: str) -> None:
    params = {"orgId": ORG} | HOUR
    credentials = api.bench.directory.credentials
    revoked = credentials.create_token(api.partner_id)
    credentials.revoke_token(revoked)
    for authorization in ("", "Bearer", "Bearer nonsense", "Basic eDp5", f"Bearer {revoked}"):
        answer = await api.get(path, params, Authorization=authorization)
        assert_error(answer, 401, "a partner access token")
        assert answer[2]["www-authenticate"] == "Bearer"
    assert (await api.get(path, params))[0] == 200
    api.bench.advance(days=14)
    assert_error(await api.get(path, params), 401, "expired")


@pytest.mark.parametrize("known", [True, False])
async def test_an_organization_of_another_partner_or_of_nobody_is_403(api: Api, known: bool) -> None:
    if known:
        api.bench.partner("other", [OTHER_ORG])
    assert_error(await api.get(RECORDS, {"orgId": OTHER_ORG} | HOUR), 403, "is not managed by this partner")


async def test_counts_hold_no_organization_of_another_partner(api: Api) -> None:
    api.bench.partner("other", [OTHER_ORG])
    _, body, _ = await api.get(COUNTS, HOUR)
    assert [one["orgId"] for one in body["cdr_counts"]] == [ORG]


async def test_a_sane_tracking_id_of_the_client_is_echoed_and_another_is_not(api: Api) -> None:
    _, _, headers = await api.get(COUNTS, HOUR, TrackingID="mine_1-2")
    assert headers["trackingid"] == "mine_1-2"
    answer = await api.get(COUNTS, {}, TrackingID="no <b>sane</b> one")
    assert_error(answer, 400, "startTime")
    assert answer[1]["trackingId"].startswith("CDRELAY_")


async def test_unknown_paths_and_methods_have_the_same_error_shape(api: Api) -> None:
    assert_error(await api.get("/v1/partners/nothing", {}), 404, "Not Found")
    async with api.client.post(COUNTS) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        assert_error((response.status, await response.json(), headers), 405, "Method Not Allowed")
        assert headers["allow"] == "GET"


async def test_a_database_that_is_gone_is_503_and_says_when_to_come_again(api: Api) -> None:
    with api.bench.foundation.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE access_tokens")
    answer = await api.get(COUNTS, HOUR)
    assert_error(answer, 503, "the control database cannot be read")
    assert int(answer[2]["retry-after"]) > 0


async def test_the_description_of_the_interface_names_parameters_and_errors(api: Api) -> None:
    async with api.client.get("/openapi.json") as response:
        paths = (await response.json())["paths"]
    counts = paths[COUNTS]["get"]
    assert [one["name"] for one in counts["parameters"]] == ["startTime", "endTime", "page"]
    assert {"200", "400", "401"} <= counts["responses"].keys()
    assert "total-orgs" in counts["responses"]["200"]["headers"]
    assert "403" in paths[RECORDS]["get"]["responses"]
