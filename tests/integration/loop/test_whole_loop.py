"""The whole loop in a real process: intake, windows, signed deliveries, storage, reconciliation, questions."""

from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.traffic import Plan, Traffic
from tests.integration.loop.loop_records import batches, newest_version_of_each, stored_versions
from tests.support.process import Cdrelay, connect_halves

RECORDS = 200_000
ORGANIZATIONS = 8


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
