"""`cdrelay alarms` as a person and a monitoring use it: a real process on a home folder."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdrelay.clock import SystemClock
from cdrelay.collector.alarms.store import Alarms
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation
from tests.support.callback import Callback


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """In which one alarm stands and one is over."""
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(tmp_path / "home")}))
    alarms = Alarms(foundation.database, SystemClock())
    alarms.raise_("disk-full", "", "12 MB are free.")
    alarms.raise_("source-silent", "webex", "webex has delivered nothing.")
    alarms.clear("disk-full", "")
    foundation.close()
    return tmp_path / "home"


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`cdrelay alarms …`; what it printed and how it ended."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CDRELAY_")}
    environment = own | {"CDRELAY_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "200"} | variables
    command = [sys.executable, "-m", "cdrelay", "alarms", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_what_stands_is_listed_and_what_is_over_only_with_all(home: Path) -> None:
    standing, everything = run(home), run(home, "--all")
    assert (standing.returncode, everything.returncode) == (0, 0)
    assert "webex has delivered nothing." in standing.stdout
    assert "12 MB" not in standing.stdout
    assert "12 MB" in everything.stdout
    assert "docs/operations" in standing.stderr


def test_programs_get_json_and_a_check_an_exit_status(home: Path) -> None:
    done = run(home, "--json", "--check")
    assert done.returncode == 1
    (alarm,) = json.loads(done.stdout)
    assert (alarm["kind"], alarm["page"]) == ("source-silent", "docs/operations/source-silent.md")
    assert (alarm["subject"], alarm["cleared_at"]) == ("webex", None)


def test_a_check_is_well_where_no_alarm_stands(tmp_path: Path) -> None:
    done = run(tmp_path / "new", "--check")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no alarm stands" in done.stderr


def test_a_test_fails_where_nobody_is_told(home: Path) -> None:
    done = run(home, "test")
    assert done.returncode == 1
    assert "alarm_mail" in done.stderr


async def test_a_test_says_by_which_way_it_arrived(home: Path) -> None:
    async with Callback() as hook:
        variables = {"CDRELAY_ALARM_WEBHOOK": hook.url, "CDRELAY_ALARM_WEBHOOK_TO_PRIVATE_ADDRESS": "true"}
        done = await asyncio.to_thread(run, home, "test", "--json", **variables)
    assert done.returncode == 0
    assert [(one["channel"], one["arrived"]) for one in json.loads(done.stdout)] == [("webhook", True)]
    assert json.loads(hook.requests[0].body)["page"] == "docs/alarms.md"
