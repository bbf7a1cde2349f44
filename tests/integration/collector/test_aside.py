from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdrelay.collector.aside import Aside
from cdrelay.lake.spool import Envelope, Spool

START = datetime(2026, 11, 24, tzinfo=UTC)


def keep(aside: Aside, number: int, body: bytes) -> None:
    received = START + timedelta(seconds=number)
    aside.keep(Envelope(id=str(number), source="a", channel="webhook", received=received), body)


def kept(aside: Aside) -> list[str]:
    return [Spool.open(path).envelope.id for path in aside.newest(100)]


def test_only_the_newest_files_stay(tmp_path: Path) -> None:
    aside = Aside(tmp_path, most_files=3)
    for number in range(5):
        keep(aside, number, b"{")
    assert kept(aside) == ["4", "3", "2"]
    assert aside.count() == 3


def test_only_so_many_bytes_stay_and_the_newest_always_does(tmp_path: Path) -> None:
    aside = Aside(tmp_path, most_bytes=2_000)
    for number in range(3):
        keep(aside, number, b"{" * 700)
    assert kept(aside) == ["2", "1"]
    keep(aside, 3, b"{" * 5_000)
    assert kept(aside) == ["3"]
