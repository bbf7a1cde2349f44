"""The whole loop while the publisher acknowledges records and cannot load them: no proof lacks them, none is lost."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cdrelay.contract.times import write_time
from cdrelay.traffic import Plan, Traffic
from tests.integration.loop.loop_records import batches, newest_version_of_each, stored_versions
from tests.support.process import SETTINGS, Cdrelay, connect_halves

RECORDS = 600
TICK = timedelta(seconds=5)
# One attempt, so that a refusal is told at once; no run by itself may have said anything of the hours before.
ASKED_ONCE = SETTINGS.replace("reconcile_every_minutes = 5", "reconcile_every_minutes = 720") + "api_attempts = 1\n"


@contextmanager
def hung(lock: Path) -> Iterator[None]:
    """A load that does not end: somebody else has the loader's lock."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def failing(lock: Path) -> Iterator[None]:
    """A load that fails each time: the loader's lock cannot be opened."""
    lock.unlink()
    lock.mkdir()
    yield
    lock.rmdir()


@pytest.fixture
def cdrelay(tmp_path: Path) -> Iterator[Cdrelay]:
    """A server on a home of its own, killed at the end if it still runs."""
    one = Cdrelay(tmp_path / "home", ASKED_ONCE)
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        one.kill()


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("stuck", [hung, failing])
def test_what_is_acknowledged_and_not_loaded_is_in_no_proof_and_comes_later(
    cdrelay: Cdrelay, stuck: Callable[[Path], AbstractContextManager[None]]
) -> None:
    now = datetime.now(UTC)
    traffic = Traffic(Plan(organizations=3, shaped=False))
    lines = list(traffic.records(RECORDS, now - timedelta(minutes=10), now - timedelta(minutes=5)))
    key = connect_halves(cdrelay, [one.uuid for one in traffic.organizations])
    first, second = batches(lines, RECORDS // 2)
    cdrelay.post_records(key, first)
    cdrelay.wait_until(lambda: cdrelay.status()["collector"]["records"] == RECORDS // 2, 60, "half of it is stored")

    with stuck(cdrelay.home / "publisher" / "lake" / "_loader.lock"):
        assert cdrelay.post_records(key, second)["accepted"] == RECORDS // 2
        acknowledged = write_time(datetime.now(UTC))
        cdrelay.wait_until(lambda: not answers(cdrelay), 30, "counts are not answered any more")
        report = reconcile(cdrelay)
        last_cut = cdrelay.status()["publisher"]["last_cut"]["tick"]
        told = {incident["part"] for incident in cdrelay.status()["incidents"]}

    assert "HTTP 503" in report["problem"]
    assert "not stored yet" in report["problem"]
    # Two ticks were due meanwhile; a window that was cut would have lacked what was acknowledged before.
    assert last_cut <= acknowledged
    assert stuck is hung or "tick" in told

    cdrelay.wait_until(lambda: cdrelay.status()["collector"]["records"] == RECORDS, 60, "all records are stored")
    assert answers(cdrelay)
    report = reconcile(cdrelay)
    assert (report["problem"], report["short"]) == (None, 0)
    assert dict(stored_versions(cdrelay)) == newest_version_of_each(lines)
    deliveries = cdrelay.json("publisher", "deliveries", "--number", "1000")
    starts = sorted(datetime.fromisoformat(one["window_start"]) for one in deliveries)
    assert {later - earlier for earlier, later in pairwise(starts)} == {TICK}
    assert sum(one["records"] for one in deliveries) == RECORDS


def answers(cdrelay: Cdrelay) -> bool:
    """Whether the partner gets counts of the minute in which the records begin."""
    token = (cdrelay.home / "token").read_text()
    start = datetime.now(UTC) - timedelta(minutes=10)
    period = f"startTime={write_time(start)}&endTime={write_time(start + timedelta(seconds=30))}"
    return cdrelay.get(f"/v1/partners/cdrcountbyorg?{period}", {"Authorization": f"Bearer {token}"}) is not None


def reconcile(cdrelay: Cdrelay) -> Any:
    """What comparing with the provider's counts came to."""
    return json.loads(cdrelay.run("reconcile", "--json", status=None))[0]
