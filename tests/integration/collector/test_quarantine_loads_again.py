"""What was put aside is shown, loaded again after a fix, and dropped; also when the process is killed in between."""

import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.cli import quarantine as commands
from cdrelay.cli.context import Context
from cdrelay.control.tables import payloads
from cdrelay.lake.load import LoadLimits
from cdrelay.lake.load_again import load_again
from cdrelay.lake.quarantine import NotInQuarantine
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from tests.integration.collector.collector_bench import START, Bench
from tests.support.lake_builder import LakeBuilder
from tests.support.provider import Call, body_of, calls, organization

GOOD = calls(organization(1), START - timedelta(minutes=8), 2)
OLD = Call(organization(1), datetime(2025, 6, 1, tzinfo=UTC))
"""Is not plausible until `record_max_age_days` is raised; then it is."""
NUMBER = "+15551234567"


def spool(bench: Bench, body: bytes, name: str = "first", **about: Any) -> None:
    given = {"id": name, "source": "webex", "channel": "webhook", "received": START} | about
    bench.store.spool.put(Envelope(**given), body)


def with_number(*records: Call) -> bytes:
    return json.dumps({"items": [one.wire() | {"Calling number": NUMBER} for one in records]}, indent=1).encode()


def believe_old_records(bench: Bench) -> None:
    """What an operator does with record_max_age_days."""
    loader = bench.store.loader
    loader._limits = replace(loader._limits, max_age=timedelta(days=4_000))


def again(bench: Bench, name: str) -> str:
    return load_again(bench.store.quarantine, bench.store.spool, name, bench.clock.now())


def receipts(bench: Bench) -> dict[str, tuple[Any, ...]]:
    columns = payloads.c.id, payloads.c.source, payloads.c.channel, payloads.c.received_at, payloads.c.added
    with bench.database.read() as connection:
        return {row.id: tuple(row)[1:] for row in connection.execute(select(*columns))}


def test_after_a_fix_the_records_are_loaded_as_what_they_were(bench: Bench) -> None:
    spool(bench, with_number(*GOOD, OLD), channel="history")
    assert bench.store.loader.drain().quarantined == 1
    bench.clock.advance(timedelta(days=1))
    believe_old_records(bench)
    assert again(bench, "first") == "first~2"
    assert bench.store.quarantine.payloads() == []
    assert bench.store.loader.drain().added == 1
    assert bench.store.lake.total() == 3
    assert receipts(bench) == {
        "first": ("webex", "history", START, 2),
        "first~2": ("webex", "history", START, 1),
    }


def test_without_a_fix_they_are_put_aside_again_and_none_is_lost(bench: Bench) -> None:
    spool(bench, with_number(*GOOD, OLD))
    bench.store.loader.drain()
    for name, following in (("first", "first~2"), ("first~2", "first~3")):
        assert again(bench, name) == following
        assert bench.store.loader.drain().quarantined == 1
        (one,) = bench.store.quarantine.list()
        assert (one.payload, one.field, json.loads(one.record)["Report ID"]) == (
            following,
            "Report time",
            OLD.wire()["Report ID"],
        )
    believe_old_records(bench)
    again(bench, "first~3")
    assert bench.store.loader.drain().added == 1


def test_one_that_is_still_broken_does_not_hold_up_the_others(bench: Bench) -> None:
    broken = b'{"Report ID": "cut'
    lines = [broken, *(json.dumps(one.wire()).encode() for one in (OLD, *GOOD))]
    spool(bench, b"\n".join(lines), lines=True)
    assert bench.store.loader.drain().quarantined == 2
    believe_old_records(bench)
    again(bench, "first")
    drained = bench.store.loader.drain()
    assert (drained.added, drained.quarantined) == (1, 1)
    assert [one.record for one in bench.store.quarantine.list()] == [broken]


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_whole_body_is_loaded_again_as_it_came(bench: Bench, encoding: str) -> None:
    body = body_of(GOOD)
    bench.store.loader._limits = LoadLimits(unpacked_bytes=10)
    spool(bench, gzip.compress(body) if encoding else body[:-1], content_encoding=encoding)
    assert bench.store.loader.drain().quarantined == 1
    bench.store.loader._limits = LoadLimits()
    again(bench, "first")
    drained = bench.store.loader.drain()
    assert (drained.added, drained.quarantined) == ((2, 0) if encoding else (0, 1))


def test_loading_again_twice_stores_nothing_twice(bench: Bench) -> None:
    spool(bench, with_number(*GOOD, OLD))
    bench.store.loader.drain()
    believe_old_records(bench)
    (kept,) = Path(bench.store.folder / "quarantine").iterdir()
    content = kept.read_bytes()
    for _ in range(2):
        kept.write_bytes(content)  # as if killed before it left the quarantine
        again(bench, "first")
        bench.store.loader.drain()
    assert bench.store.lake.total() == 3
    with pytest.raises(NotInQuarantine):
        again(bench, "first")


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from cdrelay.lake import load_again as module
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.spool import Incoming, Spool

folder, step = Path(sys.argv[1]), sys.argv[2]
def after(function):
    def call(self, *arguments):
        function(self, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    return call
if step == "written":
    Incoming.write = after(Incoming.write)
if step == "spooled":
    Incoming.commit = after(Incoming.commit)
if step == "dropped":
    Quarantine.drop = after(Quarantine.drop)
module.load_again(Quarantine(folder / "quarantine"), Spool(folder / "spool"), "first", datetime.now(UTC))
"""


@pytest.mark.parametrize("step", ["written", "spooled", "dropped"])
def test_killed_at_any_step_nothing_is_lost_and_nothing_stored_twice(bench: Bench, step: str) -> None:
    spool(bench, with_number(*GOOD, OLD))
    bench.store.loader.drain()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(bench.store.folder), step], check=False)
    assert killed.returncode == -signal.SIGKILL
    believe_old_records(bench)
    bench.store.spool.sweep()
    drained = bench.store.loader.drain()
    there = bench.store.quarantine.payloads()
    assert (drained.added, there) == {"written": (0, ["first"]), "spooled": (1, ["first"]), "dropped": (1, [])}[step]
    for name in there:
        again(bench, name)
    bench.store.loader.drain()
    assert (bench.store.lake.total(), bench.store.quarantine.payloads()) == (3, [])
    assert list(bench.store.spool.folder.iterdir()) == []


# --- the commands ---


class Shell:
    """Runs commands on the bench's home folder, which is open beside it as a server's would be."""

    def __init__(self, bench: Bench) -> None:
        self._settings = {"CDRELAY_HOME": str(bench.settings.home), "CDRELAY_DISK_RESERVE_BYTES": "0"}

    def run(self, *words: str, **settings: str) -> Result:
        context = Context(read_settings(self._settings | settings))
        try:
            return CliRunner().invoke(commands.app, words, obj=context)
        finally:
            context.close()

    def json(self, *words: str, **settings: str) -> Any:
        result = self.run(*words, "--json", **settings)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def shell(bench: Bench) -> Iterator[Shell]:
    with capture_logs():
        yield Shell(bench)


def test_the_list_names_what_is_there_and_shows_no_record(bench: Bench, shell: Shell) -> None:
    assert shell.json("list") == []
    spool(bench, with_number(*GOOD, OLD))
    bench.store.loader.drain()
    bench.aside.keep(
        Envelope(id="page", source="webex", channel="webhook", received=START), b"<html>" + NUMBER.encode()
    )
    listed = shell.json("list")
    assert [(one["payload"], one["field"]) for one in listed] == [("first", "Report time"), ("page", "body")]
    for words in (["list"], ["show", "first"], ["show", "page"], ["show", "first", "--json"]):
        result = shell.run(*words)
        assert result.exit_code == 0
        assert NUMBER not in result.output


def test_show_tells_how_it_came_and_prints_the_records_only_when_asked(bench: Bench, shell: Shell) -> None:
    spool(bench, with_number(*GOOD, OLD), channel="repair")
    bench.store.loader.drain()
    (one,) = shell.json("show", "first")
    assert (one["channel"], one["index"], one["field"]) == ("repair", 2, "Report time")
    (line,) = shell.run("show", "first", "--records").stdout.splitlines()
    assert json.loads(line) == OLD.wire() | {"Calling number": NUMBER}
    bench.aside.keep(Envelope(id="page", source="webex", channel="webhook", received=START), b"<html>")
    assert shell.run("show", "page", "--records").stdout == "<html>\n"


def test_load_tells_what_became_of_the_records(bench: Bench, shell: Shell) -> None:
    for number, old in enumerate((OLD, replace(OLD, number=1))):
        spool(bench, with_number(old), name=f"payload-{number}")
    bench.store.loader.drain()
    (without,) = shell.json("load", "payload-0")
    assert (without["id"], without["added"], without["quarantined"]) == ("payload-0~2", 0, 1)
    found = shell.json("load", "--all", CDRELAY_RECORD_MAX_AGE_DAYS="4000")
    assert {(one["id"], one["added"]) for one in found} == {("payload-0~3", 1), ("payload-1~2", 1)}
    assert shell.json("list") == []
    assert shell.json("load", "--all") == []


def test_drop_removes_what_is_named_for_good(bench: Bench, shell: Shell) -> None:
    for number in range(2):
        spool(bench, with_number(replace(OLD, number=number)), name=f"payload-{number}")
    bench.store.loader.drain()
    bench.aside.keep(Envelope(id="page", source="webex", channel="webhook", received=START), b"<html>")
    assert shell.run("drop", "payload-0", "page").exit_code == 0
    assert [one["payload"] for one in shell.json("list")] == ["payload-1"]
    assert shell.run("drop").exit_code != 0  # neither named nor --all
    assert shell.run("drop", "--all").exit_code == 0
    assert shell.json("list") == []


@pytest.mark.parametrize("words", [["show", "nobody"], ["load", "nobody"], ["drop", "../../control"]])
def test_what_is_not_there_is_told(shell: Shell, words: list[str]) -> None:
    assert isinstance(shell.run(*words).exception, NotInQuarantine)


def test_the_lake_names_the_payload_a_record_came_in(bench: Bench) -> None:
    spool(bench, with_number(OLD))
    bench.store.loader.drain()
    believe_old_records(bench)
    again(bench, "first")
    bench.store.loader.drain()
    builder = LakeBuilder(bench.store.folder, bench.clock)
    (row,) = builder.rows()
    builder.close()
    assert (row["source"], row["channel"], row["payload"], row["received"]) == ("webex", "webhook", "first~2", START)
