"""The pages of the quarantine over real HTTP: why records cannot be stored, and nothing of what is in them."""

import gzip
import json
from datetime import timedelta

import pytest

from cdrelay.lake.load_again import load_again
from tests.integration.hub.conftest import NOW, Served
from tests.integration.hub.hub_bench import Page
from tests.integration.hub.ledger_bench import words
from tests.support.collecting_builder import NUMBER, OLD, PERSON, CollectingBuilder
from tests.support.ledger_builder import org, records_of

HOUR = timedelta(hours=1)


@pytest.fixture
def builder(served: Served) -> CollectingBuilder:
    return CollectingBuilder(served.running, NOW)


async def text_of(served: Served, path: str, status: int = 200) -> str:
    answer = await served.get(path)
    assert answer.status == status, answer.text
    return words(answer.text)


async def test_a_payload_is_listed_with_how_many_of_its_records_and_why_the_first(
    served: Served, builder: CollectingBuilder
) -> None:
    builder.refused("first", 3, 2, received=NOW - HOUR)
    text = await text_of(served, "/quarantine")
    assert "Of 1 payload something is in quarantine." in text
    assert "first webex 2026-11-24 11:00:00 3 of 5 at place 2, Report time is not plausible" in text
    assert "cdrelay collector quarantine load PAYLOAD" in text


async def test_a_payload_leads_to_each_reason_and_to_the_commands(served: Served, builder: CollectingBuilder) -> None:
    broken = [one | {"Report time": OLD} for one in records_of(org(1), NOW - HOUR, 4)]
    broken[1].pop("Report ID")
    builder.payload("first", broken, NOW - HOUR)
    text = await text_of(served, "/quarantine/first")
    for said in (
        "Source webex, by webhook Received 2026-11-24 11:00:00 , 1 hour ago",
        "In quarantine 4 records of 4",
        "to 2026-11-24T13:00Z 3 0, 2–3",
        "Report ID is missing, or is no UUID 1 1",
        "cdrelay collector quarantine load first",
        "cdrelay collector quarantine show first --records",
        "cdrelay collector quarantine drop first",
    ):
        assert said in text


async def test_the_payload_put_aside_last_is_first_and_all_are_on_pages(
    served: Served, builder: CollectingBuilder
) -> None:
    names = [f"payload-{number:02}" for number in range(30)]
    for name in names:
        builder.refused(name, 1)
    pages = [Page((await served.get(f"/quarantine{query}")).text) for query in ("", "?page=2", "?page=99", "?page=-1")]
    leads = [
        [str(attrs["href"]) for attrs in page.having("a") if str(attrs["href"]).startswith("/quarantine/")]
        for page in pages
    ]
    assert leads[0] + leads[1] == [f"/quarantine/{name}" for name in reversed(names)]
    assert leads[2] == leads[1]
    assert leads[3] == leads[0]


async def test_what_was_loaded_again_or_dropped_is_gone_at_the_next_look(
    served: Served, builder: CollectingBuilder
) -> None:
    collector = served.running.collector
    assert collector is not None
    for name in ("one", "other"):
        builder.refused(name, 1)
    assert "Of 2 payloads" in await text_of(served, "/quarantine")
    collector.store.quarantine.drop("one")
    assert "Of 1 payload " in await text_of(served, "/quarantine")
    assert "There is nothing of payload one in quarantine." in await text_of(served, "/quarantine/one", 404)
    load_again(collector.store.quarantine, collector.store.spool, "other", NOW)
    assert "Nothing is in quarantine." in await text_of(served, "/quarantine")
    collector.store.loader.drain()
    assert "cdrelay collector quarantine load other~2" in await text_of(served, "/quarantine/other~2")


async def test_of_very_many_records_it_is_said_how_many_are_not_looked_at(
    served: Served, builder: CollectingBuilder
) -> None:
    builder.refused("first", 1_203)
    text = await text_of(served, "/quarantine/first")
    assert "1,000 0–999" in text
    assert "Of the first 1,000; cdrelay collector quarantine show first lists the other 203 too." in text


async def test_a_whole_body_that_could_not_be_read_is_one(served: Served, builder: CollectingBuilder) -> None:
    builder.body("first", gzip.compress(b'{"items":[{"User":"' + PERSON.encode()), encoding="gzip")
    assert "first webex 2026-11-24 12:00:00 the body body the body is no list of records" in await text_of(
        served, "/quarantine"
    )
    assert "all of it: the body could not be read, compressed with gzip" in await text_of(served, "/quarantine/first")


async def test_a_body_that_was_put_aside_is_listed_and_cannot_be_loaded(
    served: Served, builder: CollectingBuilder
) -> None:
    for number in range(22):
        builder.aside(f"body-{number}", b"<html>", NOW - number * HOUR)
    text = await text_of(served, "/quarantine")
    assert "22 bodies answered with 400" in text
    assert "body-0 webex 2026-11-24 12:00:00 6" in text
    assert "And 2 more" in text
    one = await text_of(served, "/quarantine/body-21")
    assert "cannot be loaded again" in one
    assert "quarantine load" not in one
    assert "cdrelay collector quarantine drop body-21" in one


async def test_a_damaged_file_costs_its_row_and_not_the_page(served: Served, builder: CollectingBuilder) -> None:
    builder.refused("well", 1)
    folder = served.running.foundation.settings.home / "collector" / "quarantine"
    for name, content in (("empty", b""), ("torn", b'{"payload":"torn","sou'), ("other", b"[1]\n")):
        (folder / f"{name}.ndjson").write_bytes(content)
        assert "Its file is damaged" in await text_of(served, f"/quarantine/{name}")
    text = await text_of(served, "/quarantine")
    assert "Of 4 payloads" in text
    assert text.count("its file is damaged") == 3


@pytest.mark.parametrize("payload", ["..%2Fspool", "..first", "*", "a%00b", "x" * 400, "%3Cscript%3E"])
async def test_a_name_that_is_none_leads_to_no_file(served: Served, builder: CollectingBuilder, payload: str) -> None:
    builder.refused("first", 1)
    answer = await served.get(f"/quarantine/{payload}")
    assert answer.status == 404
    assert "<script" not in answer.text


def _odd_bodies() -> list[bytes]:
    """Bodies that cannot be stored, each in another way, with a person's name and number wherever one can stand."""
    marked = {"User": PERSON, "Calling number": NUMBER}
    good = records_of(org(1), NOW - HOUR, 1)[0] | marked
    records: list[object] = [
        good | {"Report time": NUMBER},
        good | {"Report time": PERSON},
        good | {"Report ID": PERSON},
        good | {"Org UUID": NUMBER},
        good | {"Report time": OLD},
        {PERSON: {NUMBER: [PERSON]}},
        {**good, "Report ID": {PERSON: NUMBER}},
        PERSON,
        [PERSON, NUMBER],
        int(NUMBER),
        None,
    ]
    texts = [
        *(json.dumps(one) for one in records),
        '{"User":"' + PERSON,
        '{"' + PERSON + '":' + PERSON + "}",
        '{"' + PERSON + '":' + NUMBER.strip("+") + "e999999999999999999999}",
        '{"' + PERSON + '":"\\q' + PERSON + '"}',
    ]
    odd = [one.encode() for one in texts]
    odd += ['{"User":"Ã©'.encode()[:-1] + PERSON.encode() + b'"}', b"\xff" + PERSON.encode()]
    return odd


@pytest.mark.parametrize("shape", ["lines", "items", "data", "bare", "gzip"])
async def test_no_value_of_a_record_is_on_any_page(served: Served, builder: CollectingBuilder, shape: str) -> None:
    odd, collector = _odd_bodies(), served.running.collector
    assert collector is not None
    for number, one in enumerate(odd):
        body = {
            "lines": one,
            "items": b'{"items":[' + one + b"]}",
            "data": b'{"data":{"items":[' + one + b"]}}",
            "bare": one,
            "gzip": gzip.compress(one)[:-9] + PERSON.encode(),
        }[shape]
        builder.body(f"payload-{number}", body, encoding="gzip" if shape == "gzip" else "", lines=shape == "lines")
    held = collector.store.quarantine.payloads()
    assert len(held) >= len(odd) - 3
    for path in ("/quarantine", *(f"/quarantine/{name}" for name in held)):
        html = (await served.get(path)).text
        for word in (*PERSON.split(), NUMBER.strip("+")):
            assert word not in html, path
