"""The pages of alarms and sources over real HTTP: what is up, what to do first, how each source stands."""

from datetime import timedelta

import pytest

from cdrelay.collector.alarms.kinds import FIRST_STEPS, KINDS
from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation
from tests.integration.hub.conftest import NOW, Served
from tests.integration.hub.hub_bench import Page
from tests.integration.hub.ledger_bench import fetched, words
from tests.support.collecting_builder import NUMBER, PERSON, SECRET, TOKEN, CollectingBuilder, fill
from tests.support.homes import prepared
from tests.support.ledger_builder import org, records_of
from tests.support.server import serving

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
PAGES = ("/alarms", "/sources", "/quarantine")


@pytest.fixture
def builder(served: Served) -> CollectingBuilder:
    return CollectingBuilder(served.running, NOW)


async def text_of(served: Served, path: str) -> str:
    answer = await served.get(path)
    assert answer.status == 200, answer.text
    return words(answer.text)


async def test_without_anything_each_page_says_so(served: Served) -> None:
    for path, said in zip(
        PAGES, ("No alarm is up.", "There is no source yet", "Nothing is in quarantine."), strict=True
    ):
        assert said in await text_of(served, path)
    assert "None has." in await text_of(served, "/alarms")


async def test_each_page_is_marked_in_the_navigation_and_has_a_policy_without_scripts(
    served: Served, builder: CollectingBuilder
) -> None:
    fill(builder, NOW)
    for path in PAGES:
        answer = await served.get(path)
        page = Page(answer.text)
        assert [attrs["href"] for attrs in page.having("a") if attrs.get("aria-current")] == [path]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert page.having("script") == page.having("form") == []
        assert not [name for _tag, attrs in page.elements for name in attrs if name.startswith("on") or name == "style"]


async def test_every_link_leads_somewhere_also_from_the_loop(served: Served, builder: CollectingBuilder) -> None:
    fill(builder, NOW)
    seen, left = set[str](), {"/"}
    while left:
        path = left.pop()
        seen.add(path)
        status, kind, body = await fetched(served, path)
        assert status == 200, path
        if kind == "text/html" and (path == "/" or path.startswith(PAGES)):
            found = {str(attrs.get("href")).partition("#")[0] for attrs in Page(body.decode()).having("a")}
            left |= {one for one in found - seen if one.startswith("/")}
    assert set(PAGES) <= seen
    assert "/quarantine?page=3" in seen
    assert sum(one.startswith("/quarantine/") for one in seen) == 75
    assert "/ledger?source=webex" in seen


async def test_the_loop_leads_to_each_page_where_it_speaks_of_it(served: Served, builder: CollectingBuilder) -> None:
    builder.refused("first", 2)
    builder.alarm("disk-full", "", "3 GB are free.", NOW - HOUR)
    html = (await served.get("/")).text
    assert '<a href="/quarantine">2 in quarantine</a>' in html
    assert '<h2 id="alarms-title"><a href="/alarms">Alarms</a></h2>' in html
    assert '<a href="/sources">sources</a>' in html


@pytest.mark.parametrize("path", [*PAGES, "/quarantine/first", "/quarantine/nothing"])
async def test_without_database_each_page_says_why(served: Served, builder: CollectingBuilder, path: str) -> None:
    builder.refused("first", 2)
    served.lose_database()
    answer = await served.get(path)
    assert answer.status == 503
    assert "the control database cannot be read" in Page(answer.text).text


@pytest.mark.parametrize("roles", ["collector", "publisher,hub", "publisher,collector"])
async def test_they_are_served_only_where_collector_and_hub_run_together(tmp_path: object, roles: str) -> None:
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(prepared(tmp_path / "home"))}))  # type: ignore[operator]
    running = assemble(foundation, frozenset(roles.split(",")))  # type: ignore[arg-type]
    async with serving(running.app) as address:
        served = Served(running, foundation.clock, address)  # type: ignore[arg-type]
        for path in (*PAGES, "/quarantine/first"):
            assert (await served.get(path)).status == 404, path
    foundation.close()


# --- alarms ---


@pytest.mark.parametrize("kind", KINDS)
async def test_an_alarm_says_what_is_wrong_since_when_and_what_to_do_first(
    served: Served, builder: CollectingBuilder, kind: str
) -> None:
    builder.alarm(kind, "webex", "webex <b>is odd</b>.", NOW - 40 * MINUTE)
    answer = await served.get("/alarms")
    text = words(answer.text)
    assert "1 alarm is up now." in text
    assert f"{KINDS[kind]} since 2026-11-24 11:20:00 UTC (40 minutes ago): webex <b>is odd</b>." in text
    assert "".join(FIRST_STEPS[kind].replace("`", "").split()) in "".join(text.split())
    assert f"docs/operations/{kind}.md" in text
    assert "&lt;b&gt;" in answer.text
    assert Page(answer.text).having("h2")[0]["id"] == kind


async def test_what_cannot_wait_is_first_and_no_kind_hides_another(served: Served, builder: CollectingBuilder) -> None:
    for number in range(23):
        builder.alarm("source-silent", f"s{number}", f"s{number} is silent.", NOW - (30 + number) * MINUTE)
    builder.alarm("window-missing", "webex", "2 windows.", NOW - 3 * HOUR)
    builder.alarm("of-later", "webex", "What a newer version raised.", NOW - 3 * HOUR)
    builder.alarm("records-near-edge", "webex", "4 records.", NOW)
    page = Page((await served.get("/alarms")).text)
    kinds = [attrs["id"] for attrs in page.having("h2")]
    assert kinds == ["records-near-edge", "window-missing", "source-silent", "of-later", "ended-title"]
    assert "26 alarms are up now." in page.text
    assert "And 3 more" in page.text
    assert "s22 is silent." in page.text
    assert "s2 is silent." not in page.text


async def test_alarms_that_ended_within_a_week_are_below_the_last_to_end_first(
    served: Served, builder: CollectingBuilder
) -> None:
    builder.alarm("disk-full", "", "Long ago.", NOW - 9 * DAY, NOW - 8 * DAY)
    builder.alarm("source-silent", "webex", "Was long up.", NOW - 60 * DAY, NOW - HOUR)
    builder.alarm("not-running", "", "Was down.", NOW - 2 * DAY, NOW - 2 * DAY)
    text = await text_of(served, "/alarms")
    assert "No alarm is up." in text
    assert "Ended 2026-11-24 11:00:00 2026-09-25 12:00:00 Deliveries have stopped. Was long up." in text
    assert text.index("Was long up.") < text.index("Was down.")
    assert "Long ago." not in text
    for number in range(60):
        builder.alarm("spool-grows", str(number), "x", NOW - DAY, NOW - DAY)
    assert "And 12 more" in await text_of(served, "/alarms")


async def test_what_a_provider_says_of_a_person_is_withheld(served: Served, builder: CollectingBuilder) -> None:
    refused = f"Lastly: 403 for ada@example.com, {NUMBER} has no right."
    builder.alarm("repair-failed", "webex", refused, NOW - HOUR)
    builder.alarm("repair-failed", "webex", refused, NOW - 2 * HOUR, NOW - HOUR)
    for path in ("/alarms", "/"):
        html = (await served.get(path)).text
        assert "403 for (withheld), (withheld) has no right." in html
        assert "ada@" not in html
        assert NUMBER not in html


# --- sources ---


async def test_a_source_says_how_it_stands(served: Served, builder: CollectingBuilder) -> None:
    lasting = {"refresh_token": b"x", "client_secret": b"x", "client_id": "C1", "token_url": "https://x.example"}
    ends = {"token_expires_at": NOW + 9 * DAY, "refresh_expires_at": NOW + 83 * DAY - MINUTE}
    builder.source("webex", **lasting, **ends, previous_secret=b"x")
    builder.payload("old", records_of(org(1), NOW - 40 * HOUR, 5), NOW - 25 * HOUR)
    for number in range(2):
        builder.payload(f"p{number}", records_of(org(1), NOW - 2 * HOUR, 5), NOW - (number + 1) * HOUR)
    builder.payload("fetched", records_of(org(2), NOW - 5 * HOUR, 7), NOW - MINUTE, channel="repair")
    builder.compared("webex", NOW - 2 * DAY, NOW - 3 * DAY)
    builder.compared("webex", NOW - 7 * MINUTE, NOW - 2 * HOUR)
    text = await text_of(served, "/sources")
    for said in (
        "The source is well.",
        "payloads in 24 hours 2 records in them 10 records fetched besides 7",
        "Kind webhook, signed; two secrets are valid until rotate-secret --finish",
        "Path /webhooks/webex Feed type analytics Last payload 2026-11-24 11:00:00 , 1 hour ago",
        "Last compared 2026-11-24 11:53:00 , 7 minutes ago",
        "Provider analytics.webexapis.com",
        "Token ends in 9 days, on 2026-12-03 at 12:00; renewed by itself, with a refresh token that ends in 82 days",
    ):
        assert said in text


async def test_what_is_not_well_is_said_with_what_to_type(served: Served, builder: CollectingBuilder) -> None:
    builder.source("a-open", secret=None)
    builder.source("b-alone", api=None)
    builder.source("c-tokenless", token=None)
    builder.source("d-ended", token_expires_at=NOW - DAY)
    builder.source("e-refused", token_problem=f"{PERSON} has no right")
    builder.source("f-pulled", "cdr_stream", org_id=org(4), pull_problem=f"{PERSON} has no right", pulled_at=NOW - HOUR)
    builder.source("g-well")
    builder.alarm("source-silent", "g-well", "It is over.", NOW - HOUR, NOW)
    builder.alarm("source-silent", "d-ended", "It is silent.", NOW - HOUR)
    html = (await served.get("/sources")).text
    text = words(html)
    for said in (
        "6 of 7 sources are not well.",
        "whoever knows its address can deliver records: cdrelay collector source set a-open --secret-file F",
        "nothing is compared: cdrelay collector source set b-alone --api URL",
        "nothing fetched: cdrelay collector login c-tokenless",
        "Its token has ended: cdrelay collector login d-ended",
        "Its tokens cannot be refreshed: cdrelay collector source show e-refused",
        "It could not be pulled lately: cdrelay collector source show f-pulled",
        f"Kind pulled (cdr_stream), of organization {org(4)}",
        "Pulled to its end 2026-11-24 11:00:00 , 1 hour ago",
        "g-well ✓ Nothing is known that is not well.",
    ):
        assert said in text
    assert '<a href="/alarms#source-silent">Deliveries have stopped.</a>' in html
    assert html.count("/alarms#") == 1


async def test_no_secret_no_token_and_no_word_of_a_provider_is_on_the_page(
    served: Served, builder: CollectingBuilder
) -> None:
    api = "https://ada:password@analytics.webexapis.com:8443/path-of-it"
    builder.source(
        "webex", api=api, token_problem=f"{PERSON}: no", client_id="client-of-it", token_url="https://t.example"
    )
    builder.source("acme", "cdr_stream", api=api, pull_problem=f"{PERSON}: no")
    html = (await served.get("/sources")).text
    assert "<code>analytics.webexapis.com:8443</code>" in html
    for secret in (SECRET, TOKEN, "ada:", "password", "path-of-it", PERSON, "client-of-it", "t.example"):
        assert secret not in html


async def test_many_sources_are_paged(served: Served, builder: CollectingBuilder) -> None:
    for number in range(30):
        builder.source(f"s{number:02}")
    first, second, beyond = [Page((await served.get(f"/sources{query}")).text) for query in ("", "?page=2", "?page=99")]
    assert [len(page.having("dl", "values")) for page in (first, second, beyond)] == [25, 5, 5]
    assert {"href": "/sources?page=2", "rel": "next"} in first.having("a")


async def test_a_payload_is_counted_once_however_often_the_page_is_looked_at(
    served: Served, builder: CollectingBuilder
) -> None:
    builder.source("webex")
    for number in (1, 2, 3):
        builder.payload(f"p{number}", records_of(org(1), NOW - 2 * HOUR, 5), NOW - (4 - number) * MINUTE)
        text = await text_of(served, "/sources")
        assert f"in 24 hours {number} records in them {5 * number}" in text.replace("payload in", "in").replace(
            "payloads in", "in"
        )
        assert f"Last payload 2026-11-24 11:5{6 + number}:00" in text
