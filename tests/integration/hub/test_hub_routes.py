"""The hub's routes over real HTTP: status, metrics, health, the page."""

import shutil
from datetime import timedelta
from html.parser import HTMLParser
from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families

from cdrelay.collector.comparison import STATES, Verdict
from cdrelay.collector.sources import SourceChange
from cdrelay.contract.windows import Period
from cdrelay.lake.spool import Envelope
from cdrelay.traffic import Plan, Traffic
from tests.integration.hub.conftest import NOW, Served

HOUR = timedelta(hours=1)


def store_records(served: Served, count: int) -> None:
    """Records that the collector has received and loaded, and one that it had to put aside."""
    collector = served.running.collector
    assert collector is not None
    records = [*Traffic(Plan()).records(count, NOW - HOUR, NOW), b'{"Report ID":"broken"}']
    envelope = Envelope(id=str(uuid4()), source="webex", channel="webhook", received=NOW)
    collector.store.spool.put(envelope, b'{"items":[' + b",".join(records) + b"]}")
    collector.store.loader.drain()


def write_ledger(served: Served) -> None:
    collector = served.running.collector
    assert collector is not None
    collector.sources.add("webex", SourceChange())
    for number, state in enumerate(STATES):
        window = Period(NOW - (number + 2) * HOUR, NOW - (number + 1) * HOUR)
        collector.ledger.write("webex", [Verdict(str(uuid4()), window, 10, 9, 0, state)], NOW)


def write_verdict(served: Served, expected: int, stored: int) -> None:
    """Of an hour of its own, so that two do not add up."""
    collector = served.running.collector
    assert collector is not None
    if not collector.sources.list():
        collector.sources.add("webex", SourceChange())
    start = NOW - (expected + 1) * HOUR
    verdict = Verdict(str(uuid4()), Period(start, start + HOUR), expected, stored, 0, "matched")
    collector.ledger.write("webex", [verdict], NOW)


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def having(self, tag: str, name: str = "") -> list[dict[str, str | None]]:
        """The attributes of the elements of a tag, and of a class."""
        return [
            attrs for found, attrs in self.elements if found == tag and name in (attrs.get("class") or "").split(" ")
        ]


async def test_status_has_the_documented_numbers_before_anything_happened(served: Served) -> None:
    status = (await served.get("/api/status")).json

    assert status["publisher"]["records"] == status["publisher"]["windows"] == 0
    assert status["publisher"]["deliveries"] == {"delivered": 0, "pending": 0, "failed": 0}
    assert {name: status["collector"][name] for name in ("payloads", "records", "quarantined")} == {
        "payloads": 0,
        "records": 0,
        "quarantined": 0,
    }
    assert status["collector"]["ledger"] == dict.fromkeys(STATES, 0)


async def test_status_counts_what_was_loaded_and_put_aside(served: Served) -> None:
    store_records(served, 40)

    collector = (await served.get("/api/status")).json["collector"]

    assert (collector["payloads"], collector["records"], collector["quarantined"]) == (1, 40, 1)
    assert collector["spool_waiting"] == 0


async def test_status_tells_completeness_by_hour(served: Served) -> None:
    write_ledger(served)

    collector = (await served.get("/api/status")).json["collector"]

    assert collector["ledger"] == dict.fromkeys(STATES, 1)
    assert [(hour["expected"], hour["stored"]) for hour in collector["hours"]] == [(10, 9)] * len(STATES)
    assert collector["confirmed"] == 0
    assert collector["hours"] == sorted(collector["hours"], key=lambda hour: hour["start"])


async def test_records_are_confirmed_where_nothing_is_missing(served: Served) -> None:
    write_verdict(served, expected=10, stored=9)
    write_verdict(served, expected=3, stored=4)

    assert (await served.get("/api/status")).json["collector"]["confirmed"] == 3


async def test_an_hour_in_which_the_provider_counts_nothing_is_quiet_on_the_page(served: Served) -> None:
    write_verdict(served, expected=0, stored=0)

    assert len(Page((await served.get("/")).text).having("li", "quiet")) == 1


async def test_a_status_is_read_at_most_once_a_second(served: Served) -> None:
    await served.get("/api/status")
    store_records(served, 1)
    assert (await served.get("/api/status")).json["collector"]["records"] == 0

    served.clock.advance(timedelta(seconds=1))

    assert (await served.get("/api/status")).json["collector"]["records"] == 1


async def test_metrics_are_the_status_in_prometheus_words(served: Served) -> None:
    store_records(served, 3)
    write_ledger(served)

    text = (await served.get("/metrics")).text

    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["cdrelay_collector_records",] == 3
    assert samples["cdrelay_collector_records_quarantined_total",] == 1
    assert all(samples["cdrelay_ledger_windows", state] == 1 for state in STATES)
    assert samples["cdrelay_deliveries", "pending"] == 0


async def test_a_process_whose_spool_is_gone_is_alive_and_not_ready(served: Served) -> None:
    assert (await served.get("/readyz")).json == {"ready": True, "problems": []}
    assert served.running.collector is not None

    shutil.rmtree(served.running.collector.store.spool.folder)

    not_ready = await served.get("/readyz")
    assert not_ready.status == 503
    assert "spool" in not_ready.json["problems"][0]
    assert (await served.get("/healthz")).status == 200


async def test_the_page_shows_every_stage_and_what_to_type_first(served: Served) -> None:
    page = Page((await served.get("/")).text)

    assert len(page.having("li", "stage")) == 7
    assert "cdrelay collector source add" in page.text
    assert "cdrelay publisher intake-key create" in page.text


async def test_the_page_tells_each_hours_state_in_words_and_without_colour(served: Served) -> None:
    write_ledger(served)

    page = Page((await served.get("/")).text)

    cells = page.having("li", "cell")
    assert len(cells) == len(STATES)
    for state, cell in zip(reversed(STATES), cells, strict=True):
        assert f": {state}; 10 expected, 9 stored" in (cell["title"] or "")
        assert cell["tabindex"] == "0"
    assert [entry for state in STATES for entry in page.having("dt", state)] != []


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
