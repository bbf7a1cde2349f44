"""What the engine puts on the disk while it works: each in a folder of its own, which goes however it ends."""

import os
import signal
from pathlib import Path

from cdrelay.lake.engine import EngineLimits, open_engine
from cdrelay.lake.scratch import own_scratch
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation, open_store
from tests.integration.lake import lake_processes

TIGHT = EngineLimits(memory_megabytes=60, threads=1)
MORE_THAN_FITS = "CREATE TEMP TABLE t AS SELECT repeat(uuid()::VARCHAR, 20) FROM range(150000)"


def spill_and_die(parent: Path) -> None:
    """Put more into a table than fits the memory, and be killed."""
    with own_scratch(parent) as scratch:
        engine = open_engine(TIGHT, scratch)
        engine.execute(MORE_THAN_FITS)
        assert list(scratch.iterdir())
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_left_goes_with_the_next_start(tmp_path: Path) -> None:
    assert lake_processes.run(spill_and_die, tmp_path) == -9
    (tmp_path / "duckdb_temp_1_0_storage_DEFAULT-0.tmp").write_bytes(b"as an older version left it")
    assert len(list(tmp_path.iterdir())) == 2
    with own_scratch(tmp_path) as scratch:
        assert list(tmp_path.iterdir()) == [scratch]


def test_what_another_one_uses_stays(tmp_path: Path) -> None:
    with own_scratch(tmp_path) as one:
        engine = open_engine(TIGHT, one)
        engine.execute(MORE_THAN_FITS)
        files = sorted(one.iterdir())
        with own_scratch(tmp_path) as other:
            open_engine(TIGHT, other).close()
        assert sorted(one.iterdir()) == files
        assert not other.exists()
        assert engine.execute("SELECT count(DISTINCT repeat) FROM t AS t(repeat)").fetchall() == [(150_000,)]
        engine.close()
    assert list(tmp_path.iterdir()) == []


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    with own_scratch(tmp_path) as scratch:
        assert scratch.stat().st_mode & 0o077 == 0


def test_two_that_open_one_half_have_two_folders_and_leave_none(tmp_path: Path) -> None:
    settings = read_settings({}, home=tmp_path)
    foundations = [open_foundation(settings) for _ in range(2)]
    for foundation in foundations:
        open_store(foundation, "collector")
    assert len(list((tmp_path / "collector" / "scratch").iterdir())) == 2
    for foundation in foundations:
        foundation.close()
    assert list((tmp_path / "collector" / "scratch").iterdir()) == []
