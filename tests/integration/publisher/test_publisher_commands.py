"""The commands of `cdrelay publisher`: data on stdout, talk on stderr, and no secret anywhere."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.cli.context import Context
from cdrelay.cli.publisher import app
from cdrelay.errors import CdrelayError
from cdrelay.publisher.errors import (
    PartnerUnknown,
    WebhookExists,
    WebhookRefused,
    WebhookUnknown,
    WindowOutOfReach,
)
from cdrelay.settings import read_settings
from tests.integration.publisher.publisher_bench import ORG

Run = Callable[..., Result]
URL = "https://callback.example/cdr"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a command on a home folder of its own; an error of ours is raised, for the entry prints it."""
    context = Context(read_settings({}, home=tmp_path / "home"))

    def run_command(*arguments: str, stdin: str | None = None) -> Result:
        with capture_logs():  # the entry sends the log to stderr
            result = CliRunner().invoke(app, arguments, obj=context, input=stdin)
        if isinstance(result.exception, CdrelayError):
            raise result.exception
        return result

    yield run_command
    context.close()


def data(result: Result) -> Any:
    """What a program reads."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_partners_and_organizations_are_set_up_and_listed(run: Run) -> None:
    partner = run("partner", "add", "Reseller").stdout.strip()
    assert run("organization", "add", ORG.upper(), "--name", "Customer", "--partner", "Reseller").stdout.strip() == ORG
    (listed,) = data(run("partner", "list", "--json"))
    assert (listed["id"], listed["name"], listed["organizations"]) == (partner, "Reseller", 1)
    run("partner", "add", "Second")
    assert run("organization", "assign", ORG, "Second").exit_code == 0
    expected = [{"org_uuid": ORG, "name": "Customer", "region": "", "partners": ["Reseller", "Second"]}]
    (organization,) = data(run("organization", "list", "--json"))
    assert organization | {"partners": sorted(organization["partners"])} == expected[0]
    assert data(run("organization", "list", "--partner", partner, "--json"))[0]["org_uuid"] == ORG
    assert "Customer" in run("organization", "list").stdout


def test_a_partner_is_removed_with_all_that_is_theirs(run: Run) -> None:
    partner = run("partner", "add", "Reseller").stdout.strip()
    run("organization", "add", ORG, "--partner", "Reseller")
    run("webhook", "set", "Reseller", URL, "--unsigned")
    run("token", "create", "Reseller")
    run("tick")
    run("tick")

    tried = data(run("partner", "remove", "Reseller", "--dry-run", "--json"))
    there = {what: number for what, number in tried["belongings"].items() if number}
    assert there == {"access tokens": 1, "relations": 1, "webhooks": 1}
    asked = run("partner", "remove", "Reseller", stdin="n\n")
    assert (asked.exit_code, "relations" in asked.stdout, f"Remove Reseller ({partner})" in asked.stderr) == (
        1,
        True,
        True,
    )
    assert run("partner", "remove", "Reseller", "--json").exit_code == 2
    assert len(data(run("partner", "list", "--json"))) == 1

    assert "Reseller is removed" in run("partner", "remove", "Reseller", "--yes").stderr
    assert (data(run("partner", "list", "--json")), data(run("token", "list", "--json"))) == ([], [])
    assert data(run("organization", "list", "--json"))[0]["partners"] == []
    with pytest.raises(PartnerUnknown):
        run("partner", "remove", partner, "--yes")


def test_empty_lists_say_what_to_do_on_stderr_and_are_empty_for_programs(run: Run) -> None:
    for group in ("partner", "organization", "token", "intake-key"):
        result = run(group, "list")
        assert result.stdout == ""
        assert f"cdrelay publisher {group}" in " ".join(result.stderr.split())
        assert data(run(group, "list", "--json")) == []


def test_a_secret_comes_from_a_file_stdin_or_a_prompt_and_is_never_shown(run: Run, tmp_path: Path) -> None:
    run("partner", "add", "Reseller")
    file = tmp_path / "secret"
    file.write_text("from-file\n")
    for extra, stdin in (
        (["--secret-file", str(file)], None),
        (["--secret-file", "-"], "from-stdin\n"),
        ([], "from-prompt\n"),
    ):
        result = run("webhook", "set", "Reseller", URL, "--replace", *extra, stdin=stdin)
        assert "deliveries are signed" in result.stderr
        shown = run("webhook", "show", "Reseller", "--json")
        assert data(shown)["signed"] is True
        assert "from-" not in result.output + shown.output
    assert "not signed" in run("webhook", "set", "Reseller", URL, "--replace", "--unsigned").stderr
    assert "not signed" in run("webhook", "set", "Reseller", URL, "--replace", stdin="\n").stderr
    nobody = run("webhook", "set", "Reseller", URL, "--replace")
    assert (nobody.exit_code, "--secret-file" in nobody.stderr) == (2, True)


def test_a_secret_on_the_command_line_is_warned_of(run: Run) -> None:
    run("partner", "add", "Reseller")
    result = run("webhook", "set", "Reseller", URL, "--secret", "seen")
    assert result.exit_code == 0
    assert "process list" in " ".join(result.stderr.split())


def test_what_is_refused_is_said(run: Run) -> None:
    run("partner", "add", "Reseller")
    with pytest.raises(PartnerUnknown):
        run("webhook", "show", "nobody")
    with pytest.raises(WebhookRefused, match="empty secret"):
        run("webhook", "set", "Reseller", URL, "--secret", "")
    run("webhook", "set", "Reseller", URL, "--unsigned")
    with pytest.raises(WebhookExists):
        run("webhook", "set", "Reseller", URL, "--unsigned")
    assert run("webhook", "set", "Reseller", URL, "--unsigned", "--secret", "x").exit_code == 2
    assert run("webhook", "set", "Reseller", URL, "--secret-file", "/nowhere").exit_code == 2


def test_a_webhook_is_switched_off_on_and_removed(run: Run) -> None:
    run("partner", "add", "Reseller")
    run("webhook", "set", "Reseller", URL, "--unsigned")
    run("webhook", "deactivate", "Reseller")
    shown = data(run("webhook", "show", "Reseller", "--json"))
    assert (shown["active"], shown["switched_off_because"]) == (False, "switched off by the operator")
    run("webhook", "activate", "Reseller")
    assert "yes" in run("webhook", "show", "Reseller").stdout
    assert run("webhook", "remove", "Reseller").exit_code == 0


def test_tokens_and_keys_are_printed_once_listed_by_id_and_revoked(run: Run) -> None:
    run("partner", "add", "Reseller")
    for group, owner in (("token", ["Reseller"]), ("intake-key", [])):
        secret = run(group, "create", *owner, "--label", "for tests").stdout.strip()
        listing = run(group, "list", "--json")
        (listed,) = data(listing)
        assert listed["label"] == "for tests"
        assert listed["revoked_at"] is None
        assert secret not in listing.output
        assert run(group, "revoke", listed["id"]).exit_code == 0
        assert data(run(group, "list", "--json"))[0]["revoked_at"] is not None


def test_a_tick_writes_deliveries_that_are_shown(run: Run) -> None:
    assert data(run("tick", "--json")) == {"cut": 1, "deliveries": 0, "failures": 0}
    assert "ticks cut" in run("tick").stderr
    result = run("deliveries")
    assert result.stdout == ""
    assert "no deliveries yet" in result.stderr
    assert data(run("deliveries", "--json")) == []


def test_windows_are_sent_again_by_the_time_they_were_due(run: Run) -> None:
    run("partner", "add", "Reseller")
    with pytest.raises(WebhookUnknown):
        run("send-again", "Reseller", "--from", "2020-01-01")
    run("webhook", "set", "Reseller", URL, "--unsigned")
    run("tick")
    assert data(run("send-again", "Reseller", "--from", "2020-01-01", "--json")) == {"windows": 1, "deliveries": 1}
    assert "1 windows are sent again" in run("send-again", "Reseller", "--from", "2020-01-01").stderr
    assert [one["round"] for one in data(run("deliveries", "--json"))] == [0, 1]
    with pytest.raises(WindowOutOfReach):
        run("send-again", "Reseller", "--from", "2020-01-01", "--to", "2020-01-02")
    assert run("send-again", "Reseller", "--from", "2020-01-02", "--to", "2020-01-01").exit_code == 2


def test_windows_go_on_after_a_clock_that_was_ahead(run: Run, tmp_path: Path) -> None:
    run("tick")
    with closing(sqlite3.connect(tmp_path / "home" / "control.db")) as database, database:
        in_a_year = "INSERT INTO cuts SELECT datetime(tick, '+1 year') || '.000000', cutoff, load_seq, tick FROM cuts"
        database.execute(in_a_year)
    run("tick")
    assert run("set-back", stdin="n\n").exit_code == 1
    assert data(run("set-back", "--yes", "--json")) == {"ticks": 1, "deliveries": 0}
    assert "0 ticks that were ahead are taken back" in run("set-back", stdin="y\n").stderr
