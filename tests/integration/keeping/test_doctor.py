"""Each thing that can be wrong is broken in a real home, and the doctor names it and says what to do."""

import asyncio
import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import update

from cdrelay.clock import ManualClock, SystemClock
from cdrelay.collector.sources import SourceChange
from cdrelay.control.tables import record_sources, sources
from cdrelay.doctor.checks import examine_all
from cdrelay.doctor.findings import Examined, Finding, worst
from cdrelay.lake.spool import Envelope
from cdrelay.settings import look_at_settings
from tests.integration.keeping.used_home import UsedHome, contents
from tests.support.process import free_port
from tests.support.provider import Provider, Trouble
from tests.support.tls import write_certificate


def examined(home: Path, **how: object) -> list[Finding]:
    settings, problems = look_at_settings({"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0"})
    given: dict[str, object] = {"settings": settings, "clock": SystemClock()} | how
    return list(examine_all(Examined(setting_problems=tuple(map(str, problems)), **given)))  # type: ignore[arg-type]


def wrong(home: Path, **how: object) -> list[Finding]:
    return [finding for finding in examined(home, **how) if finding.state != "ok"]


def only(home: Path, **how: object) -> Finding:
    (finding,) = wrong(home, **how)
    assert finding.advice
    assert not finding.page or (Path(__file__).parents[3] / finding.page.partition("#")[0]).exists(), finding.page
    return finding


def test_a_fresh_home_and_one_with_records_have_nothing_wrong(home: Path, tmp_path: Path) -> None:
    fresh = UsedHome(tmp_path / "fresh")
    assert wrong(fresh.home, deep=True) == []
    assert wrong(home, deep=True) == []
    fresh.close()
    assert wrong(fresh.home, deep=True, online=True) == []


def test_nothing_is_changed_by_looking(home: Path) -> None:
    before = contents(home)
    examined(home, deep=True)
    assert {path: content for path, content in contents(home).items() if path in before} == before


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no folder" in only(tmp_path / "nowhere").what
    assert not (tmp_path / "nowhere").exists()


def test_a_home_that_was_never_used_is_no_lost_one(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "settings.toml").touch()
    finding = only(tmp_path / "home")
    assert (finding.check, finding.state) == ("control database", "warning")
    assert "start cdrelay" in finding.advice
    (tmp_path / "home" / "collector" / "lake").mkdir(parents=True)
    assert "from a backup" in next(one for one in wrong(tmp_path / "home") if one.check == "control database").advice


def test_a_home_that_others_can_reach(home: Path) -> None:
    home.chmod(0o755)
    assert only(home).advice == f"chmod 700 {home}"


def test_a_key_that_others_can_read(home: Path) -> None:
    (home / "secret.key").chmod(0o644)
    assert only(home).state == "failed"


def test_a_key_that_is_gone_is_not_made_anew(home: Path) -> None:
    (home / "secret.key").unlink()
    assert only(home).check == "key"
    assert not (home / "secret.key").exists()


def test_a_key_that_is_none(home: Path) -> None:
    (home / "secret.key").write_text("no key")
    assert {finding.check for finding in wrong(home)} == {"key"}


def test_the_key_of_another_home(home: Path, tmp_path: Path) -> None:
    other = UsedHome(tmp_path / "other")
    other.close()
    shutil.copyfile(other.home / "secret.key", home / "secret.key")
    finding = only(home)
    assert "sources.secret" in finding.what
    assert finding.state == "failed"


def test_every_setting_that_is_wrong(home: Path) -> None:
    (home / "settings.toml").write_text('prot = 80\nengine_threads = "many"\nanswer_when = "later"\n')
    found = wrong(home)
    assert {finding.check for finding in found} == {"settings"}
    assert ["prot" in found[0].what, "engine_threads" in found[1].what, "answer_when" in found[2].what] == [True] * 3


def test_settings_that_are_no_toml(home: Path) -> None:
    (home / "settings.toml").write_text("port 80")
    assert only(home).check == "settings"


@pytest.mark.parametrize(("reserve", "state"), [(10**18, "failed"), (None, "warning")])
def test_a_disk_that_is_nearly_full(home: Path, reserve: int | None, state: str) -> None:
    settings, _ = look_at_settings({"CDRELAY_HOME": str(home)})
    reserve = reserve or shutil.disk_usage(home).free // 2
    finding = only(home, settings=replace(settings, disk_reserve_bytes=reserve))
    assert (finding.check, finding.state) == ("disk", state)


def test_a_clock_that_went_back(home: Path) -> None:
    finding = next(
        one
        for one in examined(home, clock=ManualClock(SystemClock().now() - timedelta(hours=1)))
        if one.check == "clock"
    )
    assert (finding.state, "NTP" in finding.advice) == ("failed", True)


def test_half_written_files_and_an_interrupted_backup(home: Path) -> None:
    part = home / "collector" / "spool" / "x.part"
    part.write_text("half")
    assert wrong(home) == []  # it may be written now
    hours_ago = (SystemClock().now() - timedelta(hours=2)).timestamp()
    os.utime(part, (hours_ago, hours_ago))
    assert "collector/spool/x.part" in only(home).what
    part.unlink()
    (home / "backup").mkdir()
    assert only(home).what == "a backup was interrupted"


def test_an_interrupted_restore(home: Path) -> None:
    (home / "restoring").mkdir()
    assert "restore" in only(home).what


def test_a_control_database_that_is_gone(home: Path) -> None:
    for path in home.glob("control.db*"):
        path.unlink()
    first = wrong(home)[0]
    assert (first.check, first.state) == ("control database", "failed")
    assert not (home / "control.db").exists()


def test_a_control_database_that_is_damaged(home: Path) -> None:
    with (home / "control.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)
    found = [finding for finding in wrong(home) if finding.check == "control database"]
    assert [finding.state for finding in found] == ["failed"]


@pytest.mark.parametrize(("version", "state"), [("0002", "warning"), ("9999", "failed")])
def test_a_control_database_of_another_version(home: Path, version: str, state: str) -> None:
    _execute(home, "UPDATE alembic_version SET version_num = ?", version)
    finding = only(home)
    assert (finding.check, finding.state) == ("schema", state)


def test_a_control_database_that_another_program_holds(home: Path) -> None:
    with closing(sqlite3.connect(home / "control.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert only(home).check == "write access"


@pytest.mark.parametrize("content", ["", '{"commitInfo":{"time'])
def test_a_torn_log_is_repaired_when_its_payload_still_waits(home: Path, content: str) -> None:
    used = UsedHome(home)
    used.spool_received(2)
    log = home / "collector" / "lake" / "_delta_log"
    (log / f"{3:020d}.json").write_text(content)
    finding = next(one for one in wrong(home) if one.check == "collector lake")
    assert (finding.state, "--repair" in finding.advice) == ("failed", True)
    assert (log / f"{3:020d}.json").exists()
    assert only(home, repair=True).state == "warning"
    assert wrong(home) == []
    used.close()
    again = UsedHome(home)
    assert again.collector.store.loader.drain().added == 2
    again.close()


def test_a_torn_log_whose_payload_has_gone_is_left_alone(home: Path) -> None:
    log = home / "collector" / "lake" / "_delta_log"
    newest = max(log.glob("*.json"))
    newest.write_text("")  # the load it tells of was receipted long ago
    finding = next(one for one in wrong(home, repair=True) if one.check == "collector lake")
    assert (finding.state, "reconcile" in finding.advice) == ("failed", True)
    assert newest.exists()


@pytest.mark.parametrize("name", ["00000000000000000000.json", "00000000000000000001.json"])
def test_a_log_that_cannot_be_read(home: Path, name: str) -> None:
    (home / "collector" / "lake" / "_delta_log" / name).write_text("{ broken")
    finding = only(home)
    assert (finding.check, finding.page) == ("collector lake", "docs/backup.md")


def test_a_log_that_is_gone_is_not_begun_anew(home: Path) -> None:
    shutil.rmtree(home / "collector" / "lake" / "_delta_log")
    assert only(home).check == "collector lake"
    assert not (home / "collector" / "lake" / "_delta_log").exists()


def _data_file(home: Path) -> Path:
    return next((home / "collector" / "lake").glob("*-*-*/*.parquet"))


def test_a_data_file_that_is_missing(home: Path) -> None:
    _data_file(home).unlink()
    assert "is missing" in only(home).what


def test_a_data_file_of_another_size(home: Path) -> None:
    with _data_file(home).open("ab") as file:
        file.write(b"more")
    assert "bytes instead of" in only(home).what


def test_a_data_file_that_is_damaged_inside_is_found_by_reading_it(home: Path) -> None:
    file = _data_file(home)
    size = file.stat().st_size
    file.write_bytes(b"PAR1" + b"\0" * (size - 8) + b"PAR1")
    assert wrong(home) == []
    assert "cannot be read" in only(home, deep=True).what


def test_a_column_that_is_damaged_is_found_though_ids_and_times_can_be_read(home: Path) -> None:
    file = _data_file(home)
    with duckdb.connect() as engine:
        begin, size = engine.execute(
            "SELECT coalesce(dictionary_page_offset, data_page_offset), total_compressed_size FROM parquet_metadata(?)"
            " WHERE path_in_schema = 'release_time'",
            [str(file)],
        ).fetchall()[0]
    with file.open("r+b") as damaged:
        damaged.seek(begin)
        damaged.write(b"\xff" * size)
    assert wrong(home) == []
    assert "cannot be read" in only(home, deep=True).what


def test_a_data_file_with_another_number_of_records_is_found_by_reading_it(home: Path) -> None:
    newest = max((home / "collector" / "lake" / "_delta_log").glob("*.json"))
    newest.write_text(newest.read_text().replace(r"\"numRecords\": 2", r"\"numRecords\": 3"))
    assert wrong(home) == []
    assert "has 2 records instead of 3" in only(home, deep=True).what


def test_records_that_are_stored_twice_are_found_by_reading_them(home: Path) -> None:
    used = UsedHome(home)
    table = used.collector.store.table
    log = home / "collector" / "lake" / "_delta_log" / f"{table.snapshot().version + 1:020d}.json"
    last = max((home / "collector" / "lake" / "_delta_log").glob("*.json"))
    add = next(json.loads(line) for line in last.read_text().splitlines() if '"add"' in line)
    old = home / "collector" / "lake" / add["add"]["path"]
    twin = old.with_name(f"{old.name[:10]}-twin.parquet")
    shutil.copyfile(old, twin)
    add["add"]["path"] = f"{twin.parent.name}/{twin.name}"
    log.write_text(json.dumps(add) + "\n")
    used.close()
    assert wrong(home) == []
    assert "2 records are stored more than once" in only(home, deep=True).what


def test_the_keys_of_an_encrypted_lake_are_looked_for(tmp_path: Path) -> None:
    used = UsedHome(tmp_path / "home", CDRELAY_ENCRYPT_LAKE="true")
    used.use()
    used.close()
    assert wrong(used.home, deep=True) == []
    assert any("encrypted" in finding.what for finding in examined(used.home))
    (used.home / "collector" / "lake.keys").unlink()
    assert "encrypted" in only(used.home).what


def test_payloads_that_wait_too_long_and_those_that_are_damaged(home: Path) -> None:
    used = UsedHome(home)
    envelope = Envelope(id="old", source="webex", channel="webhook", received=used.now() - timedelta(hours=1))
    used.collector.store.spool.put(envelope, b"{}")
    used.close()
    finding = only(home)
    assert (finding.state, finding.advice) == ("warning", "start the collector")
    waiting = next((home / "collector" / "spool").glob("*.payload"))
    waiting.write_bytes(b"no envelope\n")
    assert "damaged" in only(home).what
    waiting.rename(waiting.with_suffix(".damaged"))
    assert "damaged" in only(home).what
    assert "`cdrelay reconcile` fetches" in only(home).advice


def test_a_damaged_payload_of_the_publisher_is_nobody_elses_to_fetch(home: Path) -> None:
    damaged = home / "publisher" / "spool" / "20260101T000000000000-a.damaged"
    damaged.write_bytes(b"no envelope\n")
    finding = only(home)
    assert (finding.check, finding.state) == ("publisher spool", "failed")
    assert "hand them in again" in finding.advice


def test_what_the_publisher_put_into_quarantine_is_looked_at_by_its_own_command(home: Path) -> None:
    (home / "publisher" / "quarantine" / "x.ndjson").write_text("{}\n")
    assert only(home).advice == "look at them: `cdrelay publisher source refused`"


def test_records_in_quarantine_and_bodies_put_aside(home: Path) -> None:
    (home / "collector" / "quarantine" / "x.ndjson").write_text("{}\n")
    assert only(home).check == "collector quarantine"
    (home / "collector" / "quarantine" / "x.ndjson").unlink()
    (home / "collector" / "aside").mkdir(exist_ok=True)
    (home / "collector" / "aside" / "x.payload").write_text("{}\n")
    assert only(home).check == "collector aside"


def test_the_body_of_a_pending_delivery_that_is_gone(home: Path) -> None:
    next((home / "publisher" / "outbox").glob("*.json.zst")).unlink()
    finding = only(home)
    assert (finding.state, "send-again" in finding.advice) == ("failed", True)


def test_deliveries_that_have_been_pending_for_long(home: Path) -> None:
    _execute(home, "UPDATE deliveries SET window_end = datetime(window_end, '-3 hours') || '.000000'")
    assert "wait, the oldest" in only(home).what


def test_windows_that_are_not_cut(home: Path) -> None:
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    _execute(home, "INSERT INTO cuts (tick, cutoff, load_seq) VALUES (?, ?, 1)", hour_ago, hour_ago)
    finding = only(home)
    assert (finding.check, finding.state, finding.advice) == ("windows", "warning", "start the publisher")
    with (home / "publisher.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        finding = only(home)
    assert (finding.check, finding.state) == ("windows", "failed")


def test_windows_that_lie_ahead_of_the_clock(home: Path) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    _execute(home, "INSERT INTO cuts (tick, cutoff, load_seq) VALUES (?, ?, 1)", tomorrow, tomorrow)
    finding = only(home)
    assert (finding.check, finding.state) == ("windows", "failed")
    assert "cdrelay publisher set-back" in finding.advice


def test_removal_by_age_that_waits_for_a_clock_that_leapt(home: Path) -> None:
    at = [(datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S.%f") for days in (-9, 0, 1, -1)]
    insert = "INSERT OR REPLACE INTO clock_seen (id, seen_at, leapt_from, leapt_to, until) VALUES (1, ?, ?, ?, ?)"
    _execute(home, insert, at[1], at[0], at[1], at[2])
    finding = only(home)
    assert (finding.check, finding.state) == ("removal by age", "warning")
    assert "--clock-is-right" in finding.advice
    _execute(home, insert, at[3], at[0], at[0], at[3])
    assert wrong(home) == []


def test_a_webhook_whose_secret_cannot_be_read_is_named_by_its_partner(home: Path) -> None:
    _execute(home, "INSERT INTO partners (id, name, created_at) VALUES ('p', 'Unheard', '2026-01-01 00:00:00.000000')")
    columns = "partner_id, url, secret, resource_type, active, created_at"
    values = "'p', 'https://callback.example/', x'00', 'analytics', 1, '2026-01-01 00:00:00.000000'"
    _execute(home, f"INSERT INTO webhooks ({columns}) VALUES ({values})")  # noqa: S608  # nobody else's text
    by_partner, by_column = wrong(home)
    assert "nothing is sent to Unheard" in by_partner.what
    assert "--replace" in by_partner.advice
    assert "webhooks.secret" in by_column.what


@pytest.fixture
def opened(home: Path) -> Iterator[UsedHome]:
    """The same home, opened."""
    used = UsedHome(home)
    yield used
    used.close()


@pytest.mark.parametrize(
    ("values", "page"),
    [
        (lambda now: {"token_problem": "HTTP 400"}, "token-expiring"),
        (lambda now: {"token_expires_at": now + timedelta(days=1)}, "token-expiring"),
        (lambda now: {"created_at": now - timedelta(days=3), "api": "http://127.0.0.1", "token": b""}, "near-edge"),
    ],
)
def test_sources_whose_records_are_in_danger(
    opened: UsedHome, values: Callable[..., dict[str, object]], page: str
) -> None:
    with opened.foundation.database.write() as connection:
        given = values(opened.now())
        if "token" in given:
            given["token"] = opened.foundation.secrets.seal("a-token")
        connection.execute(update(sources).values(given))
    assert page in only(opened.home).page


def test_alarms_that_stand(opened: UsedHome) -> None:
    opened.collector.alarms.raise_("source-silent", "webex", "webex has delivered nothing.")
    assert only(opened.home).page == "docs/operations/source-silent.md"


def test_a_source_of_records_with_a_problem(opened: UsedHome, tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    row = {
        "name": "drop",
        "kind": "folder",
        "format": "record",
        "location": str(tmp_path / "drop"),
        "org_map": "",
        "time_zone": "",
        "cursor": "",
        "active": True,
        "created_at": opened.now(),
        "problem": "the folder cannot be read",
    }
    with opened.foundation.database.write() as connection:
        connection.execute(record_sources.insert().values(row))
    assert only(opened.home).what == "the folder cannot be read"

    def said(**values: object) -> str:
        with opened.foundation.database.write() as connection:
            connection.execute(record_sources.update().values(problem=None, **values))
        return next(one.what for one in examined(opened.home) if one.check == "source drop")

    assert said() == "not read so far"
    assert said(read_at=datetime(2026, 11, 24, 12, tzinfo=UTC)) == "last read at 2026-11-24 12:00:00 UTC"
    assert said(kind="push") == "what is posted to it is taken"


async def test_a_provider_is_asked_when_that_is_wanted(opened: UsedHome) -> None:
    async with Provider(SystemClock()) as provider:
        opened.collector.sources.change("webex", SourceChange(api=provider.base, token=provider.token))
        status, found = await _in_a_process(opened.home)
        assert provider.requests == []
        status, found = await _in_a_process(opened.home, "--online")
        assert len(provider.requests) == 1
        assert (status, worst(found)) == (0, "ok")
        provider.troubles.append(Trouble(400, "{}", {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}))
        _, found = await _in_a_process(opened.home, "--online")
        assert any("this machine's clock is" in one.what and one.state == "failed" for one in found)
        provider.token = "another"
        status, found = await _in_a_process(opened.home, "--online")
    (finding,) = [one for one in found if one.state != "ok"]
    assert (status, finding.check, finding.state) == (2, "provider of webex", "failed")
    assert "partner-token" not in repr(found)


async def _in_a_process(home: Path, *options: str) -> tuple[int, list[Finding]]:
    return await asyncio.to_thread(_run, home, *options)


def _run(home: Path, *options: str) -> tuple[int, list[Finding]]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("CDRELAY_")}
    environment = own | {"CDRELAY_DISK_RESERVE_BYTES": "0"}
    command = [sys.executable, "-m", "cdrelay", "--home", str(home), "doctor", "--json", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, [Finding(**one) for one in json.loads(done.stdout)["findings"]]


def test_the_exit_status_says_how_it_is_also_with_settings_that_nothing_else_starts_with(home: Path) -> None:
    home.chmod(0o755)
    assert _run(home)[0] == 1
    (home / "settings.toml").write_text("nonsense = 1")
    status, found = _run(home)
    assert status == 2
    assert any("nonsense" in finding.what for finding in found)


@pytest.mark.parametrize(("days", "state"), [(1, "failed"), (None, "warning"), (36_500, "ok")])
def test_the_certificate_and_its_end(home: Path, tmp_path: Path, days: int | None, state: str) -> None:
    left = (SystemClock().now().date() - SystemClock().now().date().replace(year=2020, month=1, day=1)).days + 10
    file = write_certificate(tmp_path, days=days or left)
    settings, _ = look_at_settings({"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0"})
    found = examined(home, settings=replace(settings, tls_certificate_file=str(file)))
    assert [finding.state for finding in found if finding.check == "certificate"] == [state]


def test_a_certificate_that_is_none_and_a_mail_server_that_does_not_answer(home: Path, tmp_path: Path) -> None:
    settings, _ = look_at_settings({"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0"})
    settings = replace(
        settings,
        tls_certificate_file=str(tmp_path / "none.pem"),
        mail_server=f"127.0.0.1:{free_port()}",
        mail_from="cdrelay@example.com",
        mail_user="ada",
        mail_password="a-password-for-mail",
    )
    found = wrong(home, settings=settings, online=True)
    assert [finding.check for finding in found] == ["certificate", "mail"]
    assert "a-password-for-mail" not in repr(found)


def _execute(home: Path, sql: str, *values: str) -> None:
    with closing(sqlite3.connect(home / "control.db")) as connection, connection:
        connection.execute(sql, values)
