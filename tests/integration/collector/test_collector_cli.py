"""The collector's commands, as a person or a program runs them."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.cli import collector, ledger, reconcile
from cdrelay.cli.context import Context
from cdrelay.clock import SystemClock
from cdrelay.collector.history_client import Pace
from cdrelay.settings import read_settings
from tests.support.provider import NOTHING, TOKEN, Provider, calls, organization

A = organization(1)


class Shell:
    """Runs commands on one home folder."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._app = typer.Typer()
        self._app.add_typer(collector.app, name="collector")
        self._app.command("reconcile")(reconcile.reconcile)
        self._app.add_typer(ledger.app, name="ledger")

    def run(self, *words: str, stdin: str = "") -> Result:
        context = Context(read_settings({"CDRELAY_HOME": str(self._home), "CDRELAY_API_ATTEMPTS": "1"}))
        try:
            return CliRunner().invoke(self._app, words, input=stdin, obj=context)
        finally:
            context.close()

    def json(self, *words: str) -> list[dict[str, object]]:
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        return list(json.loads(result.stdout))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    # The entry sends the log to stderr; without it, it would be among the data.
    with capture_logs():
        yield Shell(tmp_path / "home")


def test_a_source_is_added_changed_rotated_listed_and_removed(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a token\n")
    added = shell.run("collector", "source", "add", "webex", "--secret-file", "-", stdin="a secret\n")
    assert (added.exit_code, added.stdout) == (0, "/webhooks/webex\n")
    shell.run(
        "collector", "source", "set", "webex", "--api", "https://analytics.webexapis.com",
        "--token-file", str(tmp_path / "token"),
    )  # fmt: skip
    shell.run("collector", "source", "rotate-secret", "webex", "--secret", "newer")
    (listed,) = shell.json("collector", "source", "list")
    shown = {what: listed[what] for what in ("name", "kind", "signed", "rotating", "api", "token")}
    assert shown == {
        "name": "webex",
        "kind": "webhook",
        "signed": True,
        "rotating": True,
        "api": "https://analytics.webexapis.com",
        "token": True,
    }
    assert shell.run("collector", "source", "rotate-secret", "webex", "--finish").exit_code == 0
    assert shell.json("collector", "source", "list")[0]["rotating"] is False
    assert shell.run("collector", "source", "remove", "webex").exit_code == 0
    assert shell.json("collector", "source", "list") == []


def test_a_secret_is_given_in_one_way_only(shell: Shell, tmp_path: Path) -> None:
    both = shell.run("collector", "source", "add", "webex", "--secret", "a", "--secret-file", "-")
    nowhere = shell.run("collector", "source", "add", "webex", "--secret-file", str(tmp_path / "none"))
    neither = shell.run("collector", "source", "rotate-secret", "webex")
    assert (both.exit_code, nowhere.exit_code, neither.exit_code) == (2, 2, 2)


async def test_reconciling_fetches_what_is_missing_and_the_ledger_shows_it(shell: Shell) -> None:
    clock = SystemClock()
    ended = (clock.now() - timedelta(hours=3)).replace(minute=10, second=0, microsecond=0)
    async with Provider(clock, records=calls(A, ended, 3)) as provider:
        words = ["collector", "source", "add", "webex", "--api", provider.base, "--token", TOKEN]
        await asyncio.to_thread(shell.run, *words)
        (report,) = await asyncio.to_thread(shell.json, "reconcile")
        table = await asyncio.to_thread(shell.run, "reconcile", "webex")
    assert (report["fetched"], report["repaired"], report["short"], report["problem"]) == (3, 1, 0, None)
    assert table.exit_code == 0
    assert "webex" in table.stdout
    (row,) = [row for row in shell.json("ledger", "windows", "--org", A) if row["expected"]]
    assert (row["stored"], row["state"]) == (3, "repaired")
    assert shell.json("ledger", "windows", "--state", "short") == []
    (payload,) = shell.json("collector", "payloads")
    assert (payload["channel"], payload["added"]) == ("repair", 3)
    assert shell.json("collector", "quarantine", "list") == []


async def test_reconciling_fails_when_something_stays_missing_or_cannot_be_asked(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(_pace: Pace) -> None:
        """A minute between two questions is the matter of test_history_pace."""

    monkeypatch.setattr(Pace, "turn", at_once)
    clock = SystemClock()
    ended = (clock.now() - timedelta(hours=3)).replace(minute=10, second=0, microsecond=0)
    async with Provider(clock, records=calls(A, ended, 3), record_troubles={A: NOTHING}) as provider:
        words = ["collector", "source", "add", "webex", "--api", provider.base, "--token", TOKEN]
        await asyncio.to_thread(shell.run, *words)
        short = await asyncio.to_thread(shell.run, "reconcile", "--json")
        provider.token = "another"
        refused = await asyncio.to_thread(shell.run, "reconcile", "--json")
        table = await asyncio.to_thread(shell.run, "reconcile")
    assert (short.exit_code, refused.exit_code) == (1, 1)
    assert json.loads(short.stdout)[0]["short"] == 1
    problem = json.loads(refused.stdout)[0]["problem"]
    assert "access token" in problem
    assert table.stdout.endswith(f"\nwebex: {problem}\n")


async def test_reconciling_a_period_and_an_organization_by_ids(shell: Shell) -> None:
    clock = SystemClock()
    ended = (clock.now() - timedelta(hours=3)).replace(minute=10, second=0, microsecond=0)
    async with Provider(clock, records=calls(A, ended, 3)) as provider:
        words = ["collector", "source", "add", "webex", "--api", provider.base, "--token", TOKEN]
        await asyncio.to_thread(shell.run, *words)
        hour = f"{ended:%Y-%m-%dT%H:00}", f"{ended + timedelta(hours=1):%Y-%m-%dT%H:00}"
        words = ["reconcile", "--source", "webex", "--org", A, "--from", hour[0], "--to", hour[1], "--ids"]
        (report,) = await asyncio.to_thread(shell.json, *words)
        other = await asyncio.to_thread(shell.run, "reconcile", "webex", "--source", "another")
    assert (report["windows"], report["fetched"], report["cause"]) == (1, 3, "hand")
    assert len([request for request in provider.requests if "cdrcountbyorg" in request]) == 1
    rows = shell.json("ledger", "windows", "--org", A)
    assert [(row["expected"], row["proof"]) for row in rows if row["expected"]] == [(3, "ids")]
    assert other.exit_code == 2


def test_a_report_is_imported_and_tried_out_before(shell: Shell, tmp_path: Path) -> None:
    shell.run("collector", "source", "add", "webex")
    ended = SystemClock().now() - timedelta(days=20)
    rows = [call.wire() for call in calls(A, ended, 2)]
    file = tmp_path / "report.csv"
    file.write_text("\r\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]))
    tried = shell.run("collector", "import", str(file), "--source", "webex", "--dry-run", "--json")
    assert json.loads(tried.stdout) | {"first": "", "last": ""} == {
        "records": 2, "quarantined": 0, "organizations": 1, "first": "", "last": "",
    }  # fmt: skip
    assert shell.json("collector", "payloads") == []
    done = shell.run("collector", "import", str(file), "--source", "webex")
    assert done.exit_code == 0
    assert "added" in done.stdout
    (payload,) = shell.json("collector", "payloads")
    assert (payload["channel"], payload["added"]) == ("report", 2)
    assert shell.run("collector", "import", str(file), "--source", "nobody").exit_code == 1


def test_reconcile_says_what_is_needed_before_a_provider_can_be_asked(shell: Shell) -> None:
    shell.run("collector", "source", "add", "bare")
    assert "no address of its provider" in shell.run("reconcile", "bare").stdout
    shell.run("collector", "source", "set", "bare", "--api", "https://analytics.webexapis.com")
    asked = shell.run("reconcile", "bare")
    assert (asked.exit_code, "`cdrelay collector login bare` gets one" in asked.stdout) == (1, True)
    every = shell.run("reconcile")
    assert "`cdrelay collector login NAME` the other" in every.stderr
