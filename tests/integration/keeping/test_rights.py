"""Commands that are run by a user who has no right to the home folder, or to a part of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_OVERRIDE = "-dac_override,-dac_read_search"
_BOUND = ("setpriv", "--bounding-set", _OVERRIDE, "--inh-caps", _OVERRIDE) if os.geteuid() == 0 else ()
"""Rights bind root, too, once these capabilities are gone."""


def run(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    own = {name: value for name, value in os.environ.items() if not name.startswith("CDRELAY_")}
    environment = own | {"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0", "NO_COLOR": "1"}
    command = [*_BOUND, sys.executable, "-m", "cdrelay", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def failed(home: Path) -> dict[str, str]:
    found = json.loads(run(home, "doctor", "--json").stdout)["findings"]
    return {one["check"]: one["what"] for one in found if one["state"] == "failed"}


@pytest.mark.parametrize("closed", ["collector/spool", "collector/lake", "control.db", "secret.key", "settings.toml"])
def test_the_doctor_names_what_cannot_be_used(home: Path, closed: str) -> None:
    (home / "settings.toml").touch()
    mode = (home / closed).stat().st_mode
    (home / closed).chmod(0)
    found = failed(home)
    (home / closed).chmod(mode)
    assert f"no right to use {home.name}/{closed} as the user" in found["rights"]
    assert not [what for what in found.values() if "is gone" in what or "another program" in what]


def test_the_doctor_and_every_command_say_so_where_the_home_is_another_users(home: Path) -> None:
    home.chmod(0)
    found, listed = failed(home), run(home, "collector", "source", "list")
    home.chmod(0o700)
    assert f"no right to use {home.name} as the user" in found["rights"]
    assert (listed.returncode, "Traceback" in listed.stderr) == (1, False)
    assert "Permission denied" in listed.stderr


def test_a_key_of_another_user_is_no_defect(home: Path) -> None:
    (home / "secret.key").chmod(0)
    listed = run(home, "collector", "source", "list")
    (home / "secret.key").chmod(0o600)
    assert (listed.returncode, "Traceback" in listed.stderr) == (1, False)
    assert "belongs to the user that cdrelay runs as" in listed.stderr


def test_a_lake_that_cannot_be_read_is_not_begun_anew(home: Path) -> None:
    lake = home / "collector" / "lake"
    before, mode = sorted(lake.rglob("*")), lake.stat().st_mode
    lake.chmod(0)
    asked = run(home, "query", "SELECT 1")
    anew = run(home, "lake", "begin-anew", "--half", "collector", "--yes")
    lake.chmod(mode)
    assert (asked.returncode, anew.returncode, "Traceback" in asked.stderr + anew.stderr) == (1, 1, False)
    assert sorted(lake.rglob("*")) == before
