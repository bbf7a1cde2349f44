"""The control database and its transactions, committed here at the edge and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from cdrelay.errors import CdrelayError

_BUSY_MILLISECONDS = 10_000


class DatabaseUnavailable(CdrelayError):
    """The control database is locked, full or gone; what was asked of it did not happen and may be tried again."""


class DatabaseTooNew(CdrelayError):
    """The control database was written by a newer version of cdrelay; it is as it was."""


@contextmanager
def _translated(done: str) -> Iterator[None]:
    """Raise DatabaseUnavailable for what is the database's fault, and leave alone what is the statement's."""
    try:
        yield
    except DatabaseError as error:
        # A file that is no database, or is damaged, is a plain DatabaseError; a broken constraint is a kind of its own.
        if type(error) not in (DatabaseError, OperationalError):
            raise
        raise DatabaseUnavailable(f"the control database cannot be {done}: {error.orig}") from error


class Database:
    """SQLite in WAL mode: many readers, one writer at a time. Never hold a transaction during a network call.

    `read` and `write` may be used from any thread. A `write` that ends without an exception is durable. `migrate` alone
    makes the file. While it is not there everything is unavailable, also for who has it open: what is written to a
    file that was taken away may never be seen again. What takes its place is used from then on.
    """

    def __init__(self, path: Path, busy_milliseconds: int = _BUSY_MILLISECONDS) -> None:
        """`busy_milliseconds` is how long a lock that another process holds is waited for."""
        self.path = path
        self._busy_milliseconds = busy_milliseconds
        self._readers = self._engine("DEFERRED")
        self._writer = self._engine("IMMEDIATE")
        # SQLite would make the second writer poll; in one process a lock is fair and cheaper.
        self._writing = Lock()

    def _engine(self, begin: str, foreign_keys: str = "ON", mode: str = "rw") -> Engine:
        address = URL.create("sqlite", database=self.path.absolute().as_uri(), query={"mode": mode, "uri": "true"})
        engine = create_engine(address, connect_args={"check_same_thread": False})

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, record: ConnectionPoolEntry) -> None:
            record.info["file"] = self._file()
            # The driver must not begin transactions of its own, so that BEGIN IMMEDIATE can be ours.
            connection.isolation_level = None
            for pragma in (
                f"busy_timeout={self._busy_milliseconds}",
                "journal_mode=WAL",
                "synchronous=FULL",
                f"foreign_keys={foreign_keys}",
            ):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "checkout")
        def _same_file(_connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
            if record.info["file"] != self._file():
                raise DisconnectionError  # the pool opens another one

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(f"BEGIN {begin}")

        return engine

    def _file(self) -> tuple[int, int] | None:
        """Which file lies at the path; None when there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state. Raises DatabaseUnavailable."""
        with _translated("read"), self._readers.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed at the end, rolled back when the block raises. Raises DatabaseUnavailable."""
        with _translated("written"), self._writing, self._writer.begin() as connection:
            yield connection

    def migrate(self, revision: str = "head") -> None:
        """Bring the schema to the present version, or an older one; doing so again changes nothing.

        Raises DatabaseUnavailable, DatabaseTooNew.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        config = _config()
        # SQLite changes a table by making it anew; with foreign keys on, dropping the old one would empty others.
        migrating = self._engine("IMMEDIATE", foreign_keys="OFF", mode="rwc")
        try:
            with _translated("written"), self._writing, migrating.begin() as connection:
                config.attributes["connection"] = connection
                _require_known(connection)
                command.upgrade(config, revision)
        finally:
            migrating.dispose()

    def close(self) -> None:
        """Close all connections."""
        self._readers.dispose()
        self._writer.dispose()


def known_versions() -> list[str]:
    """Those of the schema that this program knows, the present one first."""
    return [one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "cdrelay.control:migrations")
    return config


def _require_known(connection: Connection) -> None:
    there = MigrationContext.configure(connection).get_current_revision()
    if there is not None and there not in known_versions():
        raise DatabaseTooNew(
            f"the control database has version {there}, which this program does not know: run the newer version of"
            " cdrelay that has written it, or restore a backup of before"
        )
