"""Homes whose control database is there already: the migrations of a new one take longer than most tests."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cdrelay.control.database import Database


def prepared(home: Path) -> Path:
    """Put a database with all tables and no rows into a home that has none; returns the home."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / "control.db"
    if not path.exists():
        path.write_bytes(_empty_database())
    return home


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        database = Database(Path(folder) / "control.db")
        database.migrate()
        database.close()
        return database.path.read_bytes()
