"""A start changes nothing of a home that lost what it cannot make again, and says what to do."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cdrelay.cli import lake
from cdrelay.cli.context import Context
from cdrelay.clock import SystemClock
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.doctor.checks import examine_all
from cdrelay.doctor.findings import Examined
from cdrelay.lake.gone import LakeThere
from cdrelay.lake.log_repair import LakeUnreadable
from cdrelay.lake.spool import Spool
from cdrelay.lake.table import RecordTable
from cdrelay.lake.upkeep import compact
from cdrelay.settings import read_settings
from cdrelay.wiring import claim_roles, open_foundation
from cdrelay.wiring.erasing import open_eraser
from cdrelay.wiring.foundation import RoleTaken
from cdrelay.wiring.keeping import halves_to_copy
from cdrelay.wiring.living import keys_for_reading
from tests.integration.keeping.used_home import UsedHome, contents


def lake_of(home: Path) -> Path:
    return home / "collector" / "lake"


def newest_entry(home: Path) -> Path:
    return max((lake_of(home) / "_delta_log").glob("*.json"))


def require_refused(home: Path, match: str) -> None:
    """Neither a start nor a repair changes anything of the lake, and both say that it failed."""
    before = contents(lake_of(home))
    with pytest.raises(LakeUnreadable, match=match):
        UsedHome(home)
    settings = read_settings({"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0"})
    findings = list(examine_all(Examined(settings, SystemClock(), repair=True)))
    assert [one.state for one in findings if one.check == "collector lake"] == ["failed"]
    assert contents(lake_of(home)) == before


@pytest.mark.parametrize("rotten", [b"", b"\0" * 900, b'{"commitInfo":{"timest'], ids=["empty", "zeros", "half"])
def test_a_load_whose_payloads_are_gone_does_not_go_with_its_rotten_log(home: Path, rotten: bytes) -> None:
    newest_entry(home).write_bytes(rotten)
    require_refused(home, "cdrelay doctor")


def test_nor_does_it_where_other_payloads_wait(home: Path) -> None:
    used = UsedHome(home)
    used.spool_received(2)
    used.close()
    newest_entry(home).write_bytes(b"")
    require_refused(home, "payloads")


def test_a_merge_whose_old_files_are_deleted_does_not_go_with_its_rotten_log(home: Path) -> None:
    """Another engine may have deleted them; ours writes into the log that it did."""
    used = UsedHome(home)
    table = used.collector.store.table
    old = table.absolute(table.snapshot().files)
    compact(table, used.collector.store.engine, many=2)
    used.close()
    for path in old:
        Path(path).unlink()
    newest_entry(home).write_bytes(b"")
    require_refused(home, "no longer there")


def test_what_a_power_cut_left_is_mended_though_repeated_payloads_were_receipted_since(home: Path) -> None:
    """Such a payload has the number of a load that was not committed, for there was nothing to commit."""
    used = UsedHome(home)
    store = used.collector.store
    used.spool_received(1)
    body = Spool.open(store.spool.waiting()[0]).body()
    store.loader.drain()
    used.deliver_to(lambda envelope, _: store.spool.put(envelope, body), 0, "webhook")
    assert store.loader.drain().repeated == 1
    used.spool_received(2)
    used.close()
    entry = newest_entry(home)
    entry.with_name(f"{int(entry.stem) + 1:020d}.json").write_bytes(b"")

    again = UsedHome(home)
    assert again.collector.store.loader.drain().added == 2
    again.close()


def test_who_moves_the_rotten_file_away_goes_on_without_the_load(home: Path, tmp_path: Path) -> None:
    newest_entry(home).rename(tmp_path / "rotten.json")
    used = UsedHome(home)
    assert used.collector.store.lake.total() == 3
    used.close()


@pytest.mark.parametrize("gone", ["missing", "empty"])
def test_records_without_a_log_are_not_taken_for_a_new_lake(home: Path, gone: str) -> None:
    log = lake_of(home) / "_delta_log"
    shutil.rmtree(log)
    if gone == "empty":
        log.mkdir()
    require_refused(home, "backup")


def test_a_backup_does_not_leave_out_a_half_whose_log_is_gone(home: Path) -> None:
    shutil.rmtree(lake_of(home) / "_delta_log")
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home)}))
    with pytest.raises(LakeUnreadable):
        halves_to_copy(foundation)
    foundation.close()


def test_a_key_that_is_gone_is_not_made_anew_while_there_are_secrets(home: Path, tmp_path: Path) -> None:
    (home / "secret.key").rename(tmp_path / "secret.key")
    with pytest.raises(SecretUnreadable, match=r"secret\.key is gone.*backup"):
        UsedHome(home)
    assert not (home / "secret.key").exists()
    (tmp_path / "secret.key").rename(home / "secret.key")
    UsedHome(home).close()


def test_nor_while_a_lake_has_keys(tmp_path: Path) -> None:
    home, encrypted = tmp_path / "home", {"CDRELAY_ENCRYPT_LAKE": "true"}
    UsedHome(home, **encrypted).close()
    (home / "secret.key").unlink()
    with pytest.raises(SecretUnreadable, match=r"secret\.key is gone"):
        UsedHome(home)
    with pytest.raises(SecretUnreadable, match=r"secret\.key is gone"):
        keys_for_reading(read_settings({"CDRELAY_HOME": str(home)}), "collector")
    assert not (home / "secret.key").exists()


def test_nor_while_erased_persons_are_known_by_it(tmp_path: Path) -> None:
    used = UsedHome(tmp_path / "home")
    with used.foundation.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO erasures VALUES ('e', '2026-11-24', NULL, '', 1, NULL)")
        connection.exec_driver_sql("INSERT INTO erased_keys VALUES ('e', 'hash')")
    used.close()
    (used.home / "secret.key").unlink()
    with pytest.raises(SecretUnreadable, match=r"secret\.key is gone"):
        UsedHome(used.home)


def test_a_home_without_any_secret_gets_a_new_key(tmp_path: Path) -> None:
    UsedHome(tmp_path / "home").close()
    (tmp_path / "home" / "secret.key").unlink()
    UsedHome(tmp_path / "home").close()
    assert (tmp_path / "home" / "secret.key").exists()


@pytest.fixture(params=["lake", "half", "content"])
def unmounted(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> tuple[Path, Path]:
    """What a disk held that is not mounted, and where: the lake, all of the half, or the lake in a mount point."""
    lost = home / "collector" if request.param == "half" else lake_of(home)
    lost.rename(tmp_path / "unmounted")
    if request.param == "content":
        lost.mkdir()
        (lost / "lost+found").mkdir()
    return tmp_path / "unmounted", lost


def test_a_lake_that_is_gone_is_not_begun_anew(home: Path, unmounted: tuple[Path, Path]) -> None:
    before = contents(home / "collector")
    with pytest.raises(LakeUnreadable, match=r"lake of the collector is gone.*begin-anew --half collector"):
        UsedHome(home)
    settings = read_settings({"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0"})
    finding = next(one for one in examine_all(Examined(settings, SystemClock())) if one.check == "collector lake")
    assert (finding.state, "mount its disk" in finding.advice) == ("failed", True)
    foundation = open_foundation(settings)
    with pytest.raises(LakeUnreadable):
        halves_to_copy(foundation)
    with pytest.raises(LakeUnreadable):
        open_eraser(foundation)
    foundation.close()
    assert contents(home / "collector") == before

    disk, place = unmounted
    shutil.rmtree(place, ignore_errors=True)
    disk.rename(place)
    used = UsedHome(home)
    assert used.collector.store.lake.total() == 5
    used.close()


def test_the_publisher_refuses_too_and_a_home_without_loads_does_not(home: Path, tmp_path: Path) -> None:
    shutil.rmtree(home / "publisher" / "lake")
    with pytest.raises(LakeUnreadable, match="lake of the publisher is gone"):
        UsedHome(home)
    UsedHome(tmp_path / "fresh").close()
    shutil.rmtree(tmp_path / "fresh" / "publisher")
    UsedHome(tmp_path / "fresh").close()


def test_begun_anew_on_purpose_loads_are_numbered_on(home: Path) -> None:
    """A late record would else be taken for one that was sent before the cut."""
    used = UsedHome(home)
    before = used.publisher.store.lake.last_load()
    used.close()
    assert lake_command(home, "begin-anew", "--half", "publisher", "--yes").exit_code == 1
    shutil.rmtree(home / "publisher" / "lake")
    refused = lake_command(home, "begin-anew", "--half", "publisher", stdin="n\n")
    assert (refused.exit_code, (home / "publisher" / "lake").exists()) == (1, False)
    assert lake_command(home, "begin-anew", "--half", "publisher", "--yes").exit_code == 0

    used = UsedHome(home)
    used.deliver_to(used.publisher.store.spool.put, 2, "intake")
    used.publisher.store.loader.drain()
    assert (used.publisher.store.lake.total(), used.publisher.store.lake.last_load()) == (2, before + 1)
    used.close()
    assert isinstance(lake_command(home, "begin-anew", "--half", "publisher", "--yes").exception, LakeThere)


def test_an_interrupted_beginning_is_finished_by_the_same_command(home: Path) -> None:
    shutil.rmtree(lake_of(home))
    RecordTable(lake_of(home))
    assert lake_command(home, "begin-anew", "--half", "collector", "--yes").exit_code == 0
    used = UsedHome(home)
    assert used.collector.store.lake.last_load() == 2
    used.close()


def test_a_lake_is_not_begun_beside_a_process_that_uses_it(home: Path) -> None:
    shutil.rmtree(lake_of(home))
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home)}))
    claim_roles(foundation, ["collector"])
    done = lake_command(home, "begin-anew", "--half", "collector", "--yes")
    assert isinstance(done.exception, RoleTaken)
    foundation.close()


def lake_command(home: Path, *words: str, stdin: str = "") -> Result:
    context = Context(read_settings({"CDRELAY_HOME": str(home)}))
    try:
        return CliRunner().invoke(lake.app, words, input=stdin, obj=context)
    finally:
        context.close()


@pytest.mark.parametrize("lost", ["gone", "empty"])
def test_a_control_database_that_is_gone_or_empty_is_not_made_anew(home: Path, lost: str) -> None:
    """It would know no source and no partner."""
    settings = read_settings({"CDRELAY_HOME": str(home)})
    for file in home.glob("control.db*"):
        file.unlink()
    if lost == "empty":
        (home / "control.db").touch()
    before = contents(home)
    with pytest.raises(DatabaseUnavailable, match=rf"control\.db is {lost}, .*backup"):
        open_foundation(settings)
    assert contents(home) == before
