"""Backups of a real home, read back and restored."""

import io
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Thread

import duckdb
import msgspec
import pytest

from cdrelay.backup.manifest import NAME, BackupBroken, BackupFailed, decode, never_changes
from cdrelay.backup.reading import verify
from cdrelay.backup.restoring import RESTORING, RestoreRefused, restore
from cdrelay.backup.snapshot import STAGING, HalfToCopy, home_state
from cdrelay.backup.writing import tar_file, write_tar
from cdrelay.lake.snapshot import Snapshot
from cdrelay.lake.spool import Spool
from cdrelay.lake.table import RecordTable
from cdrelay.lake.upkeep import compact
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation
from cdrelay.wiring.keeping import halves_to_copy, installation_of
from tests.integration.keeping.used_home import UsedHome, contents

# What of a home is in no backup: it belongs to processes, or is made anew.
LEFT_OUT = {
    "control.db-wal": "copied into the database",
    "control.db-shm": "copied into the database",
    "backup.lock": "a lock",
    "publisher/lake/_loader.lock": "a lock",
    "collector/lake/_loader.lock": "a lock",
    "publisher/outbox/tick.lock": "a lock",
}


@pytest.fixture
def backup(used: UsedHome, tmp_path: Path) -> Path:
    """A backup of it in a folder."""
    used.back_up(tmp_path / "backup")
    return tmp_path / "backup"


def tar_of(used: UsedHome, target: Path) -> Path:
    with used.state() as state, tar_file(target) as stream:
        write_tar(state, used.about(lakes=state.lakes), stream, lambda size: None)
    return target


def into_tar(used: UsedHome, folder: Path) -> Path:
    return tar_of(used, folder / "backup.tar")


def into_folder(used: UsedHome, folder: Path) -> Path:
    used.back_up(folder / "backup")
    return folder / "backup"


WAYS = pytest.mark.parametrize("way", [into_folder, into_tar], ids=["folder", "tar"])
Way = Callable[[UsedHome, Path], Path]


@WAYS
def test_a_restored_home_has_all_that_the_home_had(used: UsedHome, tmp_path: Path, way: Way) -> None:
    used.spool_received(1)
    source = way(used, tmp_path)

    restore(source, tmp_path / "new", installation_of)

    before, after = contents(used.home), contents(tmp_path / "new")
    assert before.keys() - after.keys() == LEFT_OUT.keys() & before.keys()
    assert after.keys() <= before.keys()
    assert {path for path in after if after[path] != before[path]} <= {"control.db"}
    new = UsedHome(tmp_path / "new")
    try:
        assert new.collector.store.lake.total() == 5
        assert new.collector.store.loader.drain().added == 1
        assert new.publisher.store.lake.total() == 2
        assert new.collector.sources.get("webex").secret == "a-secret-of-a-source"
        (delivery,) = new.publisher.outbox.latest()
        assert new.publisher.outbox.read_body(delivery.id) == b'{"items":[]}'
    finally:
        new.close()


@WAYS
def test_a_restored_home_is_its_owners_alone(used: UsedHome, tmp_path: Path, way: Way) -> None:
    source = way(used, tmp_path)
    assert source.stat().st_mode & 0o077 == 0
    restore(source, tmp_path / "new", installation_of)
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / "secret.key").stat().st_mode & 0o077 == 0


@WAYS
def test_a_backup_says_that_it_is_whole_and_leaves_nothing_in_the_home(
    used: UsedHome, tmp_path: Path, way: Way
) -> None:
    checked = verify(way(used, tmp_path))
    assert checked.problems == ()
    assert {half: lake.records for half, lake in checked.manifest.lakes.items()} == {"publisher": 2, "collector": 5}
    assert not (used.home / STAGING).exists()


def test_every_file_that_is_changed_or_gone_is_found(backup: Path, tmp_path: Path) -> None:
    manifest = decode((backup / NAME).read_bytes())
    for number, path in enumerate(sorted(backup.rglob("*.*"))):
        if not path.is_file() or path.name in (NAME, ".lock"):
            continue
        other = tmp_path / f"copy{number}"
        shutil.copytree(backup, other)
        broken = other / path.relative_to(backup)
        broken.write_bytes(broken.read_bytes()[:-1] + b"?")
        assert len(verify(other).problems) == 1, path
        broken.unlink()
        assert "is missing" in verify(other).problems[0], path
    assert number >= len(manifest.files) > 10


def test_a_broken_backup_is_not_restored_and_the_home_stays_empty(backup: Path, tmp_path: Path) -> None:
    next(backup.rglob("*.parquet")).write_bytes(b"PAR1")
    with pytest.raises(BackupBroken, match=r"parquet differs from the manifest"):
        restore(backup, tmp_path / "new", installation_of)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_tar_that_was_cut_off_is_none(used: UsedHome, tmp_path: Path) -> None:
    tar = tar_of(used, tmp_path / "backup.tar")
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])
    with pytest.raises(BackupBroken):
        verify(tar)
    with pytest.raises(BackupBroken):
        restore(tar, tmp_path / "new", installation_of)


@pytest.mark.parametrize("name", ["home/../../evil", "/evil", "home//evil", "evil"])
def test_a_tar_that_leads_out_of_the_home_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(BackupBroken):
        restore(tmp_path / "evil.tar", tmp_path / "new", installation_of)
    assert not list(tmp_path.rglob("evil"))


def test_a_link_in_a_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        member = tarfile.TarInfo("home/control.db")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(BackupBroken, match="is no file of a backup"):
        restore(tmp_path / "evil.tar", tmp_path / "new", installation_of)


def test_a_manifest_that_leads_out_of_the_backup_is_refused(backup: Path) -> None:
    manifest = decode((backup / NAME).read_bytes())
    outside = msgspec.structs.replace(manifest, folder="../elsewhere")
    (backup / NAME).write_bytes(msgspec.json.encode(outside))
    with pytest.raises(BackupBroken, match="leads out of its folder"):
        verify(backup)


def test_a_home_that_holds_anything_is_left_alone(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").write_text("mine")
    with pytest.raises(RestoreRefused, match="is not empty"):
        restore(backup, tmp_path / "new", installation_of)
    assert contents(tmp_path / "new") == {"notes.txt": b"mine"}


def test_nothing_starts_on_a_home_whose_restore_was_interrupted(backup: Path, tmp_path: Path) -> None:
    restore(backup, tmp_path / "new", installation_of)
    (tmp_path / "new" / RESTORING).mkdir()  # as a kill would leave it
    with pytest.raises(RestoreRefused, match="delete the folder and restore again"):
        open_foundation(read_settings({"CDRELAY_HOME": str(tmp_path / "new")}))
    with pytest.raises(RestoreRefused, match="was interrupted"):
        restore(backup, tmp_path / "new", installation_of)


def test_a_backup_without_the_key_needs_the_key_of_its_home(used: UsedHome, tmp_path: Path) -> None:
    used.back_up(tmp_path / "backup", with_key=False)
    assert not [path for path in contents(tmp_path / "backup") if path.endswith("secret.key")]
    with pytest.raises(RestoreRefused, match="--key-file"):
        restore(tmp_path / "backup", tmp_path / "new", installation_of)
    other = UsedHome(tmp_path / "other")
    other.close()
    with pytest.raises(RestoreRefused, match="is not that of the home"):
        restore(tmp_path / "backup", tmp_path / "new", installation_of, tmp_path / "other" / "secret.key")
    restore(tmp_path / "backup", tmp_path / "new", installation_of, used.home / "secret.key")
    assert (tmp_path / "new" / "secret.key").read_bytes() == (used.home / "secret.key").read_bytes()


def test_the_next_backup_copies_only_new_data_files(used: UsedHome, backup: Path) -> None:
    first = {path for path in contents(backup) if never_changes(path.removeprefix("files/"))}
    used.store_received(1)

    written = used.back_up(backup)

    data = {path for path in contents(backup) if path.endswith(".parquet") and path.startswith("files/")}
    assert len(data - first) == 1
    assert first < data
    copied = {file.path for file in written.manifest.files if not never_changes(file.path)}
    assert written.copied_files == len(copied) + 1
    assert verify(backup).problems == ()


def test_what_the_newest_backup_does_not_need_goes(used: UsedHome, backup: Path) -> None:
    sets = {path.split("/")[1] for path in contents(backup) if path.startswith("sets/")}
    with used.collector.store.loader.exclusively():
        assert compact(used.collector.store.table, used.collector.store.engine, many=2) == 2

    assert used.back_up(backup).pruned_files == 2

    assert len(list((backup / "files" / "collector").rglob("*.parquet"))) == 1
    assert sets.isdisjoint({path.split("/")[1] for path in contents(backup) if path.startswith("sets/")})
    assert verify(backup).problems == ()


def test_an_interrupted_backup_leaves_the_one_before_it(used: UsedHome, backup: Path) -> None:
    before = decode((backup / NAME).read_bytes())
    used.store_received(4)
    pieces: list[int] = []

    def killed(size: int) -> None:
        pieces.append(size)
        if len(pieces) == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        used.back_up(backup, progress=killed)
    checked = verify(backup)
    assert (checked.manifest, checked.problems) == (before, ())
    used.back_up(backup)
    assert verify(backup).problems == ()
    assert not list(backup.rglob("*.part"))


def test_a_tar_is_there_when_it_is_whole_and_not_before(used: UsedHome, tmp_path: Path) -> None:
    def killed(size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), used.state() as state, tar_file(tmp_path / "backup.tar") as stream:
        write_tar(state, used.about(), stream, killed)
    assert not list(tmp_path.glob("backup.tar*"))


def test_a_folder_that_holds_other_things_is_left_alone(used: UsedHome, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "letter.txt").write_text("dear")
    with pytest.raises(BackupFailed, match=r"letter\.txt"):
        used.back_up(tmp_path / "documents")


def test_the_backup_of_another_home_is_left_alone(used: UsedHome, backup: Path, tmp_path: Path) -> None:
    other = UsedHome(tmp_path / "other")
    with pytest.raises(BackupFailed, match="backup of another home"):
        other.back_up(backup)
    other.close()
    assert verify(backup).problems == ()


def test_one_backup_of_a_home_is_made_at_a_time(used: UsedHome, tmp_path: Path) -> None:
    with used.state(), pytest.raises(BackupFailed, match="is under way"), used.state():
        pass


def test_a_lake_that_lacks_a_file_is_no_new_backup(used: UsedHome, backup: Path) -> None:
    before = (backup / NAME).read_bytes()
    next((used.home / "collector" / "lake").rglob("*-*-*/*.parquet")).unlink()
    with pytest.raises(BackupFailed, match="doctor"):
        used.back_up(backup)
    assert (backup / NAME).read_bytes() == before


def test_a_load_beside_the_backup_is_in_the_lake_when_the_database_counts_it(used: UsedHome) -> None:
    @contextmanager
    def amid_loads(half: HalfToCopy) -> Iterator[None]:
        used.store_received(1)
        with half.exclusively():
            yield
        used.store_received(1)

    halves = [replace(half, exclusively=partial(amid_loads, half)) for half in halves_to_copy(used.foundation)]
    with home_state(used.home, halves, with_key=True) as state:
        known, stored = _payloads(state.folder / "control.db"), _stored(state.folder / "collector" / "lake")
    assert len(known) == 2
    assert known < stored


def test_a_payload_is_in_the_copied_spool_or_in_the_copied_lake_though_a_load_wants_to_take_it(used: UsedHome) -> None:
    payload = used.spool_received(1)
    load = Thread(target=used.collector.store.loader.drain)

    class Hurried(RecordTable):
        def snapshot(self) -> Snapshot:
            found = super().snapshot()
            if self.folder.parent.name == "collector" and load.ident is None:
                load.start()
                load.join(1)  # it has to wait
            return found

    table = Hurried(used.home / "collector" / "lake")
    publisher, collector = halves_to_copy(used.foundation)
    with home_state(used.home, [publisher, replace(collector, table=table)], with_key=True) as state:
        waiting = [Spool.open(path).envelope.id for path in (state.folder / "collector" / "spool").iterdir()]
        assert payload in {*waiting, *_stored(state.folder / "collector" / "lake")}
    load.join()


def test_no_window_is_written_between_the_copies_of_the_outbox_and_of_the_database(used: UsedHome) -> None:
    written: list[str] = []
    writer = Thread(target=lambda: written.append(used.add_delivery()))

    @contextmanager
    def at_the_same_time(alone: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
        with alone():
            writer.start()
            writer.join(0.3)
            assert written == []
            yield
            assert written == []

    publisher, collector = halves_to_copy(used.foundation)
    assert publisher.outbox_alone is not None
    publisher = replace(publisher, outbox_alone=partial(at_the_same_time, publisher.outbox_alone))
    with home_state(used.home, [publisher, collector], with_key=True) as state:
        assert len(_pending(state.folder / "control.db")) == 1
    writer.join()
    assert len(written) == 1


def test_no_copied_state_lacks_what_was_acknowledged_or_the_body_of_a_pending_delivery(used: UsedHome) -> None:
    acknowledged: list[str] = []
    stop = Event()

    def receive() -> None:
        while not stop.is_set():
            acknowledged.append(used.spool_received(1))

    def load() -> None:
        while not stop.is_set():
            used.collector.store.loader.drain()

    def deliver() -> None:
        outbox = used.publisher.outbox
        while not stop.is_set():
            delivery = used.add_delivery()
            with used.foundation.database.write() as connection:
                connection.exec_driver_sql("UPDATE deliveries SET state = 'delivered' WHERE id = ?", (delivery,))
            outbox.remove_body(delivery)

    threads = [Thread(target=one) for one in (receive, load, deliver)]
    for thread in threads:
        thread.start()
    try:
        loaded = spooled = 0
        for _ in range(12):
            before = list(acknowledged)
            with used.state() as state:
                waiting = [Spool.open(path).envelope.id for path in (state.folder / "collector" / "spool").iterdir()]
                known = _payloads(state.folder / "control.db")
                stored = _stored(state.folder / "collector" / "lake")
                assert set(before) <= set(waiting) | stored
                assert known <= stored
                assert _pending(state.folder / "control.db") <= {
                    path.name.removesuffix(".json.zst") for path in (state.folder / "publisher" / "outbox").iterdir()
                }
                loaded, spooled = loaded + len(known), spooled + len(waiting)
        assert loaded
        assert spooled
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _payloads(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM payloads WHERE half = 'collector'")}


def _pending(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM deliveries WHERE state = 'pending'")}


def _stored(lake: Path) -> set[str]:
    table = RecordTable(lake)
    files = table.absolute(table.snapshot().files)
    return {row[0] for row in duckdb.read_parquet(files).select("payload").distinct().fetchall()} if files else set()
