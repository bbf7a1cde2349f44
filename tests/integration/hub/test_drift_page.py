"""The page, the status and the metrics of drift, over real HTTP."""

import json

from cdrelay.lake.spool import Envelope
from tests.integration.hub.conftest import NOW, Served
from tests.integration.hub.hub_bench import Page
from tests.support.lake_builder import document, record


def load_odd_records(served: Served) -> None:
    collector = served.running.collector
    assert collector is not None
    odd = [
        record("a", NOW, **{"New <key>": 1, "Call type": "SIP_NEW", "Duration": "long"}),
        record("b", NOW, **{"New <key>": 2}),
    ]
    collector.store.spool.put(
        Envelope(id="odd-payload", source="webex", channel="webhook", received=NOW), document(odd)
    )
    collector.store.loader.drain()


async def test_differences_are_shown_with_how_often_and_since_when(served: Served) -> None:
    load_odd_records(served)
    answer = await served.get("/drift")
    page = Page(answer.text)
    assert answer.status == 200
    assert "<code>New &lt;key&gt;</code>" in answer.text
    for heading in ("Unknown keys", "New values", "Values of another type"):
        assert heading in page.text
    for fact in ("SIP_NEW", "odd-payload", "cdrelay lake promote KEY"):
        assert fact in page.text
    assert "long" not in page.text
    assert {attrs.get("scope") for attrs in page.having("th")} == {"col", "row"}
    assert [attrs["href"] for tag, attrs in page.elements if tag == "a" and attrs.get("aria-current")] == ["/drift"]


async def test_without_differences_the_page_says_so(served: Served) -> None:
    answer = await served.get("/drift")
    assert (answer.status, "all keys, values and types are as documented" in answer.text) == (200, True)


async def test_the_status_and_the_metrics_count_the_different_ones(served: Served) -> None:
    load_odd_records(served)
    status = json.loads((await served.get("/api/status")).text)
    assert status["collector"]["drift"] == {"keys": 1, "values": 1, "misfits": 1}
    assert 'cdrelay_drift{kind="keys"} 1.0' in (await served.get("/metrics")).text
