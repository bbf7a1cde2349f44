"""What a crash left half written is gone after the next start."""

from pathlib import Path

from cdrelay.settings import read_settings
from cdrelay.wiring import assemble, open_foundation


def test_half_written_payloads_of_both_halves_are_removed_at_the_start(tmp_path: Path) -> None:
    foundation = open_foundation(read_settings({}, home=tmp_path))
    try:
        assemble(foundation, frozenset({"publisher", "collector"}))
        left = [tmp_path / half / "spool" / "20261124T170000000000-half.part" for half in ("publisher", "collector")]
        for part in left:
            part.write_bytes(b"{")
        assemble(foundation, frozenset({"publisher", "collector"}))
        assert [part.exists() for part in left] == [False, False]
    finally:
        foundation.close()
