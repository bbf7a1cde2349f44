"""`cdrelay ledger …`, as a person or a program runs it."""

import json
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest
import typer
from pypdf import PdfReader
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.cli import ledger
from cdrelay.cli.context import Context
from cdrelay.cli.ledger import NOT_PROVED, SHORT
from cdrelay.clock import SystemClock
from cdrelay.collector.errors import SourceUnknown
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation, open_store
from tests.support.homes import prepared
from tests.support.ledger_builder import HOUR, LedgerBuilder, org, records_of

A, B = org(1), org(2)


class Shell:
    """Runs the commands on a home whose ledger has the last six whole hours."""

    def __init__(self, home: Path) -> None:
        self.settings = read_settings({"CDRELAY_HOME": str(prepared(home)), "CDRELAY_INSTANCE_NAME": "test house"})
        self.noon: datetime = SystemClock().now().replace(minute=0, second=0, microsecond=0)

    def fill(self, short: int = 0) -> None:
        """Organization A; of `short` hours a record is missing."""
        foundation = open_foundation(self.settings)
        store = open_store(foundation, "collector")
        builder = LedgerBuilder(foundation.database, store.spool, store.loader)
        builder.source("webex", self.noon)
        rows = []
        for ago in range(2, 8):
            start = self.noon - ago * HOUR
            builder.deliver(f"p{ago}", records_of(A, start, 3), start + HOUR)
            state = {"state": "short", "expected": 4} if ago < 2 + short else {"expected": 3}
            rows.append({"org_uuid": A, "window_start": start, "stored": 3} | state)
        builder.rows(rows)
        foundation.close()

    def run(self, *words: str) -> Result:
        app, context = typer.Typer(), Context(self.settings)
        app.add_typer(ledger.app, name="ledger")
        app.command("other")(lambda: None)
        try:
            return CliRunner().invoke(app, ["ledger", *words], obj=context)
        finally:
            context.close()

    def period(self, first: int = 7, last: int = 1) -> tuple[str, ...]:
        """From so many hours ago to so many, as options."""
        start, end = self.noon - first * HOUR, self.noon - last * HOUR
        return ("--from", f"{start:%Y-%m-%dT%H:%MZ}", "--to", f"{end:%Y-%m-%dT%H:%MZ}")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    with capture_logs():
        return Shell(tmp_path / "home")


def test_the_map_shows_each_hour_and_what_is_being_repaired(shell: Shell) -> None:
    shell.fill(short=2)

    shown = shell.run(*shell.period())

    assert shown.exit_code == 0, shown.output
    line = next(line for line in shown.stdout.splitlines() if line.startswith(A[:8]))
    assert line == f"{A[:8]}       2 ✓✓✓✓−−"
    assert "1 organizations: 20 expected, 18 stored, 2 missing" in shown.stdout
    assert "being repaired: 2 records, in 2 hours of organizations; next edge" in shown.stdout
    assert all(len(line) <= 100 for line in shown.stdout.splitlines()[1:])


def test_a_program_gets_sums_and_hours(shell: Shell) -> None:
    shell.fill(short=1)

    answer = json.loads(shell.run(*shell.period(), "--json").stdout)

    assert answer["sums"]["missing"] == answer["repair"]["missing"] == 1
    (row,) = answer["organizations"]
    assert [hour["state"] for hour in row["hours"]] == ["matched"] * 5 + ["short"]


def test_filters_leave_out_what_is_not_so(shell: Shell) -> None:
    shell.fill()

    assert json.loads(shell.run("--org", B[:8], "--json").stdout)["organizations"] == []
    assert len(json.loads(shell.run("--source", "webex", "--json").stdout)["organizations"]) == 1
    assert json.loads(shell.run("--state", "lost", "--json").stdout)["organizations"] == []
    assert "the ledger has no such organization" in shell.run("--state", "lost").stderr


def test_a_source_that_is_not_there_is_no_empty_map(shell: Shell) -> None:
    shell.fill(short=1)

    shown = shell.run("--source", "webx", "--check")

    assert (shown.exit_code, shown.stdout) == (1, "")
    assert isinstance(shown.exception, SourceUnknown)


@pytest.mark.parametrize(("short", "first", "status"), [(0, 7, 0), (0, 8, NOT_PROVED), (1, 8, SHORT)])
def test_a_check_says_by_its_status_whether_all_is_proved(shell: Shell, short: int, first: int, status: int) -> None:
    shell.fill(short)

    assert shell.run(*shell.period(first), "--check").exit_code == status


def test_a_period_is_said_in_one_way(shell: Shell) -> None:
    assert shell.run("--hours", "3", "--from", "2026-01-01").exit_code == 2
    assert shell.run("--from", "2999-01-01").exit_code == 2


def test_windows_are_listed_with_all_that_is_known(shell: Shell) -> None:
    shell.fill(short=1)

    (row,) = json.loads(shell.run("windows", "--org", A, "--state", "short", "--json").stdout)

    assert (row["expected"], row["stored"], row["state"], row["proof"]) == (4, 3, "short", "counts")
    assert "short" in shell.run("windows").stdout
    assert shell.run("windows", "--org", "nobody").exit_code == 2


def test_a_certificate_is_printed_and_written(shell: Shell, tmp_path: Path) -> None:
    shell.fill()
    file = tmp_path / "c.pdf"

    said = shell.run("certificate", "--org", A, *shell.period(), "--pdf", str(file), "--check")
    made = json.loads(shell.run("certificate", "--org", A, *shell.period(), "--json").stdout)

    assert said.exit_code == 0, said.output
    assert said.stdout.startswith("Complete: all 18 records that the provider counts in the 6 hours")
    assert (made["verdict"], made["madeBy"], made["records"]["inLake"]) == ("complete", "test house", 18)
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(file.read_bytes())).pages)
    assert made["records"]["digest"] in text


def test_a_certificate_that_is_not_complete_fails_a_check(shell: Shell) -> None:
    shell.fill(short=1)

    assert shell.run("certificate", "--org", A, *shell.period(), "--check").exit_code == 1
    assert shell.run("certificate", "--org", A, *shell.period(last=2), "--check").exit_code == 0


def test_no_certificate_speaks_of_an_organization_that_nobody_knows(shell: Shell) -> None:
    shell.fill()

    refused = shell.run("certificate", "--org", B, *shell.period(), "--check")

    said = " ".join(refused.stderr.replace("│", " ").split())
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"no such organization is known: source 'webex' has no organization '{B}'" in said


def test_a_certificate_of_a_source_that_is_not_there_or_not_said_is_refused(shell: Shell) -> None:
    assert shell.run("certificate", "--org", A, *shell.period()).exit_code == 2
    shell.fill()
    assert shell.run("certificate", "--org", A, *shell.period(), "--source", "nobody").exit_code == 1
    unwritable = shell.run("certificate", "--org", A, *shell.period(), "--pdf", "/nowhere/c.pdf")
    assert "/nowhere/c.pdf cannot be written" in str(unwritable.exception)
