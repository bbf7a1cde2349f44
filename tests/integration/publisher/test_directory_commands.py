"""The commands that manage the directory: data on stdout, talk on stderr."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.cli.context import Context
from cdrelay.cli.publisher import app
from cdrelay.errors import CdrelayError
from cdrelay.publisher.bulk.formats import DocumentRefused
from cdrelay.publisher.errors import EntryConflicts, EntryUnknown
from cdrelay.settings import read_settings
from tests.integration.publisher.directory_bench import HOLDER
from tests.integration.publisher.publisher_bench import ORG, OTHER_ORG

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a command on a home folder of its own, with a partner and an organization."""
    context = Context(read_settings({}, home=tmp_path / "home"))

    def run_command(*arguments: str, stdin: str | None = None) -> Result:
        with capture_logs():
            result = CliRunner().invoke(app, arguments, obj=context, input=stdin)
        if isinstance(result.exception, CdrelayError):
            raise result.exception
        return result

    run_command("partner", "add", "Reseller")
    run_command("organization", "add", ORG, "--name", "Harbour", "--region", "eu")
    yield run_command
    context.close()


def data(result: Result) -> Any:
    """What a program reads."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_an_organization_has_a_region_and_a_start_of_its_relation(run: Run) -> None:
    run("organization", "add", OTHER_ORG, "--partner", "Reseller", "--from", "2026-01-01")
    regions = {one["org_uuid"]: one["region"] for one in data(run("organization", "list", "--json"))}
    assert regions == {ORG: "eu", OTHER_ORG: ""}
    (relation,) = data(run("relation", "list", "--json"))
    assert (relation["org_uuid"], relation["partner"]) == (OTHER_ORG, "Reseller")
    assert relation["starts_at"] == "2026-01-01 00:00:00+00:00"
    assert run("organization", "add", ORG, "--from", "yesterday").exit_code == 2


def test_a_relation_is_added_listed_and_ended(run: Run) -> None:
    added = run("relation", "add", ORG, "Reseller", "--kind", "subscription", "--from", "2026-01-01").stdout.strip()
    with pytest.raises(EntryConflicts, match="overlap"):
        run("relation", "add", ORG, "Reseller", "--kind", "subscription")
    (listed,) = data(run("relation", "list", "--partner", "Reseller", "--organization", ORG, "--json"))
    assert (listed["id"], listed["kind"], listed["ends_at"]) == (added, "subscription", None)
    assert "2026-02-01" in run("relation", "end", added, "--at", "2026-02-01").stderr
    assert data(run("relation", "list", "--at", "2026-02-01", "--json")) == []
    assert len(data(run("relation", "list", "--at", "2026-01-31", "--json"))) == 1
    assert "2026-02-01" in run("relation", "end", added).stderr
    with pytest.raises(EntryUnknown):
        run("relation", "end", "nonsense")


def test_a_licence_is_added_listed_and_ended(run: Run) -> None:
    arguments = ("licence", "add", ORG, HOLDER, "Reseller", "--kind", "workspace")
    added = run(*arguments, "--from", "2026-01-01", "--to", "2026-06-01").stdout.strip()
    (listed,) = data(run("licence", "list", "--holder", HOLDER.upper(), "--json"))
    assert (listed["id"], listed["holder_kind"], listed["partner"]) == (added, "workspace", "Reseller")
    assert "2026-03-01" in run("licence", "end", added, "--at", "2026-03-01").stderr
    assert run("licence", "add", ORG, "nonsense", "Reseller").exit_code == 2
    assert "2026" in run("licence", "list").stdout


@pytest.mark.parametrize("group", ["relation", "licence", "operator-key"])
def test_empty_lists_say_what_to_do(run: Run, group: str) -> None:
    result = run(group, "list")
    assert result.stdout == ""
    assert f"cdrelay publisher {group}" in " ".join(result.stderr.split())
    assert data(run(group, "list", "--json")) == []


def test_a_document_is_tried_imported_and_exported_again(run: Run, tmp_path: Path) -> None:
    content = {
        "relations": [{"partnerId": "Reseller", "orgId": ORG}],
        "organizations": [{"orgId": ORG, "name": "Port"}],
    }
    file, out = tmp_path / "in.json", tmp_path / "out.json"
    file.write_text(json.dumps(content))
    tried = run("directory", "import", str(file), "--dry-run")
    assert (tried.exit_code, tried.stderr) == (0, "nothing was done\n")
    assert f'changed organizations {ORG}: name "Harbour" → "Port"' in tried.stdout
    assert data(run("relation", "list", "--json")) == []
    done = run("directory", "import", str(file))
    assert (done.exit_code, done.stderr) == (0, "done\n")
    numbers = "1 added, 1 changed, 0 ended, 0 unchanged, 0 refused"
    assert tried.stdout.splitlines()[-1] == done.stdout.splitlines()[-1] == numbers
    run("directory", "export", str(out))
    again = data(run("directory", "import", str(out), "--remove-missing", "--json"))
    assert (again["done"], again["numbers"]["unchanged"], again["changes"]) == (True, 3, [])
    assert run("directory", "export").stdout == out.read_text()


def test_csv_comes_and_goes_by_kind_and_through_pipes(run: Run, tmp_path: Path) -> None:
    table = f"orgId,holderUuid,partnerId\n{ORG},{HOLDER},Reseller\n"
    taken = run("directory", "import", "-", "--kind", "licences", "--format", "csv", stdin=table)
    assert taken.exit_code == 0
    out = tmp_path / "licences.CSV"
    run("directory", "export", str(out), "--kind", "licences")
    header, row = out.read_text().splitlines()
    assert header == "id,orgId,holderUuid,holderKind,partnerId,startsAt,endsAt"
    assert f",{ORG},{HOLDER},user," in row
    empty = run("directory", "import", "-", "--kind", "licences", "--format", "csv", "--remove-missing", stdin=header)
    assert "1 ended" in empty.stdout
    assert run("directory", "export", "--format", "csv").exit_code == 2
    with pytest.raises(DocumentRefused, match="kind"):
        run("directory", "import", str(out))


def test_refused_rows_make_the_command_fail_and_strict_does_nothing_then(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "partners.csv"
    file.write_text("name\nSecond\n\x07\n")
    for options, kept in ((["--strict"], False), ([], True)):
        result = run("directory", "import", str(file), "--kind", "partners", *options)
        assert result.exit_code == 1
        assert "refused partners line 3: name" in result.stdout
        assert ("Second" in [one["name"] for one in data(run("partner", "list", "--json"))]) is kept


def test_a_file_that_cannot_be_read_or_written_is_said(run: Run, tmp_path: Path) -> None:
    assert run("directory", "import", str(tmp_path / "nowhere.json")).exit_code == 2
    assert run("directory", "export", str(tmp_path / "nowhere" / "out.json")).exit_code == 2


def test_operator_keys_are_printed_once_listed_by_id_and_revoked(run: Run) -> None:
    key = run("operator-key", "create", "--label", "provisioning").stdout.strip()
    listing = run("operator-key", "list", "--json")
    (listed,) = data(listing)
    assert key not in listing.output
    assert (listed["label"], listed["revoked_at"]) == ("provisioning", None)
    assert listed["id"] in run("operator-key", "revoke", key).stderr
    assert data(run("operator-key", "list", "--json"))[0]["revoked_at"] is not None
