"""The whole loop in a real process: intake, windows, signed deliveries, storage, reconciliation, questions."""

import csv
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdrelay.traffic import Faults, Plan, Traffic
from tests.support.process import Cdrelay, connect_halves

RECORDS = 200_000
ORGANIZATIONS = 8


@pytest.fixture
def cdrelay(tmp_path: Path) -> Iterator[Cdrelay]:
    """A server on a home of its own, killed at the end if it still runs."""
    one = Cdrelay(tmp_path / "home")
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        one.kill()


def batches(lines: list[bytes], size: int) -> Iterator[bytes]:
    for first in range(0, len(lines), size):
        yield b"\n".join(lines[first : first + size])


def newest_version_of_each(lines: list[bytes]) -> dict[str, str]:
    newest: dict[str, str] = {}
    for line in lines:
        record = json.loads(line)
        newest[record["Report ID"]] = max(record["Report time"], newest.get(record["Report ID"], ""))
    return newest


def stored_versions(cdrelay: Cdrelay) -> list[tuple[str, str]]:
    sql = "SELECT report_id, strftime(report_time, '%Y-%m-%dT%H:%M:%S.%gZ') AS report_time FROM records"
    rows = csv.DictReader(io.StringIO(cdrelay.run("query", sql, "--csv")))
    return [(row["report_id"], row["report_time"]) for row in rows]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_200_000_records_go_through_the_whole_loop_and_each_is_there_once(cdrelay: Cdrelay) -> None:
    now = datetime.now(UTC)
    traffic = Traffic(Plan(organizations=ORGANIZATIONS, shaped=False))
    lines = list(traffic.records(RECORDS, now - timedelta(minutes=30), now - timedelta(seconds=1)))
    key = connect_halves(cdrelay, [one.uuid for one in traffic.organizations])

    accepted = sum(cdrelay.post_records(key, body)["accepted"] for body in batches(lines, 10_000))

    assert accepted == RECORDS
    cdrelay.wait_until(lambda: cdrelay.status()["collector"]["records"] >= RECORDS, 90, "all records are stored")
    reports = cdrelay.json("reconcile")
    assert [(report["short"], report["problem"]) for report in reports] == [(0, None)]
    status = cdrelay.status()
    assert status["publisher"]["records"] == status["collector"]["records"] == RECORDS
    assert status["collector"]["quarantined"] == status["publisher"]["deliveries"]["failed"] == 0
    assert sum(hour["expected"] for hour in status["collector"]["hours"]) >= RECORDS * 0.9
    stored = stored_versions(cdrelay)
    assert len(stored) == RECORDS
    assert dict(stored) == newest_version_of_each(lines)
    assert cdrelay.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_loop_killed_again_and_again_loses_nothing_and_stores_nothing_twice(cdrelay: Cdrelay) -> None:
    chance = random.Random(20261124)
    now = datetime.now(UTC)
    faults = Faults(duplicate=0.05, corrected=0.05, late=0.05, unknown_key=0.05)
    traffic = Traffic(Plan(organizations=3, shaped=False, faults=faults, time_scale=60))
    # Corrections carry the Report time at which they are handed over, up to a minute later; all are to be due at once.
    lines = list(traffic.records(6_000, now - timedelta(minutes=5), now - timedelta(seconds=75)))
    key = connect_halves(cdrelay, [one.uuid for one in traffic.organizations])

    for number, body in enumerate(batches(lines, 500)):
        assert cdrelay.post_records(key, body)["refused"] == []
        if number % 3 == 2:
            moment = cdrelay.status()["collector"]["payloads"] + chance.randint(0, 2)
            cdrelay.wait_until(lambda m=moment: cdrelay.status()["collector"]["payloads"] >= m, 30, "some payloads")
            cdrelay.kill()
            cdrelay.start()

    newest = newest_version_of_each(lines)
    cdrelay.wait_until(lambda: cdrelay.status()["collector"]["records"] >= len(newest), 60, "all records are stored")
    cdrelay.wait_until(lambda: dict(stored_versions(cdrelay)) == newest, 60, "the newest version of each is stored")
    stored = stored_versions(cdrelay)
    assert len(stored) == len(newest)
    assert cdrelay.json("reconcile")[0]["problem"] is None


@pytest.mark.slow
def test_a_demonstration_is_reconciled_within_half_a_minute_stops_cleanly_and_goes_on(tmp_path: Path) -> None:
    demo = Cdrelay(tmp_path / "home")
    (demo.home / "settings.toml").unlink()
    demo.start("up", "--demo", "--compress", "60")

    demo.wait_until(
        lambda: demo.status()["collector"]["confirmed"] > 0,
        30,
        "a delivery is received, stored and confirmed by the reconciliation endpoint",
    )
    before = demo.status()
    assert demo.stop() == 0
    demo.start("up", "--demo", "--compress", "60")
    demo.wait_until(
        lambda: demo.status()["collector"]["records"] > before["collector"]["records"],
        30,
        "it goes on with what it had",
    )
    assert demo.status()["publisher"]["records"] > before["publisher"]["records"]
    assert demo.stop() == 0
