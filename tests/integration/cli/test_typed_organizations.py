"""An organization on the command line: by its UUID, encoded, or by how it begins where only one that is known does."""

import json
import re
from pathlib import Path

import pytest
import typer
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.cli import collector, lake, ledger
from cdrelay.cli.context import Context
from cdrelay.cli.reconcile import reconcile
from cdrelay.cli.records import export
from cdrelay.cli.trace import trace
from cdrelay.clock import SystemClock
from cdrelay.contract.organization_ids import encoded_organization_id
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation, open_store
from tests.support.ledger_builder import HOUR, LedgerBuilder, records_of

STORED = "aaaa1111-0000-4000-8000-000000000001"
"""Has records, and is in the ledger."""
LIKE_IT = "aaaa2222-0000-4000-8000-000000000002"
"""In the ledger of another source only."""
IN_LAKE = "bbbb3333-0000-4000-8000-000000000003"
"""Has records, and no ledger knows of it, such as one that is pulled."""
NOON = SystemClock().now().replace(minute=0, second=0, microsecond=0) - 3 * HOUR


class Shell:
    """Commands on one home."""

    def __init__(self, home: Path) -> None:
        self.settings = read_settings({"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0"})
        foundation = open_foundation(self.settings)
        store = open_store(foundation, "collector")
        builder = LedgerBuilder(foundation.database, store.spool, store.loader)
        for source, org_uuid in (("webex", STORED), ("acme", LIKE_IT)):
            builder.source(source, NOON)
            row = {"source": source, "org_uuid": org_uuid, "expected": 2, "stored": 2}
            builder.rows([row | {"window_start": NOON - ago * HOUR} for ago in (1, 2)])
        for org_uuid in (STORED, IN_LAKE):
            builder.deliver(f"of {org_uuid}", records_of(org_uuid, NOON - HOUR, 2), NOON)
        foundation.close()
        self.app = typer.Typer()
        self.app.add_typer(ledger.app, name="ledger")
        self.app.add_typer(lake.app, name="lake")
        self.app.add_typer(collector.app, name="collector")
        for command in (export, reconcile, trace):
            self.app.command()(command)

    def run(self, *words: str) -> Result:
        context = Context(self.settings)
        try:
            with capture_logs():
                return CliRunner().invoke(self.app, words, obj=context)
        finally:
            context.close()

    def refused(self, *words: str) -> str:
        """What is said of a command that makes no sense, on one line, without the frame."""
        done = self.run(*words)
        assert done.exit_code == 2, done.output
        return " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    with capture_logs():
        return Shell(tmp_path_factory.mktemp("typed") / "home")


@pytest.mark.parametrize("typed", [STORED, STORED.upper(), encoded_organization_id(STORED), "aaaa1", "AAAA1111-0"])
def test_windows_of_one_organization_however_it_is_typed(shell: Shell, typed: str) -> None:
    rows = json.loads(shell.run("ledger", "windows", "--org", typed, "--json").stdout)
    assert [row["org_uuid"] for row in rows] == [STORED, STORED]


def test_a_beginning_of_several_is_refused_and_names_them_unless_the_source_decides(shell: Shell) -> None:
    said = shell.refused("ledger", "windows", "--org", "aaaa")
    assert f"2 organizations are known whose UUID begins with 'aaaa': {STORED}, {LIKE_IT}" in said
    assert "--organization" in said
    rows = json.loads(shell.run("ledger", "windows", "--org", "aaaa2", "--source", "acme", "--json").stdout)
    assert {(row["source"], row["org_uuid"]) for row in rows} == {("acme", LIKE_IT)}


def test_windows_of_one_source(shell: Shell) -> None:
    rows = json.loads(shell.run("ledger", "windows", "--source", "acme", "--json").stdout)
    assert [row["source"] for row in rows] == ["acme", "acme"]
    assert shell.run("ledger", "windows", "--source", "nobody").exit_code == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("cccc", "'cccc' is no whole UUID, and no organization is known whose UUID begins so"),
        ("Customer", "'Customer' is neither a UUID nor an encoded organization id, such as"),
        ("aaaa1111-0000-4000-8000-0000000000011", "is neither a UUID nor an encoded organization id"),
    ],
)
def test_what_is_no_organization_is_refused_with_the_rule(shell: Shell, typed: str, said: str) -> None:
    for words in (("ledger", "windows"), ("export",), ("reconcile",), ("trace", STORED)):
        assert said in shell.refused(*words, "--org", typed), words


def test_certificates_and_files_are_of_the_one_that_is_meant(shell: Shell, tmp_path: Path) -> None:
    period = ("--from", f"{NOON - HOUR:%Y-%m-%dT%H:%MZ}", "--to", f"{NOON:%Y-%m-%dT%H:%MZ}")
    made = json.loads(shell.run("ledger", "certificate", "--source", "webex", "--org", "bb", *period, "--json").stdout)
    assert (made["orgId"], made["records"]["inLake"]) == (IN_LAKE, 2)
    file = tmp_path / "records.ndjson"
    assert shell.run("export", "--org", "bb", "-o", str(file)).exit_code == 0
    assert {json.loads(line)["Org UUID"] for line in file.read_text("utf-8").splitlines()} == {IN_LAKE}
    # The lake alone is asked what can be exported.
    assert shell.run("export", "--org", "aa", "-o", str(file)).exit_code == 0
    assert "begins so" in shell.refused("trace", STORED, "--org", "bb")


def test_what_removes_something_wants_the_whole_id(shell: Shell) -> None:
    assert "'aaaa1' is neither a UUID" in shell.refused("lake", "erase", "--org", "aaaa1", "--dry-run")
    assert "'aaaa1' is neither a UUID" in shell.refused("collector", "retention", "set", "aaaa1", "30")
