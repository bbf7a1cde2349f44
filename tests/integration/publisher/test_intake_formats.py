"""What platforms post by themselves, as they post it."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from cdrelay.lake.spool import Spool
from cdrelay.publisher.sources.source_settings import SourceSettings
from cdrelay.publisher.sources.taking import Kept, Taker
from cdrelay.publisher.sources.watched import WatchedFolder
from cdrelay.wiring import intake_limits
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG, Bench, served

DATA = Path(__file__).parents[2] / "data"
CDR = (DATA / "freeswitch" / "answered_caller.cdr.json").read_bytes()
CUSTOM = (DATA / "asterisk" / "cdr_custom.json").read_bytes()
PATH = f"/v1/intake/records?format=freeswitch&orgId={ORG}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Door:
    """A platform with an intake key."""

    def __init__(self, bench: Bench, client: aiohttp.ClientSession) -> None:
        self.bench, self.client = bench, client
        self.key = bench.directory.credentials.create_intake_key()

    async def post(self, body: bytes, path: str = PATH, **headers: str) -> tuple[int, Any]:
        sent = {"X-Api-Key": self.key, "Content-Type": "application/json"} | headers
        async with self.client.post(path, data=body, headers=sent) as response:
            return response.status, await response.json()

    def spooled(self) -> list[dict[str, Any]]:
        bodies = [Spool.open(path).body() for path in self.bench.store.spool.waiting()]
        return [json.loads(line) for body in bodies for line in body.splitlines()]


@pytest.fixture
async def door(bench: Bench) -> AsyncIterator[Door]:
    async with served(bench.app()) as client:
        yield Door(bench, client)


async def test_a_cdr_of_freeswitch_is_kept_as_the_record_it_means(door: Door) -> None:
    status, answer = await door.post(CDR)
    assert (status, answer["accepted"], answer["refused"]) == (200, 1, [])
    (record,) = door.spooled()
    assert (record["Org UUID"], record["Direction"], record["Duration"]) == (ORG, "ORIGINATING", 35)
    assert door.bench.store.loader.drain().added == 1


async def test_it_is_posted_as_mod_json_cdr_does_with_its_defaults(door: Door) -> None:
    """The form field in percent encoding, Basic, and its own parameter pasted behind the URL's query."""
    basic = base64.b64encode(f"freeswitch:{door.key}".encode()).decode()
    status, answer = await door.post(
        b"cdr=" + quote(CDR).encode(),
        PATH + "?uuid=51156b0b-f91b-4fd3-9c8f-15226f6098be",
        **FORM,
        **{"Authorization": f"Basic {basic}", "X-Api-Key": ""},
    )
    assert (status, answer["accepted"]) == (200, 1)
    assert [one["Org UUID"] for one in door.spooled()] == [ORG]


@pytest.mark.parametrize("kind", ["application/x-www-form-base64-encoded", "application/x-www-form-urlencoded"])
async def test_base64_and_plain_json_come_with_any_of_its_content_types(door: Door, kind: str) -> None:
    for body in (b"cdr=" + base64.b64encode(CDR), CDR):
        assert (await door.post(body, **{"Content-Type": kind}))[0] == 200
    assert door.bench.store.loader.drain().added == 1


async def test_a_cdr_that_is_posted_again_is_one_record(door: Door) -> None:
    for _ in range(3):
        assert (await door.post(CDR))[0] == 200
    drained = door.bench.store.loader.drain()
    assert (drained.added, drained.repeated) == (1, 2)


async def test_a_cdr_of_asterisk_is_the_records_of_both_parties(door: Door) -> None:
    status, answer = await door.post(CUSTOM, f"/v1/intake/records?format=asterisk&orgId={ORG}")
    assert (status, answer["accepted"]) == (200, 2)
    assert [one["Direction"] for one in door.spooled()] == ["ORIGINATING", "TERMINATING"]


async def test_good_cdrs_are_kept_though_others_are_refused(door: Door) -> None:
    body = CDR.strip() + b'\n{"variables": {}}\nbroken\n'
    status, answer = await door.post(body, **{"Content-Type": "application/x-ndjson"})
    assert (status, answer["accepted"], answer["refusedTotal"]) == (200, 1, 2)
    refused = [(one["index"], one["field"]) for one in answer["refused"]]
    assert refused == [(1, "variables.uuid"), (2, "record")]
    assert len(door.spooled()) == 1


async def test_a_cdr_of_nobodys_is_refused_for_its_organization(door: Door) -> None:
    status, answer = await door.post(CDR, "/v1/intake/records?format=freeswitch")
    assert (status, answer["refused"][0]["field"]) == (422, "Org UUID")
    assert door.spooled() == []


async def test_a_source_that_pushes_says_format_organizations_and_time_zone(door: Door) -> None:
    rules = f"accountcode,acme,{OTHER_ORG}\n"
    settings = SourceSettings(format="asterisk", org_map=rules, time_zone="Europe/Berlin")
    door.bench.record_sources.add("pbx-b", "push", settings)
    line = {**json.loads(CUSTOM), "end": "2026-11-24 17:35:43"}
    status, _ = await door.post(json.dumps(line).encode(), "/v1/intake/records?source=pbx-b?uuid=1")
    assert status == 200
    records = door.spooled()
    assert {(one["Org UUID"], one["Report time"]) for one in records} == {(OTHER_ORG, "2026-11-24T16:35:43.000Z")}
    (payload,) = door.bench.store.spool.waiting()
    assert Spool.open(payload).envelope.source == "pbx-b"


async def test_a_leg_that_is_posted_and_one_in_the_folder_of_the_same_source_are_one(door: Door) -> None:
    folder = door.bench.home / "unposted"
    folder.mkdir()
    settings = SourceSettings(location=str(folder), format="freeswitch", org_id=ORG)
    origin = door.bench.record_sources.add("pbx-a", "folder", settings).origin
    assert (await door.post(CDR, "/v1/intake/records?source=pbx-a"))[0] == 200
    (folder / "leg.cdr.json").write_bytes(CDR)
    limits = intake_limits(door.bench.settings)
    watched = WatchedFolder(folder, origin, Taker(door.bench.store.spool, door.bench.clock, limits))
    assert watched.look() + watched.look() == Kept(accepted=1)
    drained = door.bench.store.loader.drain()
    assert (drained.added, drained.repeated) == (1, 1)


async def test_a_source_that_is_switched_off_or_pulled_is_400(door: Door) -> None:
    door.bench.record_sources.add("off", "push", SourceSettings(active=False))
    pulled = SourceSettings(location="https://analytics.webexapis.com", token="t")
    door.bench.record_sources.add("pulled", "cdr_stream", pulled)
    why = {"off": "'off' is switched off", "pulled": "'pulled' is pulled", "unknown": "there is no source 'unknown'"}
    for name, reason in why.items():
        status, answer = await door.post(CDR, f"/v1/intake/records?source={name}")
        assert (status, answer["message"].startswith(f"source: {reason}")) == (400, True)


@pytest.mark.parametrize(("query", "field"), [("format=xml", "format"), ("format=freeswitch&orgId=x", "orgId")])
async def test_a_parameter_that_is_wrong_is_400(door: Door, query: str, field: str) -> None:
    status, answer = await door.post(CDR, f"/v1/intake/records?{query}")
    assert (status, answer["message"].partition(":")[0]) == (400, field)


async def test_a_body_that_is_no_cdr_is_400(door: Door) -> None:
    assert (await door.post(b"cdr=!", **FORM))[0] == 400
    assert door.spooled() == []


async def test_a_form_without_the_format_is_415(door: Door) -> None:
    assert (await door.post(CDR, "/v1/intake/records", **FORM))[0] == 415


@pytest.mark.parametrize(
    "given", ["Basic", "Basic !", "Basic eDp5", "Basic \xe9", "Basic " + base64.b64encode(b"\xff:x").decode()]
)
async def test_basic_without_the_key_is_401(door: Door, given: str) -> None:
    status, _ = await door.post(CDR, **{"X-Api-Key": "", "Authorization": given})
    assert status == 401


async def test_a_record_without_report_id_is_taken_with_a_derived_one(door: Door) -> None:
    record = {
        "Org UUID": ORG,
        "Report time": "2026-11-24T16:35:43.250Z",
        "Local call ID": "1:0",
        "Call ID": "x@pbx",
        "Direction": "TERMINATING",
    }
    for _ in range(2):
        status, answer = await door.post(json.dumps([record]).encode(), "/v1/intake/records")
        assert (status, answer["accepted"]) == (200, 1)
    drained = door.bench.store.loader.drain()
    assert (drained.added, drained.repeated) == (1, 1)
