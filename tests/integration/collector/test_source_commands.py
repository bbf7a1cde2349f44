"""`cdrelay collector source …` for sources of both kinds."""

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.support.collector_shell import CollectorShell

ORG = "11111111-2222-4333-8444-555555555555"
API = "https://analytics.webexapis.com"


@pytest.fixture
def shell(tmp_path: Path) -> CollectorShell:
    return CollectorShell(tmp_path / "home")


def test_a_source_is_shown_with_all_but_its_secrets(shell: CollectorShell) -> None:
    shell.run("source", "add", "webex", "--secret", "a-secret", "--feed-type", "billing", "--api", API)
    shell.run("source", "set", "webex", "--token", "a-token", "--history-api", "https://eu.example.com")
    facts = shell.json("source", "show", "webex")
    assert (facts["path"], facts["signed"], facts["token"]) == ("/webhooks/webex", True, True)
    assert (facts["feed_type"], facts["api"], facts["history_api"]) == ("billing", API, "https://eu.example.com")
    assert (facts["token_expires_at"], facts["refreshable"], facts["token_problem"]) == (None, False, None)
    table = shell.run("source", "show", "webex").out
    assert "/webhooks/webex" in table
    assert not [word for word in ("a-secret", "a-token") if word in table + json.dumps(facts)]
    assert shell.run("source", "show", "nobody").status == 1


def test_a_source_that_is_pulled_has_a_customer_and_a_time_and_no_path(shell: CollectorShell) -> None:
    added = shell.run(
        "source", "add", "customer", "--kind", "cdr_stream", "--api", API, "--org", ORG,
        "--since", "2026-11-24T10:00Z",
    )  # fmt: skip
    assert (added.status, added.out) == (0, "")
    assert "cdrelay collector login customer" in added.told
    facts = shell.json("source", "show", "customer")
    assert (facts["kind"], facts["path"], facts["signed"]) == ("cdr_stream", None, None)
    assert (facts["org_uuid"], facts["pulled_until"]) == (ORG, "2026-11-24T10:00:00.000Z")
    assert shell.json("source", "list") == [facts]
    assert "cdr_stream" in shell.run("source", "list", COLUMNS="120").out


@pytest.mark.parametrize(
    "words", [("--kind", "pigeon"), ("--feed-type", "all"), ("--org", ORG), ("--kind", "cdr_stream")]
)
def test_what_makes_no_sense_is_refused(shell: CollectorShell, words: tuple[str, ...]) -> None:
    done = shell.run("source", "add", "webex", *words)
    assert done.status == 1
    assert shell.json("source", "list") == []


@pytest.fixture
def another_key(shell: CollectorShell, tmp_path: Path) -> CollectorShell:
    """A home with a source that has two secrets and a token; its key was replaced by another, and lies beside it."""
    shell.run("source", "add", "webex", "--secret", "a-secret", "--api", API, "--token", "a-token")
    shell.run("source", "rotate-secret", "webex", "--secret", "another-secret")
    (tmp_path / "home" / "secret.key").rename(tmp_path / "first.key")
    (tmp_path / "home" / "secret.key").write_bytes(Fernet.generate_key())
    return shell


def test_secrets_that_cannot_be_opened_are_set_anew(another_key: CollectorShell) -> None:
    done = another_key.run("source", "set", "webex", "--secret", "a-new-one")
    assert done.status == 0
    assert "could not be opened, and replaced: secret\n" in done.told
    assert "could not be opened, and forgotten: previous secret\n" in done.told
    assert "still cannot be opened with this secret.key: token. Until then its provider is not asked" in done.told
    facts = another_key.json("source", "show", "webex")
    assert (facts["signed"], facts["rotating"], facts["unreadable"]) == (True, False, ["token"])

    done = another_key.run("source", "set", "webex", "--token", "a-new-token")
    assert (done.status, "replaced: token\n" in done.told, "still" in done.told) == (0, True, False)
    assert [one["unreadable"] for one in another_key.json("source", "list")] == [None]


def test_a_change_of_something_else_keeps_what_the_first_key_opens(another_key: CollectorShell, tmp_path: Path) -> None:
    done = another_key.run("source", "set", "webex", "--api", "https://other.example.com")
    assert done.status == 0
    assert "secret, previous secret, token. Until then its deliveries are answered 503" in done.told
    assert another_key.run("source", "rotate-secret", "webex", "--secret", "x").status == 1

    (tmp_path / "first.key").replace(tmp_path / "home" / "secret.key")
    facts = another_key.json("source", "list")[0]
    assert (facts["api"], facts["unreadable"]) == ("https://other.example.com", None)
    assert (facts["signed"], facts["rotating"], facts["token"]) == (True, True, True)
