"""The sources of records: what they may be, and the loop that reads all of them."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from cdrelay.cli.context import Context
from cdrelay.cli.publisher import app
from cdrelay.contract.history import HistoryRules
from cdrelay.errors import CdrelayError
from cdrelay.publisher.errors import RecordSourceExists, RecordSourceRefused, RecordSourceUnknown
from cdrelay.publisher.sources.running import SourceReaders, SourceWorker
from cdrelay.publisher.sources.source_settings import SourceSettings
from cdrelay.publisher.sources.taking import Taker
from cdrelay.settings import read_settings
from cdrelay.wiring import client_limits, intake_limits
from tests.integration.publisher.publisher_bench import ORG, START, Bench, record
from tests.integration.publisher.source_bench import MASTER, home_in, ndjson

ENDED = START - timedelta(minutes=5)
ONE, TWO = record("one", ENDED), record("two", ENDED)
API = "https://analytics.webexapis.com"


# --- what a source may be ---


def test_a_source_is_added_changed_listed_and_removed(bench: Bench) -> None:
    sources = bench.record_sources
    added = sources.add("drop", "folder", SourceSettings(location="/srv/drop", org_id=ORG.upper()))
    assert (added.location, added.org_uuid, added.format, added.active) == ("/srv/drop", ORG, "record", True)
    changed = sources.change("drop", SourceSettings(format="asterisk", time_zone="Europe/Berlin", active=False))
    assert sources.get("drop") == changed
    assert (changed.location, changed.format, changed.active) == ("/srv/drop", "asterisk", False)
    assert str(changed.origin.zone) == "Europe/Berlin"
    assert sources.change("drop", SourceSettings(org_id="")).org_uuid is None
    sources.add("carrier", "cdr_feed", SourceSettings(location=API, token="t"))
    assert [one.name for one in sources.list()] == ["carrier", "drop"]
    sources.remove("drop")
    with pytest.raises(RecordSourceUnknown):
        sources.get("drop")
    for doing in (sources.remove, lambda name: sources.change(name, SourceSettings())):
        with pytest.raises(RecordSourceUnknown):
            doing("drop")


def test_another_place_is_read_from_its_beginning(bench: Bench) -> None:
    sources = bench.record_sources
    sources.add("carrier", "cdr_feed", SourceSettings(location=API, token="t", cursor="2026-11-24T10:00:00.000Z"))
    assert sources.change("carrier", SourceSettings(location=API)).cursor == "2026-11-24T10:00:00.000Z"
    assert sources.change("carrier", SourceSettings(location="https://other.example.com")).cursor == ""


def test_no_two_have_one_name(bench: Bench) -> None:
    bench.record_sources.add("pbx", "push", SourceSettings())
    with pytest.raises(RecordSourceExists):
        bench.record_sources.add("pbx", "push", SourceSettings())


@pytest.mark.parametrize(
    ("name", "kind", "settings", "rule"),
    [
        ("Drop", "folder", {"location": "/x"}, "name"),
        ("drop", "ftp", {"location": "/x"}, "kind must be one of"),
        ("drop", "folder", {}, "location"),
        ("drop", "folder", {"location": "/x", "format": "xml"}, "format must be one of"),
        ("drop", "folder", {"location": "/x", "time_zone": "Berlin"}, "time zone"),
        ("drop", "folder", {"location": "/x", "time_zone": "../../etc"}, "time zone"),
        ("drop", "folder", {"location": "/x", "org_id": "acme"}, "organization id"),
        ("drop", "folder", {"location": "/x", "org_map": "a,b"}, "line 1"),
        ("drop", "folder", {"location": "/x", "cursor": "2026-11-24T10:00:00.000Z"}, "since when"),
        ("pbx", "push", {"location": "/x"}, "no location"),
        ("carrier", "cdr_stream", {"location": API}, "token"),
        ("carrier", "cdr_stream", {"location": API, "token": " t"}, "token"),
        ("carrier", "cdr_stream", {"location": "http://carrier.example.com", "token": "t"}, "https"),
        ("carrier", "cdr_feed", {"location": API, "token": "t", "format": "asterisk"}, "format"),
    ],
)
def test_what_a_source_cannot_be_is_refused_with_the_rule(
    bench: Bench, name: str, kind: str, settings: dict[str, str], rule: str
) -> None:
    with pytest.raises(RecordSourceRefused, match=rule):
        bench.record_sources.add(name, kind, SourceSettings(**settings))
    assert bench.record_sources.list() == []


def test_a_token_is_sealed_and_not_shown(bench: Bench) -> None:
    source = bench.record_sources.add("carrier", "cdr_stream", SourceSettings(location=API, token="very-secret"))
    assert bench.record_sources.get("carrier").token == "very-secret"
    assert "very-secret" not in repr(source)
    with sqlite3.connect(bench.home / "control.db") as connection:
        ((kept,),) = connection.execute("SELECT token FROM record_sources").fetchall()
    connection.close()
    assert b"very-secret" not in kept


# --- the loop ---


class Loop:
    """The worker of a publisher, on a clock that runs a hundred times as fast as ours."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        taker = Taker(bench.store.spool, bench.clock, intake_limits(bench.settings))
        readers = SourceReaders(
            bench.record_sources,
            taker,
            bench.store.quarantine,
            bench.clock,
            limits=client_limits(bench.settings),
            rules=HistoryRules(),
            report=bench.incidents.record,
        )
        self.worker = SourceWorker(bench.record_sources, readers, bench.clock, bench.incidents.record)

    async def until(self, holds: Callable[[], bool]) -> None:
        for _ in range(500):
            if holds():
                return
            self.bench.clock.advance(timedelta(seconds=1))
            await asyncio.sleep(0.01)
        raise AssertionError("it never came to hold")

    def taken(self) -> int:
        return len(self.bench.store.spool.waiting())

    def problem(self, name: str) -> str | None:
        return self.bench.record_sources.get(name).problem


@pytest.fixture
async def loop(bench: Bench) -> AsyncIterator[Loop]:
    made = Loop(bench)
    async with running(made):
        yield made


@asynccontextmanager
async def running(loop: Loop) -> AsyncIterator[None]:
    task = asyncio.create_task(loop.worker.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def drop(bench: Bench, name: str = "drop") -> Path:
    folder = bench.home / name
    folder.mkdir()
    bench.record_sources.add(name, "folder", SourceSettings(location=str(folder)))
    return folder


async def test_sources_that_are_added_while_it_runs_are_read(loop: Loop) -> None:
    (drop(loop.bench) / "a.ndjson").write_bytes(ndjson([ONE]))
    await loop.until(lambda: loop.taken() == 1)
    await loop.until(lambda: loop.bench.record_sources.get("drop").read_at is not None)
    assert loop.problem("drop") is None


async def test_a_source_that_fails_stops_no_other_and_says_what_is_wrong(loop: Loop) -> None:
    sources = loop.bench.record_sources
    sources.add("broken", "folder", SourceSettings(location=str(loop.bench.home / "not-there")))
    settings = SourceSettings(location="http://127.0.0.1:9", token="very-secret")
    sources.add("unreachable", "cdr_stream", settings)
    folder = drop(loop.bench)
    (folder / "a.ndjson").write_bytes(ndjson([ONE]))
    await loop.until(lambda: loop.taken() == 1)
    await loop.until(lambda: loop.problem("broken") is not None and loop.problem("unreachable") is not None)
    (folder / "b.ndjson").write_bytes(ndjson([TWO]))
    await loop.until(lambda: loop.taken() == 2)
    told = [one.what for one in loop.bench.incidents.latest()]
    assert len([what for what in told if what.startswith("source broken: ")]) == 1
    assert "very-secret" not in "".join(told)
    (loop.bench.home / "not-there").mkdir()
    await loop.until(lambda: loop.problem("broken") is None)


async def test_a_change_counts_while_it_runs(loop: Loop) -> None:
    sources, folder = loop.bench.record_sources, drop(loop.bench)
    await loop.until(lambda: sources.get("drop").read_at is not None)
    sources.change("drop", SourceSettings(active=False))
    for _ in range(20):
        loop.bench.clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0.01)
    (folder / "a.ndjson").write_bytes(ndjson([{**ONE, "Org UUID": ""}]))
    for _ in range(20):
        loop.bench.clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0.01)
    assert loop.taken() == 0
    sources.change("drop", SourceSettings(active=True, org_id=ORG))
    await loop.until(lambda: loop.taken() == 1)


async def test_a_followed_file_goes_on_where_the_last_process_ended(bench: Bench) -> None:
    master = bench.home / "Master.csv"
    lines = MASTER.splitlines(keepends=True)
    master.write_bytes(b"".join(lines[:2]))
    settings = SourceSettings(location=str(master), format="asterisk", org_id=ORG)
    bench.record_sources.add("pbx", "follow", settings)

    def read_to_its_end() -> bool:
        return f'"offset":{master.stat().st_size},' in bench.record_sources.get("pbx").cursor

    for _ in range(2):
        loop = Loop(bench)
        async with running(loop):
            await loop.until(read_to_its_end)
        master.write_bytes(MASTER)
    assert loop.taken() == 2
    assert bench.store.loader.drain().added == 15


# --- the commands ---

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, empty_database: Path) -> Run:
    """Runs a command on a home folder of its own, as a process of its own would; examples are of any age."""
    home = home_in(tmp_path / "home", empty_database)
    believed = {"record_max_age_days": 36_500, "record_max_ahead_minutes": 10_000_000}

    def run_command(*arguments: str, stdin: str | None = None) -> Result:
        context = Context(read_settings({}, home=home, disk_reserve_bytes=0, **believed))
        with capture_logs():
            result = CliRunner().invoke(app, ["source", *arguments], obj=context, input=stdin)
        context.close()
        if isinstance(result.exception, CdrelayError):
            raise result.exception
        return result

    return run_command


def data(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_folder_is_set_up_and_read_once_by_command(run: Run, tmp_path: Path) -> None:
    folder, rules = tmp_path / "drop", tmp_path / "rules.csv"
    folder.mkdir()
    rules.write_text(f"accountcode,acme,{ORG}\n")
    given = ("--kind", "folder", "--location", str(folder), "--format", "asterisk", "--org-map", str(rules))
    assert data(run("add", "drop", *given, "--json"))["rules"] == 1
    (folder / "Master.csv").write_bytes(MASTER.replace(b'"beta"', b'"nobodys"'))
    assert data(run("read-once", "drop", "--json")) == {"accepted": 11, "refused": 2}
    assert data(run("read-once", "drop", "--json")) == {"accepted": 0, "refused": 0}
    (listed,) = data(run("list", "--json"))
    assert (listed["name"], listed["kind"], listed["problem"]) == ("drop", "folder", None)
    assert listed["read_at"]


def test_a_token_comes_from_a_file_and_is_never_shown(run: Run) -> None:
    given = ("--kind", "cdr_stream", "--location", API, "--token-file", "-", "--since", "2026-11-24T10:00")
    added = run("add", "carrier", *given, "--json", stdin="very-secret\n")
    assert data(added)["cursor"] == "2026-11-24T10:00:00.000Z"
    listed = run("list", "--json")
    assert "very-secret" not in added.output + listed.output + run("list").output


def test_what_was_refused_is_listed_without_the_records(run: Run, tmp_path: Path) -> None:
    master = tmp_path / "Master.csv"
    master.write_bytes(b'"acme","1001"\n')
    run("add", "pbx", "--kind", "follow", "--location", str(master), "--format", "asterisk")
    assert data(run("read-once", "pbx", "--json")) == {"accepted": 0, "refused": 1}
    (refused,) = data(run("refused", "--json"))
    assert (refused["source"], refused["field"]) == ("pbx", "columns")
    run("set", "pbx", "--inactive")
    assert data(run("list", "--json"))[0]["active"] is False
    run("remove", "pbx")
    assert data(run("list", "--json")) == []


def test_what_is_pushed_cannot_be_read(run: Run) -> None:
    run("add", "pbx", "--kind", "push", "--format", "freeswitch")
    with pytest.raises(RecordSourceRefused, match="pushed"):
        run("read-once", "pbx")


def test_a_map_that_cannot_be_read_is_told(run: Run, tmp_path: Path) -> None:
    result = run("add", "pbx", "--kind", "push", "--org-map", str(tmp_path / "none.csv"))
    assert result.exit_code == 2


def test_a_place_that_is_not_there_yet_is_told(run: Run, tmp_path: Path) -> None:
    result = run("add", "drop", "--kind", "folder", "--location", str(tmp_path / "later"))
    assert (result.exit_code, "not there yet" in result.stderr) == (0, True)
