"""`cdrelay collector source …` for sources of both kinds."""

import json
from pathlib import Path

import pytest

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
