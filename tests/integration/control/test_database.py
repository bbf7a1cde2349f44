import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Thread

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, insert, inspect, select
from sqlalchemy.exc import IntegrityError, StatementError

from cdrelay.control.database import Database, DatabaseTooNew, DatabaseUnavailable
from cdrelay.control.tables import attempts, deliveries, grants, incidents, metadata, organizations, relations

MOMENT = datetime(2026, 11, 24, 17, 0, 0, 123_456, tzinfo=UTC)
INCIDENT = {"at": MOMENT, "part": "send", "what": "nothing of note"}
ORGANIZATION = {
    "org_uuid": "5c0f1b52-6c1e-4c6a-9d43-0b7f2f1d9a10",
    "name": "Harbour",
    "region": "",
    "created_at": MOMENT,
}


def _count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(incidents)).scalar_one()


@pytest.fixture
def locked(database: Database) -> Iterator[Database]:
    """The write lock is held on a connection of its own, as by another process."""
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield database


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Database]:
    """The file holds something else."""
    path = tmp_path / "control.db"
    path.write_bytes(b"this is no database, and it is long enough to be seen not to be one. " * 100)
    opened = Database(path, busy_milliseconds=1)
    yield opened
    opened.close()


def test_the_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_name_constraints_and_indexes_as_the_code_does(database: Database) -> None:
    with database.read() as connection:
        found = inspect(connection)
        made = {index["name"] for table in metadata.tables for index in found.get_indexes(table)}
        unique = {one["name"] for table in metadata.tables for one in found.get_unique_constraints(table)}
    assert made == {str(index.name) for table in metadata.tables.values() for index in table.indexes}
    assert unique == {"uq_administrators_email", "uq_deliveries_partner_id_tick_round_part", "uq_partners_name"}


def test_migrating_again_keeps_what_is_there(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(incidents).values(INCIDENT))
    database.migrate()
    assert _count(database) == 1


def test_what_an_older_release_wrote_stays_when_the_schema_changes(tmp_path: Path) -> None:
    database = Database(tmp_path / "old.db")
    database.migrate("0001")
    with closing(sqlite3.connect(database.path)) as old, old:
        old.execute("INSERT INTO partners VALUES ('p', 'Reseller', '2026-01-01')")
        old.execute("INSERT INTO organizations VALUES ('o', 'Harbour', '2026-01-01')")
        old.execute("INSERT INTO relations VALUES ('p', 'o')")
        old.execute(
            "INSERT INTO deliveries VALUES"
            " ('d', 'p', '2026-01-01', '2026-01-01', '2026-01-02', 1, 1, 7, 9, 'pending', 1, '2026-01-01', NULL)"
        )
        old.execute("INSERT INTO attempts VALUES ('d', 1, '2026-01-01', 5, 500, 'it answered 500', '')")
    database.migrate()
    with database.read() as connection:
        relation = connection.execute(select(relations)).one()
        delivery = connection.execute(select(deliveries)).one()
        assert connection.execute(select(attempts.c.status)).scalar_one() == 500
    assert (relation.partner_id, relation.org_uuid, relation.kind, relation.ends_at) == ("p", "o", "managed", None)
    assert relation.starts_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert (delivery.round, delivery.digest, delivery.records) == (0, "", 7)
    database.close()


def test_what_a_newer_release_wrote_is_left_as_it_is(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(incidents).values(INCIDENT))
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseTooNew, match="has version 9999, which this program does not know"):
        database.migrate()
    assert _count(database) == 1


def test_a_moment_comes_back_in_utc_to_the_microsecond(database: Database) -> None:
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=-7)))
    with database.write() as connection:
        connection.execute(insert(incidents).values(INCIDENT | {"at": elsewhere}))
        found = connection.execute(select(incidents.c.at)).scalar_one()
    assert (found, found.tzinfo) == (MOMENT, UTC)


def test_a_time_without_a_zone_does_not_go_in(database: Database) -> None:
    with pytest.raises(StatementError, match="a time without a zone"), database.write() as connection:
        connection.execute(insert(incidents).values(INCIDENT | {"at": MOMENT.replace(tzinfo=None)}))


def test_what_raises_is_rolled_back(database: Database) -> None:
    with suppress(KeyError), database.write() as connection:
        connection.execute(insert(incidents).values(INCIDENT))
        raise KeyError
    assert _count(database) == 0


def test_a_write_that_another_process_keeps_from_happening_is_unavailable(locked: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be written: database is locked"), locked.write():
        pass


def test_reading_goes_on_while_another_process_writes(locked: Database) -> None:
    assert _count(locked) == 0


def test_a_reader_sees_one_state_while_a_writer_commits(database: Database) -> None:
    with database.read() as connection:
        count = select(func.count()).select_from(incidents)
        assert connection.execute(count).scalar_one() == 0
        with database.write() as writing:
            writing.execute(insert(incidents).values(INCIDENT))
        assert connection.execute(count).scalar_one() == 0


def test_writers_of_one_process_wait_for_each_other(database: Database) -> None:
    """They do so by a lock of ours: with a busy timeout of 1 ms the database would have turned most of them away."""

    def write() -> None:
        with database.write() as connection:
            connection.execute(insert(incidents).values(INCIDENT))

    threads = [Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert _count(database) == 8


def test_a_file_that_is_no_database_cannot_be_read(broken: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be read: file is not a database"), broken.read():
        pass


def test_a_file_that_is_no_database_cannot_be_migrated(broken: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be written: file is not a database"):
        broken.migrate()


def test_a_folder_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable), Database(tmp_path / "gone" / "control.db").read():
        pass


def test_a_file_that_was_taken_away_is_unavailable_and_is_not_made_anew(database: Database) -> None:
    """Whoever has it open could go on with it, and would lose what it writes when the file does not come back."""
    away = database.path.with_name("away.db")
    with database.write() as connection:
        connection.execute(insert(incidents).values(INCIDENT))
    _move(database.path, away)

    with pytest.raises(DatabaseUnavailable, match="cannot be read: unable to open"), database.read():
        pass
    with pytest.raises(DatabaseUnavailable, match="cannot be written: unable to open"), database.write():
        pass
    assert not database.path.exists()

    _move(away, database.path)
    assert _count(database) == 1


def test_a_file_that_took_the_place_of_another_is_the_one_that_is_used(database: Database, tmp_path: Path) -> None:
    other = Database(tmp_path / "other.db")
    other.migrate()
    with other.write() as connection:
        connection.execute(insert(incidents).values(INCIDENT))
    other.close()
    assert _count(database) == 0

    _move(database.path, tmp_path / "away.db")
    _move(other.path, database.path)

    assert _count(database) == 1
    with database.write() as connection:
        connection.execute(insert(incidents).values(INCIDENT))
    assert _count(database) == 2


def _move(path: Path, to: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        if (file := path.with_name(path.name + ending)).exists():
            file.rename(to.with_name(to.name + ending))


def test_a_broken_constraint_is_no_outage(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(insert(organizations), [ORGANIZATION, ORGANIZATION])


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(
            insert(grants).values(id="1", client_id="nobody", administrator_id="nobody", scope="", created_at=MOMENT)
        )
