"""Everything that is known of one record, by its Report ID, wherever it is."""

import gzip
import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer
from sqlalchemy import insert
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.cli import trace as trace_command
from cdrelay.cli.context import Context
from cdrelay.collector.errors import NoReportId
from cdrelay.collector.sources import SourceChange
from cdrelay.collector.trace import Trace, Tracing, VersionTrace
from cdrelay.contract.manifest import Manifest, digest_of
from cdrelay.contract.times import write_time
from cdrelay.contract.windows import Period
from cdrelay.control.tables import attempts, cuts, deliveries, partners
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from cdrelay.wiring import open_store, open_tracing
from tests.integration.collector.collector_bench import START, Bench, only, serving
from tests.support.lake_builder import ORG, OTHER_ORG, document, record, report_id
from tests.support.provider import Provider, body_of, calls, organization

ENDED = START - timedelta(hours=1)
WINDOW = Period(START - timedelta(minutes=30), START - timedelta(minutes=25))


@pytest.fixture
def tracing(bench: Bench) -> Tracing:
    return open_tracing(bench.foundation, "collector", bench.store)


def put(bench: Bench, body: bytes, payload: str = "p", **about: Any) -> None:
    given: dict[str, Any] = {"source": "webex", "channel": "webhook", "received": bench.clock.now()} | about
    bench.store.spool.put(Envelope(id=payload, **given), body)


def load(bench: Bench, *records: Any, payload: str = "p") -> None:
    put(bench, document(records), payload)
    bench.store.loader.drain()


def one(trace: Trace) -> VersionTrace:
    (version,) = trace.versions
    return version


def test_a_stored_record_names_its_load_payload_and_what_is_beside_its_columns(bench: Bench, tracing: Tracing) -> None:
    load(bench, record("other", ENDED), payload="before")
    load(bench, record("a", ENDED, Unknown=1, Duration="long"), record("b", ENDED), b"{}")
    version = one(tracing.trace(report_id("a").upper()))
    found = version.record
    assert (found.org_uuid, found.report_time, found.load_seq) == (ORG, ENDED, 2)
    assert (found.source, found.channel, found.payload, found.received) == ("webex", "webhook", "p", START)
    assert sorted(found.beside) == ["Duration", "Unknown"]
    assert Path(found.file).is_file()
    assert version.payload is not None
    assert (version.payload.records, version.payload.added, version.payload.quarantined) == (3, 2, 1)
    assert {row.field for row in version.drift} == {"Duration", "Unknown"}
    assert (version.delivery, version.sent, version.ledger) == (None, (), ())


def test_the_newest_version_is_told_and_the_same_id_of_another_organization(bench: Bench, tracing: Tracing) -> None:
    load(bench, record("a", ENDED), payload="first")
    load(bench, record("a", ENDED + timedelta(minutes=5)), record("a", ENDED, OTHER_ORG), payload="second")
    found = tracing.trace(report_id("a"))
    assert {version.record.org_uuid: version.record.payload for version in found.versions} == {
        ORG: "second",
        OTHER_ORG: "second",
    }


def test_a_period_narrows_the_search(bench: Bench, tracing: Tracing) -> None:
    load(bench, record("a", ENDED), record("b", ENDED - timedelta(days=3)))
    day = Period(ENDED.replace(hour=0, minute=0), ENDED.replace(hour=0, minute=0) + timedelta(days=1))
    progress: list[tuple[int, int]] = []
    assert one(tracing.trace(report_id("a"), day, progress=lambda *told: progress.append(told)))
    assert progress == [(1, 1)]
    assert tracing.trace(report_id("b"), day).versions == ()
    assert tracing.trace(report_id("b")).looked_at == 2


@pytest.mark.parametrize("text", ["", "0a1b2c3d", report_id("a")[:-1], report_id("a") + "0", "x" * 36, "%" * 36])
def test_anything_but_a_whole_id_is_refused(tracing: Tracing, text: str) -> None:
    with pytest.raises(NoReportId, match="36 characters"):
        tracing.trace(text)


def test_a_version_that_waits_and_records_put_aside_are_found(bench: Bench, tracing: Tracing) -> None:
    load(bench, record("old", ENDED), payload="loaded")
    broken = record("broken", ENDED) | {"Report time": "yesterday"}
    load(bench, broken, payload="refused")
    bench.store.loader.drain()
    put(bench, gzip.compress(document([record("old", START)])), "waits", content_encoding="gzip")
    bench.aside.keep(
        Envelope(id="aside", source="webex", channel="webhook", received=START), f"<p>{report_id('odd')}".encode()
    )
    assert [(each.place, each.payload) for each in tracing.trace(report_id("old")).elsewhere] == [("spool", "waits")]
    (refused,) = tracing.trace(report_id("broken")).elsewhere
    assert (refused.place, refused.payload, "Report time" in (refused.reason or "")) == ("quarantine", "refused", True)
    assert [each.place for each in tracing.trace(report_id("odd")).elsewhere] == ["aside"]
    assert tracing.trace(report_id("nowhere")) == Trace("collector", report_id("nowhere"), (), (), 1, ())


async def test_the_ledger_of_its_hour_is_told_and_of_the_hour_asked_for(bench: Bench, tracing: Tracing) -> None:
    given = calls(organization(1), ENDED.replace(minute=10), 3)
    async with Provider(bench.clock) as provider:
        provider.records += given
        bench.deliver(given[:2])
        await only(bench.reconciler(provider))
    ids = [str(json.loads(body_of([each]))["items"][0]["Report ID"]) for each in given]
    version = one(tracing.trace(ids[2]))
    assert version.record.channel == "repair"
    assert {(row.state, row.stored, row.expected) for row in version.ledger} == {("repaired", 3, 3)}
    missing = tracing.trace(report_id("never"), bench.period(ENDED.hour), organization(1))
    assert (missing.versions, missing.ledger) == ((), version.ledger)


async def test_a_delivery_leads_to_what_our_own_publisher_sent(bench: Bench, tracing: Tracing) -> None:
    bench.sources.add("webex", SourceChange())
    given = calls(organization(1), WINDOW.start, 2)
    ids = [str(json.loads(body_of([each]))["items"][0]["Report ID"]) for each in given]
    manifest = Manifest(WINDOW, 1, 2, 2, digest_of(ids))
    async with (
        serving(bench.receiver()) as address,
        aiohttp.ClientSession() as session,
        session.post(f"{address}/webhooks/webex", data=body_of(given), headers=manifest.headers()) as response,
    ):
        assert response.status == 200
    bench.store.loader.drain()
    as_sent(bench, manifest)
    version = one(tracing.trace(ids[0]))
    assert version.delivery is not None
    assert (version.delivery.part, version.delivery.parts, version.delivery.state) == (1, 2, "verified")
    (sent,) = version.sent
    assert (sent.partner, sent.part, sent.state) == ("Partner", 1, "delivered")
    assert [(each.number, each.outcome) for each in sent.attempts] == [(1, "timeout"), (2, "delivered")]


def as_sent(bench: Bench, manifest: Manifest) -> None:
    """As the publisher of the same home would have noted it, and another part beside it."""
    shared = {"partner_id": "1", "tick": START, "round": 0, "window_start": WINDOW.start, "window_end": WINDOW.end}
    shared |= {"parts": 2, "records": 2, "body_bytes": 1, "state": "delivered", "attempts": 2}
    with bench.database.write() as connection:
        connection.execute(insert(partners).values(id="1", name="Partner", created_at=START))
        connection.execute(insert(cuts).values(tick=START, cutoff=START - timedelta(minutes=5), load_seq=1))
        for part, digest in ((1, manifest.digest), (2, "another")):
            connection.execute(insert(deliveries).values(id=f"d{part}", part=part, digest=digest, **shared))
        for number, outcome in enumerate(("timeout", "delivered"), 1):
            tried = {"delivery_id": "d1", "number": number, "started_at": START, "milliseconds": 5}
            connection.execute(insert(attempts).values(status=200, outcome=outcome, answer="", **tried))


def test_the_publishers_half_tells_the_deliveries_of_its_tick(bench: Bench) -> None:
    store = open_store(bench.foundation, "publisher")
    store.spool.put(
        Envelope(id="p", source="pbx", channel="intake", received=START),
        document([record("a", ENDED), record("late", START)]),
    )
    store.loader.drain()
    as_sent(bench, Manifest(WINDOW, 1, 2, 2, "digest"))
    tracing = open_tracing(bench.foundation, "publisher", store)
    version = one(tracing.trace(report_id("a")))
    assert version.payload is not None
    assert (version.payload.channel, [part.part for part in version.sent]) == ("intake", [1, 2])
    assert one(tracing.trace(report_id("late"))).sent == ()


def test_nothing_of_what_is_in_the_record_is_told(bench: Bench, tracing: Tracing) -> None:
    load(bench, record("a", ENDED, **{"Calling number": "+14085550199", "User": "Alice Reed", "Odd": "+14085550198"}))
    found = tracing.trace(report_id("a"))
    text = str(asdict(found))
    assert not any(secret in text for secret in ("14085550199", "Alice", "14085550198"))
    text = (tracing.record(found.versions[0].record) or b"").decode()
    assert all(secret in text for secret in ("14085550199", "Alice", "14085550198"))


class Shell:
    """Runs the command on one home folder."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._app = typer.Typer()
        self._app.command("trace")(trace_command.trace)

    def run(self, *words: str) -> Result:
        context = Context(read_settings({"CDRELAY_HOME": str(self._home)}))
        try:
            with capture_logs():
                return CliRunner().invoke(self._app, words, obj=context)
        finally:
            context.close()


def test_the_command_says_it_in_words_and_as_json(bench: Bench, tmp_path: Path) -> None:
    load(bench, record("a", ENDED, **{"Unknown [key]": 1, "User": "Alice Reed"}))
    shell = Shell(bench.settings.home)
    said = shell.run(report_id("a").upper())
    assert said.exit_code == 0
    for fact in (ORG, "webhook from webex, payload p", "1 records: 1 new", "'Unknown [key]'"):
        assert fact in said.stdout
    assert "Alice" not in said.stdout
    day = shell.run(report_id("a"), "--day", f"{ENDED:%Y-%m-%d}", "--json", "--record")
    (found,) = json.loads(day.stdout)
    assert found["versions"][0]["record"]["report_time"].startswith(f"{ENDED:%Y-%m-%d}")
    assert json.loads(found["records"][0])["User"] == "Alice Reed"


def test_the_command_ends_with_1_where_nothing_is_stored_and_says_where_it_looked(bench: Bench) -> None:
    load(bench, record("a", ENDED))
    shell = Shell(bench.settings.home)
    said = shell.run(report_id("b"), "--hour", write_time(ENDED), "--org", ORG)
    assert (said.exit_code, "not stored: 1 records were looked at" in said.stdout) == (1, True)
    assert shell.run("1234").exit_code == 1
    assert shell.run(report_id("a"), "--day", "2026-11-24", "--hour", "2026-11-24T10:00").exit_code == 2
    assert Shell(bench.settings.home / "nothing").run(report_id("a")).exit_code == 1
