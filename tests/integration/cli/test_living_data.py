"""Upkeep, retention, encryption and erasure as an operator does them."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import sleep
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.callbacks.bodies import PackedBody
from cdrelay.cli import lake, records, retention
from cdrelay.cli.context import Context
from cdrelay.clock import SystemClock
from cdrelay.control.erasures import Erasures
from cdrelay.lake.spool import Envelope, Spool
from cdrelay.settings import read_settings
from cdrelay.wiring import HalfName, open_foundation, open_store
from tests.support.lake_builder import ORG, OTHER_ORG, document, record
from tests.support.process import SETTINGS, Cdrelay, connect_halves

NUMBER, NAME = "+14085559876", "Zebulon Quartermain"
TRACES = (NUMBER.encode(), NAME.encode(), b"14085559876")
PERSON = f"{NUMBER}\n{NAME}\n"


def call(name: object, org: str = ORG, hours: float = 1, **more: str) -> dict[str, str]:
    ended = SystemClock().now() - timedelta(hours=hours)
    own = {"Direction": "ORIGINATING", "User": NAME, "Calling number": NUMBER, "Duration": "36"}
    return record(name, ended, org, **own | more)


def put(home: Path, *calls: dict[str, str], half: HalfName = "collector", name: str = "a", **about: Any) -> None:
    envelope = Envelope(id=name, source="test", channel="webhook", received=SystemClock().now(), **about)
    Spool(home / half / "spool").put(envelope, document(calls))


def shown(home: Path) -> list[str]:
    """Files of a home in which the person shows, whatever they are packed in."""
    found = []
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.name.endswith(".json.zst"):
            content = pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
        if path.suffix == ".parquet" and "_delta_log" not in path.parts and content[-4:] == b"PAR1":
            content = str(pq.read_table(path).to_pylist()).encode()
        if path.suffix == ".ndjson":
            content = b"".join(base64.b64decode(json.loads(line)["record"]) for line in content.splitlines())
        if any(text in content for text in TRACES):
            found.append(str(path.relative_to(home)))
    return found


class Shell:
    """Runs commands on one home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._variables = {"CDRELAY_HOME": str(home)}
        self._app = typer.Typer()
        self._app.add_typer(lake.app, name="lake")
        self._app.add_typer(retention.app, name="retention")
        self._app.command("export")(records.export)
        self._app.command("query")(records.query)

    def set(self, name: str, value: str) -> None:
        """A setting, from now on."""
        self._variables[f"CDRELAY_{name.upper()}"] = value

    def run(self, *words: str, status: int = 0, stdin: str = "") -> Result:
        context = Context(read_settings(self._variables))
        try:
            result = CliRunner().invoke(self._app, words, input=stdin, obj=context)
        finally:
            context.close()
        assert result.exit_code == status, (result.output, result.exception)
        return result

    def json(self, *words: str, stdin: str = "") -> Any:
        return json.loads(self.run(*words, "--json", stdin=stdin).stdout)

    def fails(self, *words: str) -> str:
        """What an error that the entry would explain says."""
        return str(self.run(*words, status=1).exception)

    def load(self, half: HalfName = "collector") -> None:
        """Load what waits in the spool."""
        foundation = open_foundation(read_settings(self._variables))
        open_store(foundation, half).loader.drain()
        foundation.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """An empty home."""
    home = tmp_path / "home"
    for half in ("collector", "publisher"):
        (home / half).mkdir(parents=True)
    with capture_logs():  # the entry sends the log to stderr
        yield Shell(home)


@pytest.fixture
def filled(shell: Shell) -> Shell:
    """The person everywhere: lakes, spool, quarantine, bodies kept aside, the outbox."""
    for half in ("collector", "publisher"):
        put(shell.home, *(call(number) for number in range(5)), call("bad") | {"Report ID": "none"}, half=half)
        shell.load(half)
        (shell.home / half / "aside").mkdir()
        (shell.home / half / "aside/b.payload").write_bytes(b'{"id":"b","source":"s","channel":"webhook",'
            b'"received":"2026-11-24T12:00:00Z"}\n<html>' + NUMBER.encode())  # fmt: skip
    put(shell.home, call("waiting"), record("other", SystemClock().now(), OTHER_ORG, User="Carol"), name="b")
    (shell.home / "publisher/outbox").mkdir()
    body = PackedBody.pack(document([call(1), record("x", SystemClock().now(), User="Carol")]))
    (shell.home / "publisher/outbox/d1.json.zst").write_bytes(body.packed)
    return shell


def test_a_person_is_erased_from_everything_a_home_holds(filled: Shell) -> None:
    assert len(shown(filled.home)) == 8
    asked = filled.json("lake", "erase", "--person-file", "-", "--dry-run", stdin=PERSON)
    assert {one["place"]: one["found"] for one in asked} == {
        "collector lake": 5, "collector spool": 1, "collector aside": 1, "collector quarantine": 1,
        "publisher lake": 5, "publisher spool": 0, "publisher aside": 1, "publisher quarantine": 1,
        "publisher outbox": 1,
    }  # fmt: skip
    assert len(shown(filled.home)) == 8, "that was a dry run"
    assert filled.json("lake", "erasures") == []

    (done,) = filled.json(
        "lake", "erase", "--person-file", "-", "--yes", "--label", "ticket 7", "--wait-for-readers", "0", stdin=PERSON
    )
    assert (done["records"], done["label"], done["finished_at"] is not None) == (16, "ticket 7", True)
    assert shown(filled.home) == []
    again = filled.json("lake", "erase", "--person-file", "-", "--dry-run", stdin=PERSON)
    assert {one["found"] for one in again} == {0}

    content = PackedBody((filled.home / "publisher/outbox/d1.json.zst").read_bytes()).content()
    assert [one["User"] for one in json.loads(content)["items"]] == ["erased", "Carol"]
    filled.load()
    (counted,) = filled.json("query", "SELECT count(*) AS n, sum(duration) AS s FROM records")
    assert (counted["n"], counted["s"]) == (7, 216)


def test_a_repair_that_brings_the_records_again_brings_no_person_back(filled: Shell) -> None:
    filled.json("lake", "erase", "--person-file", "-", "--yes", "--wait-for-readers", "0", stdin=PERSON)
    put(filled.home, *(call(number, hours=0.5) for number in range(5)), call("late", hours=30), name="again")
    filled.load()
    assert shown(filled.home) == []
    (counted,) = filled.json("query", "SELECT count(*) AS n FROM records WHERE calling_number = 'erased'")
    assert counted["n"] == 7


def test_an_erasure_that_was_interrupted_is_finished_without_being_told_again(filled: Shell) -> None:
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(filled.home)}))
    hashes = [foundation.secrets.keyed_hash(text) for text in ("14085559876", "zebulon quartermain")]
    Erasures(foundation.database).begin(hashes, None, "ticket 8", foundation.clock.now())
    foundation.close()
    assert filled.json("lake", "erasures")[0]["finished_at"] is None
    assert filled.json("lake", "erase", "--resume", "--wait-for-readers", "0")[0]["records"] == 16
    assert shown(filled.home) == []
    assert "no erasure was interrupted" in filled.run("lake", "erase", "--resume").stderr


def test_nothing_of_the_person_is_kept_with_the_erasure(filled: Shell) -> None:
    filled.json("lake", "erase", "--person-file", "-", "--yes", "--wait-for-readers", "0", stdin=PERSON)
    for path in filled.home.glob("control.db*"):
        assert not any(text in path.read_bytes() for text in (*TRACES, b"zebulon"))


def test_what_is_asked_is_confirmed(filled: Shell, tmp_path: Path) -> None:
    (tmp_path / "person").write_text(PERSON)
    asked = "lake", "erase", "--person-file", str(tmp_path / "person"), "--wait-for-readers", "0"
    refused = filled.run(*asked, stdin="n\n", status=1)
    assert "collector lake" in refused.stdout
    assert len(shown(filled.home)) == 8
    filled.run(*asked, stdin="y\n")
    assert shown(filled.home) == []


def test_without_a_file_the_person_is_asked_for(filled: Shell) -> None:
    asked = filled.run("lake", "erase", "--dry-run", "--json", stdin=f"{NUMBER}\n\n")
    assert json.loads(asked.stdout[asked.stdout.index("[") :])[0]["found"] == 5


def test_only_one_organizations_records_are_looked_at_when_asked_so(filled: Shell) -> None:
    asked = filled.json("lake", "erase", "--person-file", "-", "--org", OTHER_ORG, "--dry-run", stdin=PERSON)
    assert {one["place"] for one in asked if one["found"]} == {"collector aside", "publisher aside"}, "they say no more"


@pytest.mark.parametrize(
    ("given", "said"), [("ab\n", "at least 3 characters"), ("\n \n", "at least one"), ("erased\n", "what stands where")]
)
def test_what_a_person_is_known_by_must_be_enough(shell: Shell, given: str, said: str) -> None:
    refused = shell.run("lake", "erase", "--person-file", "-", "--yes", stdin=given, status=2)
    assert said in " ".join(refused.output.replace("│", " ").split())


def test_stdin_cannot_both_name_the_person_and_confirm(filled: Shell) -> None:
    refused = filled.run("lake", "erase", "--person-file", "-", stdin=PERSON, status=2)
    assert "--dry-run" in refused.output
    assert NUMBER not in refused.output


# --- the rest --------------------------------------------------------------------------------------------------------


def test_a_lake_is_encrypted_and_every_question_is_answered(shell: Shell, tmp_path: Path) -> None:
    put(shell.home, *(call(number) for number in range(5)))
    shell.load()
    assert "encrypt_lake" in shell.run("lake", "encrypt", status=2).output
    shell.set("encrypt_lake", "true")
    assert shell.json("lake", "encrypt") == {"files": 1, "key": 1}
    (day,) = shell.json("lake", "files")
    assert (day["files"], day["records"], day["encrypted"]) == (1, 5, 1)
    output = tmp_path / "out.ndjson"
    shell.run("export", "--org", ORG, "-o", str(output))
    assert output.read_text().count(NUMBER) == 5
    (answer,) = shell.json("query", f"SELECT count(*) AS n FROM records WHERE calling_number = '{NUMBER}'")  # noqa: S608
    assert answer["n"] == 5
    assert shell.json("lake", "encrypt", "--new-key") == {"files": 1, "key": 2}
    put(shell.home, call("more"), name="more")
    shell.load()
    shell.run("export", "-o", str(output))
    assert output.read_text().count(NUMBER) == 6

    (shell.home / "collector/lake.keys").rename(shell.home / "kept.keys")
    shell.set("encrypt_lake", "false")
    assert "encrypted" in shell.fails("export")


def test_an_organizations_own_time_is_set_kept_to_and_removed(shell: Shell) -> None:
    put(shell.home, *(call(number, hours=24 * 5) for number in range(5)), *(call("o", OTHER_ORG, 24 * 5) for _ in "a"))
    shell.load()
    shell.run("retention", "set", OTHER_ORG, "3")
    shell.run("retention", "set", OTHER_ORG, "2.5")
    (one,) = shell.json("retention", "list")
    assert (one["org_uuid"], one["keep_days"]) == (OTHER_ORG, 2.5)
    assert "2, over which" in shell.fails("retention", "set", ORG, "0.5")
    assert "ORG" in shell.run("retention", "set", "nobody", "5", status=2).output
    assert shell.json("lake", "upkeep")["records_expired"] == 0, "they came only now"
    shell.run("retention", "remove", OTHER_ORG)
    assert shell.json("retention", "list") == []


def test_upkeep_by_hand_says_what_it_did(shell: Shell) -> None:
    assert "there is no lake" in shell.fails("lake", "upkeep")
    assert "there is no lake" in shell.fails("lake", "files")
    for number in range(3):
        put(shell.home, call(number), name=str(number))
        shell.load()
    report = shell.json("lake", "upkeep")
    assert (report["files_before"], report["files_after"], report["files_merged"]) == (3, 1, 3)
    assert "1 now" in shell.run("lake", "upkeep").stderr


def test_replaced_files_stay_as_long_as_is_set(shell: Shell) -> None:
    for number in range(3):
        put(shell.home, call(number), name=str(number))
        shell.load()
    assert shell.json("lake", "upkeep")["files_deleted"] == 0, "within the hour"
    shell.set("replaced_files_minutes", "0.02")
    sleep(1.3)
    assert shell.json("lake", "upkeep")["files_deleted"] == 3


@pytest.mark.slow
def test_a_person_is_erased_while_a_server_runs_and_loads(tmp_path: Path) -> None:
    cdrelay = Cdrelay(tmp_path / "home", SETTINGS)
    key = connect_halves(cdrelay, [ORG])
    cdrelay.start()
    try:
        lines = [json.dumps(call(number, hours=0.001 * number)).encode() for number in range(20)]
        cdrelay.post_records(key, b"\n".join(lines))
        cdrelay.wait_until(lambda: cdrelay.status()["collector"]["records"] == 20, 90, "the collector has them")
        cdrelay.run("lake", "erase", "--person-file", "-", "--yes", "--wait-for-readers", "1", typed=PERSON)
        assert not [path for path in shown(cdrelay.home) if "outbox" not in path]
        cdrelay.post_records(key, b"\n".join(lines))
        cdrelay.wait_until(lambda: not list(cdrelay.home.rglob("*.payload")), 60, "all is loaded")
        assert not [path for path in shown(cdrelay.home) if "outbox" not in path]
        assert cdrelay.status()["collector"]["records"] == 20
    finally:
        cdrelay.stop()
