"""The page over real HTTP, read as a browser without style sheet, script or colours would."""

from datetime import timedelta

import pytest

from cdrelay.collector.comparison import STATES
from tests.integration.hub.conftest import Served
from tests.integration.hub.hub_bench import Page, store_records, write_delivery, write_ledger, write_verdict


async def test_the_page_shows_every_stage_and_what_to_type_first(served: Served) -> None:
    page = Page((await served.get("/")).text)

    assert len(page.having("li", "stage")) == 7
    assert "cdrelay collector source add" in page.text
    assert "cdrelay publisher intake-key create" in page.text


async def test_the_page_tells_each_hours_state_in_words_and_without_colour(served: Served) -> None:
    write_ledger(served)

    page = Page((await served.get("/")).text)

    cells = [cell for cell in page.having("li", "cell") if cell["class"] != "cell unchecked"]
    assert len(cells) == len(STATES)
    for state, cell in zip(reversed(STATES), cells, strict=True):
        assert f": {state}; 10 expected, 9 stored" in (cell["title"] or "")
        assert (cell["title"] or "") in page.text


async def test_the_page_is_served_with_a_policy_that_allows_no_script(served: Served) -> None:
    answer = await served.get("/")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    page = Page(answer.text)
    assert page.having("script") == []
    assert not [name for _tag, attrs in page.elements for name in attrs if name.startswith("on") or name == "style"]


async def test_an_incident_with_markup_in_it_is_text_on_the_page(served: Served) -> None:
    served.running.foundation.incidents.record("load", "<script>alert(1)</script>")

    answer = await served.get("/")

    assert "<script>" not in answer.text
    assert "<script>alert(1)</script>" in Page(answer.text).text


async def test_the_style_sheet_is_there(served: Served) -> None:
    assert (await served.get("/static/style.css")).status == 200


async def test_an_hour_in_which_the_provider_counts_nothing_is_quiet_on_the_page(served: Served) -> None:
    write_verdict(served, expected=0, stored=0)

    assert len(Page((await served.get("/")).text).having("li", "quiet")) == 1


@pytest.mark.parametrize("state", [*STATES, "quiet", "unchecked"])
async def test_the_legend_explains_every_state(served: Served, state: str) -> None:
    assert len(Page((await served.get("/")).text).having("span", state)) == 1


async def test_an_hour_nobody_asked_about_says_so(served: Served) -> None:
    page = Page((await served.get("/")).text)

    assert [cell["class"] for cell in page.having("li", "cell")] == ["cell unchecked"] * 48
    assert "Nothing has been compared yet" in page.text


async def test_the_table_tells_every_hour_that_was_compared(served: Served) -> None:
    write_ledger(served)

    page = Page((await served.get("/")).text)

    rows = [attrs for tag, attrs in page.elements if tag == "th" and attrs.get("scope") == "row"]
    assert len(rows) == len(STATES)


async def test_every_section_is_named_by_its_heading(served: Served) -> None:
    page = Page((await served.get("/")).text)

    headings = {attrs.get("id") for attrs in page.having("h2")}
    sections = [attrs.get("aria-labelledby") for attrs in page.having("section")]
    assert len(sections) == 5
    assert set(sections) == headings
    assert len(page.having("h1")) == len(page.having("main")) == 1


async def test_a_late_delivery_comes_before_all_numbers(served: Served) -> None:
    write_delivery(served, timedelta(minutes=20), "pending")

    page = Page((await served.get("/")).text)

    assert page.having("p", "standing") == [{"class": "standing warn"}]
    assert "1 delivery waits, the oldest since 2026-11-24 11:40:00 UTC" in page.text
    assert "1 waiting, 0 failed" in page.text
    assert "pending" not in page.text


async def test_a_delivery_that_was_given_up_is_said_until_it_is_out_of_reach(served: Served) -> None:
    write_delivery(served, timedelta(hours=47), "failed")
    recent = Page((await served.get("/")).text)
    served.clock.advance(timedelta(hours=2))
    later = Page((await served.get("/")).text)

    assert recent.having("p", "standing") == [{"class": "standing grave"}]
    assert "1 delivery was given up in the last 48 hours" in recent.text
    assert later.having("p", "standing") == [{"class": "standing idle"}]
    assert later.having("li", "sent")[0]["class"] == "stage sent"


async def test_the_page_leads_to_the_other_pages(served: Served) -> None:
    page = Page((await served.get("/")).text)

    led = [attrs.get("href") for attrs in page.having("a")]
    assert {"/ledger", "/trace", "/drift", "/sign-in"} <= set(led)


async def test_latest_deliveries_and_payloads_are_listed_without_names(served: Served) -> None:
    write_delivery(served, timedelta(minutes=5), "delivered")
    store_records(served, 5)

    text = Page((await served.get("/")).text).text

    assert "11-24 11:55:00" in text
    assert "webhook" in text
    assert "Reseller" not in text
    assert "webex" not in text


async def test_the_page_renews_itself_unless_it_is_paused(served: Served) -> None:
    def renewals(page: Page) -> list[str | None]:
        return [attrs.get("content") for attrs in page.having("meta") if attrs.get("http-equiv") == "refresh"]

    renewing, paused = [Page((await served.get(path)).text) for path in ("/", "/?paused")]

    assert renewals(renewing) == ["5"]
    assert renewals(paused) == []
    assert {"href": "/?paused"} in renewing.having("a")
    assert {"href": "/"} in paused.having("a")


async def test_a_paused_page_shows_its_table_open(served: Served) -> None:
    write_ledger(served)

    assert Page((await served.get("/?paused")).text).having("details") == [{"open": None}]


async def test_without_database_the_page_says_why_and_tries_again(served: Served) -> None:
    served.lose_database()

    answer = await served.get("/")

    assert answer.status == 503
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    page = Page(answer.text)
    assert "the control database cannot be read" in page.text
    assert [attrs for attrs in page.having("meta") if attrs.get("http-equiv") == "refresh"] != []
