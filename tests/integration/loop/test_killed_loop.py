"""The whole loop, killed again and again (TRAPS 16)."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.traffic import Faults, Plan, Traffic
from tests.integration.loop.loop_records import batches, newest_version_of_each, stored_versions
from tests.support.process import Cdrelay, connect_halves


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
