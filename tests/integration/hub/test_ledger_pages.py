"""The pages of the ledger over real HTTP, and where their links lead."""

import re

from cdrelay.contract.windows import Period
from tests.integration.hub.conftest import NOW, Served
from tests.integration.hub.hub_bench import Page
from tests.integration.hub.ledger_bench import ORG, START, TICK, builder, cells_of, fetched, fill, rows_of, words
from tests.support.ledger_builder import org, records_of

HOUR_PAGE = f"/ledger/webex/{ORG}/{START:%Y-%m-%dT%H:%M}Z"


async def shown(served: Served, path: str, status: int = 200) -> Page:
    answer = await served.get(path)
    assert answer.status == status, answer.text
    return Page(answer.text)


async def test_the_map_has_the_worst_organization_first_and_a_cell_for_each_of_49_hours(served: Served) -> None:
    fill(served)

    page = await shown(served, "/ledger")

    assert rows_of(page) == [f"/ledger/webex/{ORG}", f"/ledger/webex/{org(2)}"]
    cells = cells_of(page)
    assert len(cells) == 2 * 49
    (short,) = [cell for cell in cells if cell["class"] == "short"]
    assert (short["aria-label"], short["href"]) == ("short: 10 of 12 stored", HOUR_PAGE)
    assert "2 records are missing in 1 hour, and still to be had." in page.text
    assert "Next edge: 2026-11-25 06:00:00" in page.text
    assert "organization x: 403" in page.text


async def test_the_map_can_be_read_as_a_table(served: Served) -> None:
    fill(served)

    page = await shown(served, "/ledger")

    heads = page.having("th")
    assert {attrs.get("scope") for attrs in heads} == {"col", "row", "colgroup"}
    assert sum(int(str(attrs["colspan"])) for attrs in heads if attrs.get("scope") == "colgroup") == 49
    assert page.having("caption", "spoken")


async def test_every_link_of_the_pages_leads_somewhere(served: Served) -> None:
    fill(served)
    seen, left = set(), {"/ledger", "/ledger?span=month", f"/ledger/webex/{ORG}", HOUR_PAGE}
    while left:
        path = left.pop()
        seen.add(path)
        status, kind, body = await fetched(served, path)
        assert status == 200, path
        if kind == "text/html":
            links = [attrs for tag, attrs in Page(body.decode()).elements if tag == "a"]
            found = {str(attrs.get("href")).partition("#")[0] for attrs in links}
            # Of many alike a few: the hours of the organization that has records, and all that is no hour.
            left |= {one for one in found - seen if one.startswith("/") and _worth_it(one)}
    assert any("/trace/" in path for path in seen)
    assert any("format=pdf" in path for path in seen)


def _worth_it(path: str) -> bool:
    hour = re.search(r"/\d{4}-\d\d-\d\dT(\d\d)", path)
    return "until" not in path and (hour is None or path.startswith(HOUR_PAGE[:-3]))


async def test_an_hour_says_what_was_proved_and_what_brought_its_records(served: Served) -> None:
    fill(served)

    html = (await served.get(HOUR_PAGE)).text

    page, text = Page(html), words(html)
    for said in (
        "short records are missing, and still to be had",
        "expected 12 stored when compared 10 in the lake now 10 fetched by repairs 1",
        "Why The provider answered 403: the token lacks a right.",
        "Brought by repair",
        "whole, ids verified 06:00:00–06:05:00 part 1 of 1, 1 record, verified",
        "not proved by ids 06:05:00–06:10:00 part 1 of 1, 1 record, differs",
        "nothing came 06:10:00–06:15:00",
        "first-payload 2026-11-23 06:10:00 webhook 9 9 0 0",
        "repair-payload 2026-11-23 11:00:00 repair 1 1 0 0",
        "10 records",
    ):
        assert said in text
    assert [attrs["href"] for tag, attrs in page.elements if str(attrs.get("href")).startswith("/trace/")] == [
        f"/trace/{one['Report ID']}?at=2026-11-23T06:00Z" for one in records_of(ORG, START, 12)[:10]
    ]


async def test_records_of_an_hour_are_paged(served: Served) -> None:
    made = builder(served)
    made.deliver("p", records_of(ORG, START, 230), NOW)
    made.rows([{"org_uuid": ORG, "window_start": START, "expected": 230, "stored": 230}])

    counts = []
    for number in (1, 2, 3, 4):
        page = await shown(served, f"{HOUR_PAGE}?page={number}")
        counts.append(sum(str(attrs.get("href")).startswith("/trace/") for _, attrs in page.elements))

    assert counts == [100, 100, 30, 30]


async def test_an_hour_that_nobody_compared_says_so_and_why_it_is_silent(served: Served) -> None:
    fill(served)

    text = (await shown(served, f"/ledger/webex/{ORG}/2026-11-24T05:00Z")).text

    assert "not compared with the provider’s count" in text
    assert "No rights." in text
    assert "never" in text


async def test_an_organization_is_shown_day_by_day_and_hours_to_come_lead_nowhere(served: Served) -> None:
    fill(served)

    page = await shown(served, f"/ledger/webex/{ORG}")

    assert len(cells_of(page)) == 14 * 24 - 11  # it is 12:00, and the hour from 12 on has begun
    assert "2 records are missing in 1 hour" in page.text
    assert "The provider answered 403: the token lacks a right." in page.text
    addresses = [
        str(attrs.get("href")) for tag, attrs in page.elements if tag == "a" and "button" in str(attrs.get("class"))
    ]
    span = "from=2026-11-11T00:00Z&to=2026-11-24T11:00Z"
    assert addresses == [
        f"/api/ledger/certificate?source=webex&orgId={ORG}&{span}&format={form}" for form in ("pdf", "json")
    ]


async def test_a_week_has_columns_of_six_hours_that_lead_to_the_organization(served: Served) -> None:
    fill(served)

    cells = cells_of(await shown(served, f"/ledger?span=week&organization={ORG[:6]}"))

    assert len(cells) == 28
    assert {cell["class"] for cell in cells} == {"unchecked", "short", "open"}
    (short,) = [cell for cell in cells if cell["class"] == "short"]
    assert short["aria-label"] == "short: 10 of 12 stored, 5 not compared"
    assert short["href"] == f"/ledger/webex/{ORG}?until=2026-11-23T12:00Z"


async def test_periods_before_and_after_are_linked_and_there_is_none_after_the_present(served: Served) -> None:
    fill(served)

    now, before = await shown(served, "/ledger"), await shown(served, "/ledger?until=2026-11-22T12:00Z")

    assert [attrs["href"] for attrs in now.having("a") if attrs.get("rel")] == ["/ledger?until=2026-11-22T12:00Z"]
    assert [attrs["href"] for attrs in before.having("a") if attrs.get("rel")] == [
        "/ledger?until=2026-11-20T11:00Z",
        "/ledger",
    ]


NOWHERE = {
    f"/ledger/nobody/{ORG}": "the ledger of 'nobody' has no organization",
    "/ledger/webex/not-an-id": "has no organization 'not-an-id'",
    f"/ledger/webex/{org(9)}": "has no organization",
    f"/ledger/webex/{org(9)}/2026-11-24T05:00Z": "has no organization",
    f"/ledger/webex/{ORG}/yesterday": "'yesterday' is no time",
    f"/ledger/webex/{ORG}/2026-13-99T05:00Z": "is no time",
    f"/ledger/webex/{ORG}/2026-11-24T05:01Z": "no hour of the ledger begins at 2026-11-24T05:01Z",
    f"/ledger/webex/{ORG}/2026-11-24T13:00Z": "no hour of the ledger begins at 2026-11-24T13:00Z",
    "/ledger/%3Cscript%3E/x": "'<script>'",
    "/trace/nothing": "'nothing'",
    "/trace/11111111-2222-4333-8444-555555555555": "nothing is known of it",
}


async def test_an_address_that_leads_to_nothing_gets_a_page_that_says_so(served: Served) -> None:
    fill(served)

    for path, said in NOWHERE.items():
        page = await shown(served, path, 404)
        assert said.casefold() in page.text.casefold(), path
        assert not page.having("script")
        assert {attrs.get("href") for attrs in page.having("a")} & {"/ledger"}


async def test_what_somebody_typed_comes_back_as_text(served: Served) -> None:
    fill(served)
    typed = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"

    page = await shown(served, f"/ledger?organization={typed}&source={typed}&until={typed}&page={typed}&span={typed}")

    assert not page.having("script")
    assert "No organization is so." in page.text
    (field,) = [attrs for attrs in page.having("input") if attrs.get("name") == "organization"]
    assert field["value"] == '"><script>alert(1)</script>'


async def test_pages_load_nothing_from_elsewhere_and_lead_forms_nowhere_else(served: Served) -> None:
    fill(served)

    for path in ("/ledger", f"/ledger/webex/{ORG}", HOUR_PAGE, "/trace"):
        policy = (await served.get(path)).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'")


async def test_a_record_s_way_is_told_from_the_call_to_the_comparison(served: Served) -> None:
    fill(served)
    report_id = records_of(ORG, START, 12)[9]["Report ID"]

    text = (await shown(served, f"/trace/{report_id}")).text

    steps = ["The call was completed", "A repair fetched it", "It was stored by load 2", "Its hour was compared: short"]
    assert [step for step in steps if step in text] == steps
    assert "payload repair-payload" in text


async def test_a_typed_report_id_leads_to_its_page(served: Served) -> None:
    fill(served)
    report_id = records_of(ORG, START, 12)[0]["Report ID"]

    page = await shown(served, f"/trace?id=%20{report_id}%20")

    assert "It was received" in page.text


async def test_the_page_of_the_loop_leads_to_the_ledger(served: Served) -> None:
    assert {"/ledger"} <= {attrs.get("href") for attrs in (await shown(served, "/")).having("a")}


async def test_before_anything_was_compared_the_page_says_what_to_do(served: Served) -> None:
    text = (await shown(served, "/ledger")).text

    assert "The ledger has no organization yet" in text
    assert "cdrelay reconcile" in text


async def test_without_a_database_the_pages_say_so(served: Served) -> None:
    fill(served)
    served.lose_database()

    answer = await served.get("/ledger")

    assert answer.status == 503
    assert "control database" in answer.text


async def test_no_page_names_a_number_or_a_person(served: Served) -> None:
    made = builder(served)
    private = {"Calling number": "+15550100", "User": "Ada Example", "Called number": "+15550199"}
    made.deliver("p", [records_of(ORG, START, 1)[0] | private], NOW)
    made.rows([{"org_uuid": ORG, "window_start": START}])
    report_id = records_of(ORG, START, 1)[0]["Report ID"]

    for path in (HOUR_PAGE, f"/trace/{report_id}", f"/ledger/webex/{ORG}", "/ledger"):
        text = (await served.get(path)).text
        assert not [value for value in private.values() if value in text], path


async def test_hours_of_compressed_time_are_found_by_their_second(served: Served) -> None:
    # A row that another compression left lies off the grid, and is shown as it is.
    made = builder(served)
    odd = Period(START.replace(second=30), START.replace(second=30) + TICK)
    made.rows([{"org_uuid": ORG, "window_start": odd.start, "length": odd.length}])

    page = await shown(served, f"/ledger/webex/{ORG}/{odd.start:%Y-%m-%dT%H:%M:%S}Z")

    assert "matched" in page.text
