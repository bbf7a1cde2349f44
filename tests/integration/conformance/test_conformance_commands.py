"""The commands as a pipeline uses them: data on stdout, talk on stderr, an exit status, a JUnit file."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cdrelay.conformance.publisher import ENDPOINT_CHECKS, PUBLISHER_CHECKS
from cdrelay.conformance.receiver import RECEIVER_CHECKS
from tests.integration.conformance.conftest import SECRET, Ours
from tests.integration.conformance.wrong_listener import listening
from tests.support.process import free_port

Done = subprocess.CompletedProcess[str]


async def run(tmp_path: Path, *arguments: str) -> Done:
    """The command in a process of its own, while this one serves; on a home that must stay unmade."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CDRELAY_")}
    environment = own | {"CDRELAY_HOME": str(tmp_path / "unmade"), "NO_COLOR": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "cdrelay", "conformance", *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "unmade").exists()
    return done


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    """Where the secret lies."""
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return str(file)


async def test_a_listener_that_passes_ends_with_0_and_a_table(tmp_path: Path, secret_file: str, ours: Ours) -> None:
    only = ("--only", "right-signature", "--only", "empty-list")

    done = await run(tmp_path, "receiver", ours.webhook, "--secret-file", secret_file, *only)

    assert done.returncode == 0
    assert "right-signature" in done.stdout
    for said in ("A delivery whose", "FACTS 1.3", "answered 20"):  # what is asked, where, and what happened
        assert said in done.stdout
    assert "large-body" not in done.stdout
    assert done.stderr.strip() == f"2 checks of the receiver at {ours.webhook}: 2 passed"


async def test_a_fault_ends_with_1_in_json_and_in_junit(tmp_path: Path) -> None:
    junit = tmp_path / "report.xml"
    async with listening(SECRET, "refuses empty lists") as url:
        options = ("--json", "--junit", str(junit), "--only", "empty-list", "--only", "unknown-keys")
        done = await run(tmp_path, "receiver", url, "--secret", SECRET, *options)

    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert {one["name"]: one["verdict"] for one in document["checks"]} == {
        "empty-list": "failed",
        "unknown-keys": "passed",
    }
    suite = ElementTree.parse(junit).getroot()[0]  # noqa: S314  # our own
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert SECRET not in done.stdout + done.stderr + junit.read_text()


async def test_nobody_there_ends_with_2(tmp_path: Path) -> None:
    done = await run(tmp_path, "receiver", f"http://127.0.0.1:{free_port()}/callback", "--json")

    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot run: no connection" in done.stderr


async def test_a_publisher_is_checked_with_a_token_out_of_a_file(tmp_path: Path, ours: Ours) -> None:
    token = tmp_path / "token"
    token.write_text(ours.token)

    done = await run(tmp_path, "publisher", ours.address, "--token-file", str(token), "--json")

    document = json.loads(done.stdout)
    assert done.returncode == 0
    # No limit on questions is set here, so that none is met; and no callback, so that no deliveries are judged.
    assert document["passed"] == len(ENDPOINT_CHECKS) - 1
    assert [one["name"] for one in document["checks"] if one["verdict"] != "passed"] == ["too-fast"]
    assert ours.token not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("receiver",),
        ("receiver", "listener"),
        ("receiver", "http://127.0.0.1/", "--only", "no-such-check"),
        ("publisher", "http://127.0.0.1/"),
        ("publisher", "http://127.0.0.1/", "--token", "t", "--compress", "0"),
        ("publisher", "http://127.0.0.1/", "--token", "t", "--org", "nobody"),
        ("publisher", "http://127.0.0.1/", "--token", "t", "--callback-listen", "9000"),
        ("publisher", "http://127.0.0.1/", "--token", "t", "--callback-listen", "127.0.0.1:99999"),
        ("publisher", "http://127.0.0.1/", "--token", "t", "--only", "slow-answer"),
    ],
)
async def test_what_is_typed_wrongly_ends_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert (await run(tmp_path, *arguments)).returncode == 2


@pytest.mark.parametrize(("kind", "number"), [("receiver", len(RECEIVER_CHECKS)), ("publisher", len(PUBLISHER_CHECKS))])
async def test_the_list_needs_no_address(tmp_path: Path, kind: str, number: int) -> None:
    listed = json.loads((await run(tmp_path, kind, "--list", "--json")).stdout)

    assert len(listed) == number
    assert all(one["name"] and one["section"] and one["asks"] for one in listed)
