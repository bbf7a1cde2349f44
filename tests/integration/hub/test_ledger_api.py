"""What programs ask of the ledger, over real HTTP."""

import json
from io import BytesIO

import pytest
from pypdf import PdfReader
from sqlalchemy import insert

from cdrelay.contract.manifest import digest_of
from cdrelay.control.tables import compared_hours
from tests.integration.hub.conftest import NOW, Served
from tests.integration.hub.ledger_bench import ORG, START, builder, fetched, fill
from tests.support.ledger_builder import HOUR, org, records_of

CERTIFICATE = f"/api/ledger/certificate?source=webex&orgId={ORG}"
DAY = "from=2026-11-23&to=2026-11-24"


async def test_the_map_is_answered_with_sums_repair_and_hours(served: Served) -> None:
    fill(served)

    answer = (await served.get("/api/ledger")).json

    assert (answer["from"], answer["to"]) == ("2026-11-22T12:00:00.000Z", "2026-11-24T13:00:00.000Z")
    assert answer["sums"]["missing"] == answer["repair"]["missing"] == 2
    assert answer["repair"]["nextEdge"]["leavesAt"] == "2026-11-25T06:00:00.000Z"
    assert [one["orgId"] for one in answer["organizations"]] == [ORG, org(2)]
    hours = {hour["from"]: hour for hour in answer["organizations"][0]["hours"]}
    assert len(hours) == 49
    assert hours["2026-11-23T06:00:00.000Z"] == {
        "from": "2026-11-23T06:00:00.000Z",
        "state": "short",
        "expected": 12,
        "stored": 10,
    }
    assert hours["2026-11-23T07:00:00.000Z"]["expected"] is None


async def test_the_map_is_filtered_and_cut_by_time(served: Served) -> None:
    fill(served)

    async def found(query: str) -> list[str]:
        return [one["orgId"] for one in (await served.get(f"/api/ledger?{query}")).json["organizations"]]

    assert await found("state=short") == [ORG]
    assert await found(f"orgId={org(2)[:7]}") == [org(2)]
    assert await found("source=another") == []
    assert await found("from=2026-11-24&to=2026-11-24T06:00Z") == [org(2)]
    assert await found("page=7") == [ORG, org(2)]


BROKEN = {
    "from=yesterday": "from: must be a date or a time in UTC",
    "from=2026-02-30": "from: must be a date or a time in UTC",
    "from=2026-11-24&to=2026-11-23": "to: must be later than from",
    "from=2026-11-01&to=2026-11-23": "to: must be no more than 168 hours after from",
    "state=fine": "state: must be one of lost, short",
    "page=0": "page: must be a whole number from 1",
    "to=9999-01-01": "to: must lie between",
}


async def test_a_parameter_that_breaks_a_rule_is_named_with_it(served: Served) -> None:
    for query, said in BROKEN.items():
        answer = await served.get(f"/api/ledger?{query}")
        assert answer.status == 400, query
        assert said in answer.json["message"]


async def test_a_certificate_as_json_says_what_was_proved_and_of_which_records(served: Served) -> None:
    fill(served)

    answer = await served.get(f"{CERTIFICATE}&{DAY}")

    made = answer.json
    assert made["verdict"] == "not complete"
    assert made["statement"] == "Not complete: 2 records are missing, in 1 of 24 hours. The others: 23 not compared."
    assert made["records"]["digest"] == digest_of(one["Report ID"] for one in records_of(ORG, START, 12)[:10])
    assert (made["expected"], made["stored"], made["missing"], made["records"]["inLake"]) == (12, 10, 2, 10)
    (short,) = [hour for hour in made["byHour"] if hour["finding"] == "incomplete"]
    assert (short["from"], short["ways"], short["proof"]) == ("2026-11-23T06:00:00.000Z", ["repair"], "counts")
    assert short["reason"] == "the provider answered 403: the token lacks a right"
    assert made["madeAt"] == "2026-11-24T12:00:00.000Z"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="completeness-')
    assert answer.text == (await served.get(f"{CERTIFICATE}&{DAY}")).text


async def test_a_certificate_of_hours_that_are_all_proved_says_complete(served: Served) -> None:
    made = fill(served)
    made.deliver("all", [one for ago in range(13, 19) for one in records_of(org(2), NOW - ago * HOUR, 10)], NOW)

    whole = (await served.get(f"{CERTIFICATE}&from=2026-11-23T18:00Z&to=2026-11-24".replace(ORG, org(2)))).json
    gone = (await served.get(f"{CERTIFICATE}&from=2026-11-23T18:00Z&to=2026-11-24T01:00Z".replace(ORG, org(2)))).json

    assert whole["verdict"] == "complete"
    assert whole["statement"].startswith("Complete: all 60 records that the provider counts in the 6 hours")
    assert "Not complete: 10 records are missing, in 1 of 7 hours." in gone["statement"]
    assert gone["byHour"][-1]["reason"] == "of 10 records stored when it was compared, 0 are left in the lake"


async def test_a_certificate_as_pdf_says_the_same(served: Served) -> None:
    fill(served)
    made = (await served.get(f"{CERTIFICATE}&{DAY}")).json

    status, kind, body = await fetched(served, f"{CERTIFICATE}&{DAY}&format=pdf")

    assert (status, kind) == (200, "application/pdf")
    assert (await fetched(served, f"{CERTIFICATE}&{DAY}&format=pdf"))[2] == body
    reader = PdfReader(BytesIO(body))
    pages = [page.extract_text() for page in reader.pages]
    text = " ".join(" ".join(pages).split())
    for said in (
        made["statement"],
        made["records"]["digest"],
        ORG,
        "2 missing; the provider answered 403",
        made["madeBy"],
    ):
        assert said in text
    assert text.count("? not compared") == 23 + 1  # each hour, and the legend
    assert [f"page {n} of {len(pages)}" in page for n, page in enumerate(pages, 1)] == [True] * len(pages)
    assert reader.metadata is not None
    assert ORG in str(reader.metadata.title)


async def test_a_certificate_of_31_days_has_every_hour_on_its_pages(served: Served) -> None:
    made = fill(served)
    hours = [{"org_uuid": ORG, "window_start": NOW - ago * HOUR} for ago in range(36, 31 * 24 + 12)]
    made.rows(
        row | {"state": "short", "expected": 1, "stored": 0, "reason": "1 missing; nobody gives it"} for row in hours
    )

    _, _, body = await fetched(served, f"{CERTIFICATE}&from=2026-10-24&to=2026-11-24&format=pdf")

    reader = PdfReader(BytesIO(body))
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert len(reader.pages) < 20
    assert text.count("M incomplete") == len(hours) + 1
    # Hours in a row with one reason are a line, with the number of all of them.
    assert f"incomplete; {len(hours):,} missing; nobody gives it" in text
    assert all(page.mediabox.width == pytest.approx(595.3, abs=0.1) for page in reader.pages)


async def test_days_of_which_nothing_is_known_are_one_line_of_a_certificate(served: Served) -> None:
    fill(served)

    _, _, body = await fetched(served, f"{CERTIFICATE}&from=2025-11-24&to=2026-11-24&format=pdf")

    reader = PdfReader(BytesIO(body))
    text = "\n".join(page.extract_text() for page in reader.pages)
    days = "2025-11-24 00:00 to 2026-11-23 00:00: 8,736 hours, each not compared; none of their records is in the lake"
    assert days in text
    assert len(reader.pages) < 12


async def test_hours_before_the_first_call_of_a_customer_are_proved_where_its_source_was_compared(
    served: Served,
) -> None:
    made, ago = builder(served), {number: NOW - number * HOUR for number in range(13, 19)}
    made.rows([{"org_uuid": ORG, "window_start": ago[13], "expected": 3, "stored": 3}])
    made.deliver("first", records_of(ORG, ago[13], 3) + records_of(ORG, ago[15], 1), NOW)
    whole, under_way = ({"compared_at": ago[number] + later} for number, later in ((14, 2 * HOUR), (16, HOUR)))
    asked = {14: whole, 15: {"compared_at": NOW}, 16: under_way, 17: {"compared_at": None}, 18: {"compared_at": NOW}}
    with served.running.foundation.database.write() as connection:
        for number, said in asked.items():
            values = {"source": "webex", "window_start": ago[number], "tried_at": NOW, "failures": 0} | said
            connection.execute(insert(compared_hours).values(values))

    answer = (await served.get(f"{CERTIFICATE}&from=2026-11-23T18:00Z&to=2026-11-24")).json

    # One holds a record that nobody counted, one was compared before its last delivery, one never whole.
    found = ["complete", "not compared", "not compared", "not compared", "complete", "complete"]
    assert [hour["finding"] for hour in answer["byHour"]] == found
    assert (answer["expected"], answer["proofs"]["counts"]) == (3, 3)
    assert answer["byHour"][4]["checkedAt"] == "2026-11-24T00:00:00.000Z"


SENSELESS = {
    f"{CERTIFICATE}&from=2026-11-23T00:30Z&to=2026-11-24": (400, "from: must be a whole hour of the ledger"),
    f"{CERTIFICATE}&from=2026-11-23&to=2026-11-25": (400, "to: the period must be over"),
    f"{CERTIFICATE}&from=2024-11-23&to=2026-11-24": (400, "to: at most 8,784 hours after from"),
    f"{CERTIFICATE}&from=2026-11-24&to=2026-11-24": (400, "to: must be later than from"),
    f"{CERTIFICATE}&{DAY}&format=doc": (400, "format: must be one of json, pdf"),
    f"/api/ledger/certificate?source=webex&orgId=x&{DAY}": (400, "orgId: must be the id"),
    f"/api/ledger/certificate?source=webex&{DAY}": (400, "orgId: must be the id"),
    CERTIFICATE: (400, "from: must be a date"),
    f"/api/ledger/certificate?source=nobody&orgId={ORG}&{DAY}": (404, "source 'nobody' has no organization"),
    f"/api/ledger/certificate?source=webex&orgId={org(8)}&{DAY}": (404, "no such organization is known"),
}


async def test_no_certificate_is_made_of_what_makes_no_sense(served: Served) -> None:
    fill(served)

    for query, (status, said) in SENSELESS.items():
        answer = await served.get(query)
        assert (answer.status, list(json.loads(answer.text))) == (status, ["message"]), query
        assert said in answer.json["message"]
