"""A collector is backed up while it works, killed, and restored into a new home (issue 4: tested by restoring)."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest
from deltalake import DeltaTable

from cdrelay.lake.engine import EngineLimits, open_engine
from cdrelay.lake.statements import statement
from cdrelay.lake.table import RecordTable
from cdrelay.settings import read_settings
from cdrelay.wiring.living import keys_for_reading
from tests.support.process import SETTINGS, Cdrelay
from tests.support.provider import Call, organization

COMPRESS = 240
"""An hour of the contract is 15 s, the reach 12 minutes."""


class Calls:
    """Hands records to the publisher, and others, of another customer, straight to the collector, until stopped."""

    def __init__(self, publisher: Cdrelay, key: str, collector: Cdrelay) -> None:
        self.published: list[str] = []
        self.received: list[tuple[datetime, str]] = []
        """Report IDs that the collector has acknowledged, and when."""
        self._stop = Event()
        self._threads = [
            Thread(target=self._publish, args=(publisher, key)),
            Thread(target=self._deliver, args=(collector,)),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _publish(self, publisher: Cdrelay, key: str) -> None:
        while not self._stop.is_set():
            records = _records(1, 20)
            assert publisher.post_records(key, b"\n".join(json.dumps(one).encode() for one in records))["refused"] == []
            self.published += [one["Report ID"] for one in records]
            time.sleep(0.1)

    def _deliver(self, collector: Cdrelay) -> None:
        while not self._stop.is_set():
            records = _records(2, 5)
            body = json.dumps({"items": records}).encode()
            request = urllib.request.Request(f"{collector.address}/webhooks/direct", data=body)
            request.add_header("Content-Type", "application/json")
            try:
                urllib.request.urlopen(request, timeout=30).close()
            except OSError:
                continue  # it was killed
            now = datetime.now(UTC)
            self.received += [(now, one["Report ID"]) for one in records]


def _records(number: int, many: int) -> list[dict[str, str]]:
    ended = datetime.now(UTC)
    return [Call(organization(number), ended, uuid4().int).wire() for _ in range(many)]


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Cdrelay]:
    one = Cdrelay(tmp_path / "publisher", SETTINGS.replace("compress = 60", f"compress = {COMPRESS}"))
    one.start("serve", "--roles", "publisher")
    yield one
    one.kill()


def _collector(home: Path, encrypted: bool) -> Cdrelay:
    settings = SETTINGS.replace("compress = 60", f"compress = {COMPRESS}")
    collector = Cdrelay(home, settings + ("encrypt_lake = true\n" if encrypted else ""))
    collector.home.chmod(0o700)
    return collector


def _connect(publisher: Cdrelay, collector: Cdrelay) -> str:
    """The collector's source `reseller` is the publisher; `direct` is whoever likes. An intake key."""
    partner = publisher.run("publisher", "partner", "add", "reseller").strip()
    publisher.run("publisher", "organization", "add", organization(1), "--name", "Customer", "--partner", partner)
    secret, token = publisher.home / "secret", publisher.home / "token"
    secret.write_text("a-secret-for-this-test")
    token.write_text(publisher.run("publisher", "token", "create", partner).strip())
    url = f"{collector.address}/webhooks/reseller"
    publisher.run("publisher", "webhook", "set", partner, url, "--secret-file", str(secret))
    source = ("--secret-file", str(secret), "--api", publisher.address, "--token-file", str(token))
    collector.run("collector", "source", "add", "reseller", *source)
    collector.run("collector", "source", "add", "direct")
    return publisher.run("publisher", "intake-key", "create").strip()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_a_restored_collector_has_what_it_acknowledged_and_fetches_the_rest(
    publisher: Cdrelay, tmp_path: Path, encrypted: bool
) -> None:
    old = _collector(tmp_path / "old", encrypted)
    old.start("serve", "--roles", "collector")
    calls = Calls(publisher, _connect(publisher, old), old)
    try:
        old.wait_until(lambda: old.status()["collector"]["payloads"] >= 12, 60, "records are loaded")
        first = old.json("backup", str(tmp_path / "backup"))
        _wait_for_more(old, calls)
        began, second = datetime.now(UTC), old.json("backup", str(tmp_path / "backup"))
        _wait_for_more(old, calls)
    finally:
        old.kill()
        calls.stop()
    before, state = (made["lakes"]["collector"] for made in (first, second))
    assert state["version"] > before["version"]
    assert old.json("backup", "verify", str(tmp_path / "backup"))["problems"] == []

    new = _restored(old, tmp_path)
    assert _rows(old.home, state["version"]) == _rows(new.home)
    assert len(_rows(new.home)) == state["records"] > 0
    assert _failed(new) == []

    new.start("serve", "--roles", "collector")
    try:
        acknowledged = [report_id for moment, report_id in calls.received if moment < began]
        new.wait_until(lambda: new.status()["collector"]["spool_waiting"] == 0, 60, "the spool is loaded")
        stored = [row[1] for row in _rows(new.home)]
        assert set(acknowledged) <= set(stored)
        new.wait_until(lambda: _reconciled(new, calls), 120, "what came after the backup is fetched")
        stored = [row[1] for row in _rows(new.home)]
        assert len(stored) == len(set(stored))
        assert _failed(new) == []
    finally:
        new.kill()


def _wait_for_more(collector: Cdrelay, calls: Calls) -> None:
    """Until the collector has loaded payloads, and the publisher has taken records, that it had not yet."""
    loaded, published = collector.status()["collector"]["payloads"], len(calls.published)
    collector.wait_until(
        lambda: collector.status()["collector"]["payloads"] >= loaded + 12 and len(calls.published) >= published + 100,
        60,
        "more is loaded",
    )


def _restored(old: Cdrelay, tmp_path: Path) -> Cdrelay:
    old.run("restore", str(tmp_path / "backup"), "--home", str(tmp_path / "new"))
    new = Cdrelay(tmp_path / "new", (tmp_path / "new" / "settings.toml").read_text())
    new.port, new.address = old.port, old.address
    return new


def _failed(collector: Cdrelay) -> list[dict[str, str]]:
    findings = json.loads(collector.run("doctor", "--deep", "--json", status=None))["findings"]
    return [finding for finding in findings if finding["state"] == "failed"]


def _reconciled(collector: Cdrelay, calls: Calls) -> bool:
    collector.run("reconcile", status=None)
    stored = {row[1] for row in _rows(collector.home)}
    return set(calls.published) <= stored


def _rows(home: Path, version: int | None = None) -> list[tuple[object, ...]]:
    """Org UUID, Report ID and Report time of every row of the collector's lake, at a version of it."""
    folder = home / "collector" / "lake"
    keys = keys_for_reading(read_settings({"CDRELAY_HOME": str(home)}), "collector")
    table = RecordTable(folder, keys)
    names = DeltaTable(str(folder), version=version).get_add_actions(flatten=True).column("path").to_pylist()
    with closing(open_engine(EngineLimits(), home.parent / "scratch")) as engine:
        if keys is not None:
            keys.serve(engine)
            keys.require(names)
        sql = statement("rows_as_they_are", parquet=[str(folder / name) for name in names], columns=table.columns)
        return sorted(engine.sql(sql).select("org_uuid", "report_id", "report_time").fetchall()) if names else []
