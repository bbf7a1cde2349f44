"""A home folder without its control database."""

from pathlib import Path

import pytest

from cdrelay.control.database import DatabaseUnavailable
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation


def test_a_home_that_was_in_use_is_not_given_an_empty_database(tmp_path: Path) -> None:
    settings = read_settings({}, home=tmp_path)
    open_foundation(settings).close()
    database, away = tmp_path / "control.db", tmp_path / "away.db"
    database.rename(away)

    with pytest.raises(DatabaseUnavailable, match="is gone"):
        open_foundation(settings)
    assert not database.exists()

    away.rename(database)
    open_foundation(settings).close()


def test_a_home_without_a_key_is_a_new_one(tmp_path: Path) -> None:
    settings = read_settings({}, home=tmp_path)
    open_foundation(settings).close()
    for file in (*tmp_path.glob("control.db*"), tmp_path / "secret.key"):
        file.unlink()

    open_foundation(settings).close()

    assert (tmp_path / "control.db").exists()
