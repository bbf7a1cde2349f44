"""`/v1/directory` over real HTTP, as an operator's program uses it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI

from cdrelay.contract.organization_ids import encoded_organization_id
from cdrelay.control.tables import operator_keys
from cdrelay.publisher.api_errors import install_error_handlers
from cdrelay.publisher.directory_api.asking import LARGEST_ENTRY
from cdrelay.publisher.directory_api.resources import open_directory_api
from cdrelay.publisher.errors import CredentialUnknown
from tests.integration.publisher.directory_bench import HOLDER, OTHER_HOLDER, Desk
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, START, served

ALL = ("partners", "organizations", "relations", "licences", "administrators")
NOW = "2026-11-24T17:00:00Z"


@dataclass
class Api:
    """A client with an operator key."""

    desk: Desk
    client: aiohttp.ClientSession
    key: str

    async def ask(self, method: str, path: str, content: Any = None, **more: Any) -> tuple[int, Any]:
        """Status and decoded body; the path is under `/v1/directory`."""
        status, body, _ = await self.answer(method, path, content, **more)
        return status, body

    async def answer(self, method: str, path: str, content: Any = None, **more: Any) -> tuple[int, Any, Any]:
        """Status, decoded body and headers."""
        headers = {"Authorization": f"Bearer {self.key}"} | more.pop("headers", {})
        if content is not None:
            more["data"] = content if isinstance(content, str | bytes | BytesIO) else json.dumps(content)
            headers = {"Content-Type": "application/json"} | headers
        url = f"/v1/directory{path}"
        async with self.client.request(method, url, headers=headers, skip_auto_headers=["Content-Type"], **more) as got:
            body = await got.read()
            assert got.headers["Trackingid"]
            return got.status, json.loads(body) if body else None, got.headers

    async def add(self, kind: str, **fields: Any) -> dict[str, Any]:
        """A new entry."""
        status, body = await self.ask("POST", f"/{kind}", fields)
        assert status == 201, body
        return dict(body)


@pytest.fixture
async def api(desk: Desk) -> AsyncIterator[Api]:
    """Over an empty directory."""
    app = FastAPI()
    app.include_router(open_directory_api(desk.database, desk.clock, desk.administrators))
    install_error_handlers(app)
    async with served(app) as client:
        yield Api(desk, client, desk.keys.create("for tests"))


@pytest.fixture
async def peopled(api: Api) -> Api:
    """With a partner and two organizations."""
    await api.add("partners", name="Reseller")
    for org in (ORG, OTHER_ORG):
        await api.add("organizations", orgId=org)
    return api


async def test_only_an_operator_key_that_is_known_and_not_revoked_opens_anything(api: Api) -> None:
    credentials = api.desk.directory.credentials
    partner = api.desk.directory.add_partner("Reseller")
    revoked = api.desk.keys.create()
    api.desk.keys.revoke(revoked)
    wrong = ["", "Bearer", "Bearer nonsense", f"Bearer {revoked}", f"Basic {api.key}"]
    wrong += [f"Bearer {credentials.create_token(partner.id)}", f"Bearer {credentials.create_intake_key()}"]
    for authorization in wrong:
        for method, path in (("GET", "/partners"), ("POST", "/import"), ("GET", "/export"), ("DELETE", "/licences/x")):
            status, body, headers = await api.answer(method, path, headers={"Authorization": authorization})
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
            assert "operator key" in body["message"]
    assert (await api.ask("GET", "/partners"))[0] == 200


async def test_partners_are_added_looked_at_and_renamed(api: Api) -> None:
    status, added, headers = await api.answer("POST", "/partners", {"name": "Reseller"})
    assert (status, added) == (201, {"id": added["id"], "name": "Reseller", "createdAt": NOW})
    assert headers["Location"] == f"/v1/directory/partners/{added['id']}"
    assert await api.ask("GET", f"/partners/{added['id']}") == (200, added)
    assert (await api.ask("POST", "/partners", {"name": "Reseller"}))[0] == 409
    assert (await api.ask("POST", "/partners", {"name": "Other", "id": added["id"]}))[0] == 409
    assert await api.ask("PATCH", f"/partners/{added['id']}", {}) == (200, added)
    renamed = await api.ask("PATCH", f"/partners/{added['id']}", {"name": "Renamed"})
    assert renamed == (200, added | {"name": "Renamed"})
    await api.add("partners", name="Second")
    assert (await api.ask("PATCH", f"/partners/{added['id']}", {"name": "Second"}))[0] == 409


async def test_organizations_are_added_once_and_changed(peopled: Api) -> None:
    encoded = encoded_organization_id(HOLDER)
    added = await peopled.add("organizations", orgId=encoded, name="Harbour", region="eu")
    assert added == {"orgId": HOLDER, "name": "Harbour", "region": "eu", "partnerIds": [], "createdAt": NOW}
    assert (await peopled.ask("POST", "/organizations", {"orgId": HOLDER}))[0] == 409
    changed = await peopled.ask("PATCH", f"/organizations/{encoded}", {"region": ""})
    assert changed == (200, added | {"region": ""})
    assert (await peopled.ask("PATCH", f"/organizations/{HOLDER}", {"region": "EU!"}))[0] == 400
    relation = await peopled.add("relations", partnerId="Reseller", orgId=HOLDER)
    status, now = await peopled.ask("GET", f"/organizations/{HOLDER}")
    assert (status, now["partnerIds"]) == (200, [relation["partnerId"]])


async def test_relations_begin_overlap_not_and_end(peopled: Api) -> None:
    partner = peopled.desk.directory.partner("Reseller")
    added = await peopled.add("relations", partnerId="Reseller", orgId=ORG)
    assert added == {
        "id": added["id"],
        "partnerId": partner.id,
        "orgId": ORG,
        "kind": "managed",
        "startsAt": NOW,
        "endsAt": None,
    }
    status, body = await peopled.ask("POST", "/relations", {"partnerId": "Reseller", "orgId": ORG})
    assert (status, body["message"].partition(":")[0]) == (409, "startsAt")
    path = f"/relations/{added['id']}"
    status, body = await peopled.ask("PATCH", path, {"endsAt": "2026-11-24T18:00:00+01:00"})
    assert (status, body["message"]) == (409, "endsAt: must be after startsAt")
    ends = {"endsAt": "2026-11-25T00:00:00Z"}
    for _ in range(2):
        assert await peopled.ask("PATCH", path, ends) == (200, added | ends)
    assert await peopled.ask("PATCH", path, {}) == (200, added | ends)
    assert await peopled.ask("PATCH", path, {"endsAt": None}) == (200, added)
    assert (await peopled.ask("DELETE", path))[0] == 409


async def test_what_has_not_begun_is_removed(peopled: Api) -> None:
    planned = await peopled.add("relations", partnerId="Reseller", orgId=ORG, startsAt="2027-01-01T00:00:00Z")
    path = f"/relations/{planned['id']}"
    assert await peopled.ask("DELETE", path) == (204, None)
    for method in ("GET", "DELETE"):
        assert (await peopled.ask(method, path))[0] == 404


async def test_licences_are_listed_by_seller_holder_and_moment(peopled: Api) -> None:
    start = {"startsAt": "2026-01-01T00:00:00Z"}
    past = await peopled.add(
        "licences", orgId=ORG, holderUuid=HOLDER, partnerId="Reseller", **start, endsAt="2026-02-01T00:00:00Z"
    )
    room = await peopled.add(
        "licences", orgId=ORG, holderUuid=OTHER_HOLDER, holderKind="workspace", partnerId="Reseller"
    )
    for query, expected in {
        "": [past, room],
        "partnerId=Reseller": [past, room],
        f"holderUuid={OTHER_HOLDER}": [room],
        f"orgId={OTHER_ORG}": [],
        "at=2026-01-15T00:00:00Z": [past],
        "at=2026-02-01": [],
        f"at={NOW}&unknown=1": [room],
    }.items():
        status, body = await peopled.ask("GET", f"/licences?{query}")
        assert (status, body["items"]) == (200, sorted(expected, key=lambda one: one["id"])), query
    assert (await peopled.ask("GET", "/licences?partnerId=nobody"))[0] == 404


async def test_administrators_come_and_go_without_passwords(peopled: Api) -> None:
    fields = {"partnerId": "Reseller", "email": "Ada@example.com", "name": "Ada", "role": "assigned"}
    added = await peopled.add("administrators", **fields, organizations=[ORG], id=HOLDER)
    assert (added["id"], added["email"], added["organizations"]) == (HOLDER, "ada@example.com", [ORG])
    assert not any("password" in name for name in added)
    assert (await peopled.ask("POST", "/administrators", fields))[0] == 409
    path = f"/administrators/{added['id']}"
    assert (await peopled.ask("PATCH", path, {"role": "full", "organizations": [ORG]}))[0] == 409
    assert await peopled.ask("PATCH", path, {"role": "full"}) == (200, added | {"role": "full", "organizations": []})
    assert (await peopled.ask("GET", "/administrators?partnerId=Reseller"))[1]["items"][0]["name"] == "Ada"
    assert (await peopled.ask("DELETE", path))[0] == 204
    assert (await peopled.ask("GET", path))[0] == 404


async def test_a_partner_goes_with_all_that_is_theirs(peopled: Api) -> None:
    await peopled.add("partners", name="Other")
    for name in ("Reseller", "Other"):
        await peopled.add("relations", partnerId=name, orgId=ORG)
        await peopled.add("administrators", partnerId=name, email=f"ada@{name}.example", name="Ada", role="full")
    _, there = await peopled.ask("GET", "/partners/Reseller")
    assert (await peopled.ask("DELETE", "/partners/Reseller"))[0] == 404  # a name is not enough to lose all by
    assert (await peopled.ask("DELETE", f"/partners/{there['id']}"))[0] == 204
    assert (await peopled.ask("DELETE", f"/partners/{there['id']}"))[0] == 404
    for kind, number in (("partners", 1), ("relations", 1), ("administrators", 1), ("organizations", 2)):
        assert len((await peopled.ask("GET", f"/{kind}"))[1]["items"]) == number


@pytest.mark.parametrize("kind", ALL)
async def test_pages_follow_each_other_by_link_and_hold_each_entry_once(peopled: Api, kind: str) -> None:
    for number in range(5):
        holder = f"aaaaaaaa-2222-4333-8444-{number:012}"
        await peopled.add("partners", name=f"Partner {number}")
        await peopled.add("organizations", orgId=holder)
        await peopled.add("relations", partnerId=f"Partner {number}", orgId=ORG)
        await peopled.add("licences", partnerId="Reseller", orgId=ORG, holderUuid=holder)
        person = {"email": f"{number}@example.com", "name": "N", "role": "full"}
        await peopled.add("administrators", partnerId="Reseller", **person)
    key = "orgId" if kind == "organizations" else "id"
    _, body, headers = await peopled.answer("GET", f"/{kind}?max=1000")
    whole = [one[key] for one in body["items"]]
    assert "Link" not in headers
    assert whole == sorted(whole)
    assert len(whole) >= 5
    found, path = [], f"/{kind}?max=2"
    while path:
        _, body, headers = await peopled.answer("GET", path)
        found += [one[key] for one in body["items"]]
        assert len(body["items"]) <= 2
        path = headers["Link"].partition("/v1/directory")[2].partition(">")[0] if "Link" in headers else ""
    assert found == whole


@pytest.mark.parametrize("kind", ALL)
async def test_what_is_not_there_is_404_in_our_shape(peopled: Api, kind: str) -> None:
    for entry in ("nonsense", HOLDER, "%00", "%F0%9F%98%80", "x" * 500):
        for method, content in (("GET", None), ("PATCH", {})):
            status, body = await peopled.ask(method, f"/{kind}/{entry}", content)
            assert (status, body["errorCode"]) == (404, 404)


@pytest.mark.parametrize(
    ("kind", "content", "field"),
    [
        ("partners", {}, "name"),
        ("partners", {"name": 1}, "name"),
        ("partners", {"name": " x"}, "name"),
        ("partners", {"name": "x" * 201}, "name"),
        ("partners", {"name": "x", "id": "1"}, "id"),
        ("partners", {"name": "x", "more": 1}, "more"),
        ("partners", [], "the row"),
        ("organizations", {"orgId": None}, "orgId"),
        ("relations", {"partnerId": "Reseller", "orgId": ORG, "kind": "other"}, "kind"),
        ("relations", {"partnerId": "Reseller", "orgId": ORG, "startsAt": 5}, "startsAt"),
        ("relations", {"partnerId": "Reseller", "orgId": ORG, "startsAt": "2026-02-30T00:00:00Z"}, "startsAt"),
        ("relations", {"partnerId": "Reseller", "orgId": ORG, "startsAt": "0001-01-01T00:00:00+10:00"}, "startsAt"),
        ("licences", {"partnerId": "Reseller", "orgId": ORG, "holderUuid": [HOLDER]}, "holderUuid"),
        ("administrators", {"partnerId": "Reseller", "email": "x", "name": "N", "role": "full"}, "email"),
        ("administrators", '{"name": "\\ud800"}', "the row"),
        ("administrators", b"\xff", "the row"),
        ("administrators", "[" * 100_000, "the row"),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named(peopled: Api, kind: str, content: Any, field: str) -> None:
    status, body = await peopled.ask("POST", f"/{kind}", content)
    assert status == 400, body
    assert body["message"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("query", "field"),
    [("max=0", "max"), ("max=1001", "max"), ("max=x", "max"), ("at=yesterday", "at"), ("orgId=x", "orgId")],
)
async def test_a_parameter_that_breaks_a_rule_is_named(peopled: Api, query: str, field: str) -> None:
    status, body = await peopled.ask("GET", f"/licences?{query}")
    assert (status, body["message"].partition(":")[0]) == (400, field)


async def test_bodies_are_limited_typed_and_unpacked(peopled: Api) -> None:
    large = json.dumps({"name": "x" * LARGEST_ENTRY}).encode()
    assert (await peopled.ask("POST", "/partners", BytesIO(large)))[0] == 413
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"}):
        assert (await peopled.ask("POST", "/partners", {"name": "x"}, headers=headers))[0] == 415
    assert (await peopled.ask("POST", "/import", "{}", headers={"Content-Type": "application/xml"}))[0] == 415
    for path, methods in {"/partners": "GET, POST", f"/relations/{HOLDER}": "DELETE, GET, PATCH"}.items():
        status, _, headers = await peopled.answer("PUT", path, {"name": "x"})
        assert (status, headers["Allow"]) == (405, methods)


async def test_a_document_is_tried_imported_and_exported(api: Api) -> None:
    content = {
        "partners": [{"name": "Reseller"}],
        "organizations": [{"orgId": ORG}],
        "licences": [{"orgId": ORG, "holderUuid": HOLDER, "partnerId": "Reseller"}, {"orgId": ORG}],
    }
    status, tried = await api.ask("POST", "/import?dryRun=true", content)
    expected = {"added": 3, "changed": 0, "ended": 0, "unchanged": 0, "refused": 1}
    assert (status, tried["done"], tried["numbers"]) == (200, False, expected)
    assert tried["refused"] == [{"kind": "licences", "entry": 2, "field": "holderUuid", "rule": "must be given"}]
    assert (await api.ask("GET", "/partners"))[1] == {"items": []}
    status, refused = await api.ask("POST", "/import?strict=true", content)
    assert (status, refused["done"], refused["numbers"]) == (409, False, expected)
    assert (await api.ask("GET", "/partners"))[1] == {"items": []}
    status, done = await api.ask("POST", "/import", content)
    assert (status, done["done"], done["numbers"]) == (200, True, expected)
    assert done["changes"][1]["fields"] == {
        "orgId": {"before": None, "after": ORG},
        "name": {"before": None, "after": ORG},
        "region": {"before": None, "after": ""},
    }
    status, exported = await api.ask("GET", "/export")
    assert (status, list(exported)) == (200, list(ALL))
    status, again = await api.ask("POST", "/import?removeMissing=true", exported)
    assert (again["numbers"]["unchanged"], again["changes"]) == (3, [])
    api.desk.advance(hours=1)
    status, ended = await api.ask("POST", "/import?removeMissing=true&kind=licences", {"licences": []})
    assert [one["action"] for one in ended["changes"]] == ["ended"]


async def test_csv_is_imported_and_exported_one_kind_at_a_time(peopled: Api) -> None:
    table, headers = f"orgId,name\n{ORG},Harbour\n", {"Content-Type": "text/csv; charset=utf-8"}
    assert (await peopled.ask("POST", "/import", table, headers=headers))[0] == 400
    status, body = await peopled.ask("POST", "/import?kind=organizations", table, headers=headers)
    assert (status, body["numbers"]["changed"], body["changes"][0]["line"]) == (200, 1, 2)
    csv = {"Authorization": f"Bearer {peopled.key}", "Accept": "text/csv"}
    assert (await peopled.ask("GET", "/export", headers=csv))[0] == 400
    async with peopled.client.get("/v1/directory/export?kind=organizations", headers=csv) as answer:
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert await answer.text() == f"orgId,name,region\n{ORG},Harbour,\n{OTHER_ORG},{OTHER_ORG},\n"


@pytest.mark.parametrize(
    ("query", "content"), [("dryRun=yes", "{}"), ("kind=partner", "{}"), ("", "[]"), ("", "{"), ("", '{"x": []}')]
)
async def test_a_document_that_cannot_be_read_is_refused(api: Api, query: str, content: str) -> None:
    assert (await api.ask("POST", f"/import?{query}", content))[0] == 400


async def test_the_answer_to_a_large_import_names_the_first_thousand(api: Api) -> None:
    content = {"partners": [{"name": f"P{number}"} for number in range(1_500)] + [{}] * 1_200}
    _, body = await api.ask("POST", "/import", content)
    assert (body["numbers"]["added"], len(body["changes"])) == (1_500, 1_000)
    assert (body["numbers"]["refused"], len(body["refused"])) == (1_200, 1_000)


def test_operator_keys_are_listed_by_id_revoked_and_stored_as_hashes(desk: Desk) -> None:
    first = desk.keys.create("one")
    desk.clock.advance(timedelta(seconds=1))
    second = desk.keys.create("two")
    newest, oldest = desk.keys.all()
    assert (newest.label, oldest.label, oldest.created_at) == ("two", "one", START)
    assert desk.keys.revoke(newest.id) == desk.keys.revoke(second) == newest.id
    assert desk.keys.valid(first)
    assert not desk.keys.valid(second)
    for nothing in ("", "abc", "0" * 12, "%" * 12):
        with pytest.raises(CredentialUnknown):
            desk.keys.revoke(nothing)
    with desk.database.read() as connection:
        assert first not in str(connection.execute(operator_keys.select()).all())
