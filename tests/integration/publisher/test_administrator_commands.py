"""The commands for administrators and integrations: secrets on stdout this once, talk on stderr."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdrelay.cli.context import Context
from cdrelay.cli.publisher import app
from cdrelay.errors import CdrelayError
from cdrelay.publisher.access.administrators import Administrators
from cdrelay.publisher.access.integrations import Integrations
from cdrelay.publisher.errors import (
    AdministratorRefused,
    AdministratorUnknown,
    LockedOut,
    PasswordRefused,
    SignInRefused,
)
from cdrelay.settings import read_settings
from cdrelay.wiring import open_administrators
from tests.integration.publisher.publisher_bench import ORG

Run = Callable[..., Result]
PASSWORD = "correct horse battery"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A home folder of its own."""
    opened = Context(read_settings({}, home=tmp_path / "home"))
    yield opened
    opened.close()


@pytest.fixture
def run(context: Context) -> Run:
    """Runs a command; an error of ours is raised, for the entry prints it. There is a partner with a customer."""

    def run_command(*arguments: str, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(app, arguments, obj=context, input=stdin)
        if isinstance(result.exception, CdrelayError):
            raise result.exception
        return result

    run_command("partner", "add", "Reseller")
    run_command("organization", "add", ORG, "--partner", "Reseller")
    return run_command


@pytest.fixture
def store(context: Context) -> Administrators:
    """What the commands have written."""
    return open_administrators(context.foundation())


def add(run: Run, *more: str, email: str = "ada@example.com", stdin: str | None = None) -> Result:
    """Add Ada."""
    return run("administrator", "add", "Reseller", email, "--name", "Ada", *more, stdin=stdin)


def listed(run: Run, *more: str) -> Any:
    """What a program reads."""
    return json.loads(run("administrator", "list", "--json", *more).stdout)


def test_a_password_is_made_up_and_printed_once(run: Run, store: Administrators) -> None:
    added = add(run)
    assert store.check_password("ada@example.com", added.stdout.strip()).role == "read_only"
    renewed = run("administrator", "password", "ada@example.com")
    assert store.check_password("ada@example.com", renewed.stdout.strip()).name == "Ada"
    with pytest.raises(SignInRefused):
        store.check_password("ada@example.com", added.stdout.strip())
    assert renewed.stdout.strip() not in run("administrator", "list").stdout


def test_a_password_comes_from_a_file_or_a_prompt_and_is_not_printed(
    run: Run, store: Administrators, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    added = add(run, "--password-file", str(file), "--role", "full")
    assert (added.exit_code, added.stdout) == (0, "")
    assert store.check_password("ada@example.com", PASSWORD).role == "full"
    typed = run("administrator", "password", "ada@example.com", "--prompt", stdin="another long one\n" * 2)
    assert "another" not in typed.output
    assert store.check_password("ada@example.com", "another long one")
    with pytest.raises(PasswordRefused, match="12"):
        run("administrator", "password", "ada@example.com", "--password-file", "-", stdin="short\n")
    assert add(run, "--prompt", "--password-file", str(file), email="b@example.com").exit_code == 2


def test_without_a_password_nobody_signs_in_with_one(run: Run, store: Administrators) -> None:
    added = add(run, "--no-password")
    assert (added.exit_code, added.stdout) == (0, "")
    with pytest.raises(SignInRefused):
        store.check_password("ada@example.com", "")
    assert add(run, "--no-password", "--prompt", email="b@example.com").exit_code == 2


def test_roles_and_what_is_assigned_are_changed_and_listed(run: Run) -> None:
    add(run, "--role", "assigned", "--organization", ORG)
    run("partner", "add", "Other")
    (ada,) = listed(run, "--partner", "Reseller")
    assert ada == {
        "email": "ada@example.com",
        "name": "Ada",
        "partner": "Reseller",
        "role": "assigned",
        "organizations": [ORG],
        "locked_until": None,
    }
    assert listed(run, "--partner", "Other") == []
    run("administrator", "change", "ADA@example.com", "--role", "full", "--name", "Ada L.")
    assert [(one["name"], one["role"], one["organizations"]) for one in listed(run)] == [("Ada L.", "full", [])]
    with pytest.raises(AdministratorRefused):
        run("administrator", "change", "ada@example.com", "--organization", ORG)
    run("administrator", "remove", "ada@example.com")
    assert listed(run) == []
    with pytest.raises(AdministratorUnknown):
        run("administrator", "remove", "ada@example.com")


def test_the_operator_sees_and_lifts_a_lock(run: Run, store: Administrators) -> None:
    password = add(run).stdout.strip()
    for _ in range(5):
        with pytest.raises(SignInRefused):
            store.check_password("ada@example.com", "wrong")
    with pytest.raises(LockedOut):
        store.check_password("ada@example.com", password)
    assert listed(run)[0]["locked_until"]
    run("administrator", "change", "ada@example.com", "--unlock")
    assert listed(run)[0]["locked_until"] is None
    assert store.check_password("ada@example.com", password)


def test_a_change_of_nothing_is_no_change(run: Run) -> None:
    add(run)
    assert run("administrator", "change", "ada@example.com").exit_code == 2


def test_a_name_with_brackets_is_text_in_a_table(run: Run) -> None:
    run("administrator", "add", "Reseller", "ada@example.com", "--name", "[/b]")
    assert "[/b]" in run("administrator", "list").stdout


def test_an_integration_is_added_listed_without_its_secret_and_revoked(run: Run, context: Context) -> None:
    redirect = "http://localhost:6001/redirect"
    added = run("integration", "add", "Billing", "--redirect", redirect, "--partner", "Reseller")
    client_id, secret = added.stdout.split()
    store = Integrations(context.foundation().database, context.foundation().clock)
    found = store.authenticate(client_id, secret)
    assert found is not None
    assert found.redirect_uris == (redirect,)
    shown = run("integration", "list", "--json").stdout
    assert [(one["name"], one["partner"]) for one in json.loads(shown)] == [("Billing", "Reseller")]
    assert secret not in shown
    run("integration", "revoke", client_id)
    assert store.authenticate(client_id, secret) is None
    everyones = json.loads(run("integration", "add", "All", "--redirect", redirect, "--scope", "a", "--json").stdout)
    assert (everyones["partner_id"], everyones["scopes"]) == (None, ["a"])
    assert store.authenticate(everyones["client_id"], everyones["client_secret"])
