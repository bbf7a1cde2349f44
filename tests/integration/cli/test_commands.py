"""The commands as a person or a program uses them: data on stdout, talk on stderr, an exit status that tells."""

import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from cdrelay.lake.spool import Envelope
from cdrelay.settings import described, read_settings
from cdrelay.traffic import Plan, Traffic
from cdrelay.wiring import open_collector, open_foundation

RECORDS = 50
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder whose collector holds some records of the last hour."""
    folder = tmp_path / "home"
    now = datetime.now(UTC)
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(folder)}))
    store = open_collector(foundation).store
    records = Traffic(Plan(organizations=2)).records(RECORDS, now - timedelta(hours=1), now)
    envelope = Envelope(id=str(uuid4()), source="webex", channel="webhook", received=now)
    store.spool.put(envelope, b'{"items":[' + b",".join(records) + b"]}")
    store.loader.drain()
    foundation.close()
    return folder


@pytest.fixture
def run(home: Path) -> Run:
    """Run a command on that home; what it printed and how it ended."""

    def run_command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("CDRELAY_")}
        environment = own | {"CDRELAY_HOME": str(home), "NO_COLOR": "1"} | variables
        command = [sys.executable, "-m", "cdrelay", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    return run_command


def test_query_answers_programs_with_json(run: Run) -> None:
    done = run("query", "SELECT count(*) AS records FROM records", "--json")

    assert json.loads(done.stdout) == [{"records": RECORDS}]


def test_query_as_json_is_json_whatever_the_values_are(run: Run) -> None:
    done = run("query", "SELECT 'nan'::DOUBLE AS x, '-inf'::DOUBLE AS y, [1.5, 'nan'::DOUBLE] AS z", "--json")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(done.stdout, parse_constant=refuse) == [{"x": "nan", "y": "-inf", "z": [1.5, "nan"]}]


def test_query_as_json_loses_no_column(run: Run) -> None:
    done = run("query", "SELECT 1 AS a, 2 AS a", "--json")

    assert done.returncode == 2
    assert "two columns are called 'a'" in done.stderr
    assert run("query", "SELECT 1", "--json", "--csv").returncode == 2


def test_query_that_is_no_question_is_an_error_on_stderr(run: Run) -> None:
    done = run("query", "DROP VIEW records")

    assert (done.returncode, done.stdout) == (1, "")
    assert "ask one question" in done.stderr
    assert "Traceback" not in done.stderr


def test_export_writes_the_wire_format_to_stdout_and_talks_on_stderr(run: Run) -> None:
    done = run("export")

    assert len([json.loads(line)["Report ID"] for line in done.stdout.splitlines()]) == RECORDS
    assert done.stderr.strip() == f"{RECORDS} records"


def test_export_writes_csv_and_parquet_files(run: Run, tmp_path: Path) -> None:
    run("export", "--format", "csv", "-o", str(tmp_path / "calls.csv"))
    run("export", "--format", "parquet", "-o", str(tmp_path / "calls.parquet"))

    with (tmp_path / "calls.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == RECORDS
    assert pq.read_table(tmp_path / "calls.parquet").num_rows == RECORDS


def test_export_takes_a_period_and_an_organization(run: Run) -> None:
    rows = json.loads(run("query", "SELECT org_uuid, count(*) AS n FROM records GROUP BY 1", "--json").stdout)

    done = run("export", "--organization", rows[0]["org_uuid"], "--from", "2020-01-01")
    nothing = run("export", "--to", "2020-01-01")

    assert len(done.stdout.splitlines()) == rows[0]["n"]
    assert nothing.stdout == ""


def test_a_reader_that_has_seen_enough_is_no_error(home: Path) -> None:
    command = f"CDRELAY_HOME={home} {sys.executable} -m cdrelay export | head -c 10"

    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.startswith('{"')
    assert "error" not in done.stderr


def test_reading_a_home_without_a_lake_makes_none(run: Run, tmp_path: Path) -> None:
    done = run("query", "SELECT 1", CDRELAY_HOME=str(tmp_path / "elsewhere"))

    assert done.returncode == 1
    assert "there is no lake" in done.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_settings_shows_every_setting_with_its_help(run: Run) -> None:
    rows = json.loads(run("settings", "--json", CDRELAY_PORT="8123").stdout)

    assert [row["name"] for row in rows] == [one.name for one in described()]
    assert all(row["help"] for row in rows)
    assert {row["name"]: row["value"] for row in rows}["port"] == 8123


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_settings_does_not_show_a_password(run: Run, form: tuple[str, ...]) -> None:
    done = run("settings", *form, CDRELAY_MAIL_PASSWORD="mail-password-9431")
    assert "mail-password-9431" not in done.stdout + done.stderr
    assert "(set)" in done.stdout


def test_a_setting_nobody_knows_is_named(run: Run) -> None:
    done = run("settings", CDRELAY_PROT="8123")

    assert done.returncode == 1
    assert "CDRELAY_PROT" in done.stderr


def test_traffic_prints_the_same_calls_for_the_same_seed(run: Run) -> None:
    def printed(seed: str) -> str:
        return run("traffic", "--records", "20", "--until", "2026-11-24T12:00Z", "--seed", seed).stdout

    assert len(printed("7").splitlines()) == 20
    assert printed("7") == printed("7")
    assert printed("7") != printed("8")


def test_a_second_server_on_the_same_home_is_refused(home: Path, run: Run) -> None:
    environment = os.environ | {"CDRELAY_HOME": str(home), "CDRELAY_PORT": "0"}
    command = [sys.executable, "-m", "cdrelay", "serve"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        for line in first.stderr:
            if "Ctrl-C" in line:
                break
        done = run("serve", CDRELAY_PORT="0")
        first.terminate()
        first.communicate(timeout=30)

    assert done.returncode == 1
    assert "runs already" in done.stderr


def test_a_port_that_is_taken_is_named(run: Run, home: Path) -> None:

    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("serve", CDRELAY_PORT=str(taken.getsockname()[1]))

    assert done.returncode == 1
    assert "CDRELAY_PORT" in done.stderr
