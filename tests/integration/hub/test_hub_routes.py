"""The hub's routes over real HTTP: status and metrics."""

from datetime import timedelta

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from cdrelay.collector.comparison import STATES
from cdrelay.lake.prepare import Refused
from tests.integration.hub.conftest import Served
from tests.integration.hub.hub_bench import store_records, write_delivery, write_ledger, write_verdict


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


async def test_what_left_quarantine_is_not_shown_as_being_there(served: Served) -> None:
    for _ in range(2):
        store_records(served, 1)
    quarantine = served.running.collector.store.quarantine if served.running.collector else None
    assert quarantine is not None
    shown = []
    for payload in [*quarantine.payloads(), None]:
        served.clock.advance(timedelta(seconds=1))
        collector = (await served.get("/api/status")).json["collector"]
        gauge = f"cdrelay_collector_quarantine_records {collector['quarantined']}.0"
        assert gauge in (await served.get("/metrics")).text
        assert ("stage got warn" in (await served.get("/")).text) == bool(collector["quarantined"])
        shown.append((collector["quarantined"], collector["loaded"]["put_aside"]))
        if payload is not None:
            quarantine.drop(payload)
    assert shown == [(2, 2), (1, 2), (0, 2)]


async def test_what_no_load_can_read_is_shown_of_either_half(served: Served) -> None:
    publisher, collector = served.running.publisher, served.running.collector
    assert publisher is not None
    assert collector is not None
    for half, number in ((publisher, 1), (collector, 2)):
        for name in range(number):
            (half.store.spool.folder / f"20260101T000000000000-{name}.damaged").write_bytes(b"")
    publisher.store.quarantine.keep("x", "pbx", [Refused(0, b"{}", "Report ID", "is missing")])

    status = (await served.get("/api/status")).json

    told = status["publisher"]
    assert (told["spool_damaged"], told["quarantined"], status["collector"]["spool_damaged"]) == (1, 1, 2)
    metrics = (await served.get("/metrics")).text
    assert "cdrelay_publisher_spool_damaged 1.0" in metrics
    assert "cdrelay_publisher_quarantine_records 1.0" in metrics
    assert "cdrelay_collector_spool_damaged 2.0" in metrics
    page = (await served.get("/")).text
    assert "0 waiting in the spool, 1 damaged; 1 in quarantine" in page
    assert "0 waiting in the spool, 2 damaged;" in page


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


async def test_a_status_is_read_at_most_once_a_second(served: Served) -> None:
    await served.get("/api/status")
    store_records(served, 1)
    assert (await served.get("/api/status")).json["collector"]["records"] == 0

    served.clock.advance(timedelta(seconds=1))

    assert (await served.get("/api/status")).json["collector"]["records"] == 1


async def test_a_status_of_before_the_clock_was_set_back_is_read_anew(served: Served) -> None:
    served.clock.advance(timedelta(days=1))
    await served.get("/api/status")
    served.clock.set_back(timedelta(days=1))

    assert (await served.get("/api/status")).json["now"] == "2026-11-24T12:00:00.000Z"


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
    assert samples["cdrelay_collector_quarantine_records",] == 1
    assert all(samples["cdrelay_ledger_windows", state] == 1 for state in STATES)
    assert samples["cdrelay_deliveries", "pending"] == 0


async def test_status_tells_what_was_sent_lately_and_what_waits_longest(served: Served) -> None:
    write_delivery(served, timedelta(hours=49), "delivered", size=7_000)
    write_delivery(served, timedelta(hours=47), "delivered", size=300)
    write_delivery(served, timedelta(hours=2), "delivered", size=20)
    write_delivery(served, timedelta(hours=1), "pending")
    write_delivery(served, timedelta(hours=3), "pending")
    for hours in (4, 46, 60):
        write_delivery(served, timedelta(hours=hours), "failed")

    publisher = (await served.get("/api/status")).json["publisher"]

    assert publisher["sending"] == {
        "recent_bytes": 320,
        "oldest_pending": "2026-11-24T09:00:00.000Z",
        "recent_failed": 2,
    }
    assert publisher["deliveries"] == {"delivered": 3, "pending": 2, "failed": 3}


async def test_status_lists_the_latest_payloads_without_their_source(served: Served) -> None:
    store_records(served, 5)

    latest = (await served.get("/api/status")).json["collector"]["latest"]

    assert latest == [
        {
            "received_at": "2026-11-24T12:00:00.000Z",
            "channel": "webhook",
            "records": 6,
            "added": 5,
            "corrected": 0,
            "repeated": 0,
            "quarantined": 1,
            "load_seq": 1,
        }
    ]


async def test_status_says_whether_time_is_compressed(served: Served) -> None:
    assert (await served.get("/api/status")).json["compressed"] is False


async def test_metrics_tell_how_long_the_oldest_delivery_waits(served: Served) -> None:
    write_delivery(served, timedelta(minutes=20), "pending")

    assert "cdrelay_deliveries_oldest_pending_seconds 1200.0" in (await served.get("/metrics")).text


async def test_a_database_that_is_gone_is_told_to_programs_with_503(served: Served) -> None:
    served.lose_database()

    answer = await served.get("/api/status")

    assert answer.status == 503
    assert "control database" in answer.text
    assert (await served.get("/metrics")).status == 503


async def test_head_is_answered_as_get_without_the_body(served: Served) -> None:
    gets = ("/", "/healthz", "/readyz", "/metrics", "/api/status", "/ledger", "/sign-in", "/static/hub.css", "/nowhere")
    async with aiohttp.ClientSession() as session:
        for path in gets:
            got = await served.get(path)
            async with session.head(served.address + path) as head:
                assert (head.status, await head.text()) == (got.status, ""), path
                assert head.headers["Content-Type"] == got.headers["Content-Type"], path
        async with session.head(f"{served.address}/webhooks/webex") as taking:
            assert (taking.status, taking.headers["Allow"]) == (405, "POST")
        async with session.head(f"{served.address}/v1/partners/cdrsbyorg") as provider:
            assert provider.status == 405


async def test_refused_deliveries_are_counted_by_why_and_never_by_what_their_sender_calls_itself(
    served: Served,
) -> None:
    async with aiohttp.ClientSession() as session:
        for name in ("4085550101", "another"):
            async with session.post(f"{served.address}/webhooks/{name}", data=b"{}") as answer:
                assert answer.status == 404
    served.clock.advance(timedelta(seconds=1))

    text = (await served.get("/metrics")).text

    assert 'cdrelay_collector_deliveries_refused_total{reason="unknown_source"} 2.0' in text
    assert 'cdrelay_collector_deliveries_refused_total{reason="signature"} 0.0' in text
    assert "4085550101" not in text
    assert (await served.get("/api/status")).json["collector"]["refused"]["unknown_source"] == 2
