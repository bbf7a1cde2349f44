"""A disk that is nearly full: no file of the lake is begun that might not find room."""

import shutil
from pathlib import Path

import pytest

from cdrelay.lake.parquet import LOADED, write_rows
from cdrelay.lake.spool import NoRoom
from tests.support.lake_builder import SMALL, open_engine


def test_no_file_is_begun_without_room_for_it_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    engine, target = open_engine(SMALL, tmp_path / "scratch"), tmp_path / "0-1.parquet"
    more_than_there_is = shutil.disk_usage(tmp_path).total + 1

    with pytest.raises(NoRoom, match="bytes are free on the disk of the lake"):
        write_rows(engine, "SELECT 1 AS org_uuid", target, LOADED, None, room_bytes=more_than_there_is)

    assert not target.exists()
    assert write_rows(engine, "SELECT 1 AS org_uuid", target, LOADED, None).rows == 1
    engine.close()
