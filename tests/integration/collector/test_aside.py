from datetime import UTC, datetime, timedelta
from pathlib import Path

from cdrelay.collector.aside import Aside
from cdrelay.lake.spool import Envelope

START = datetime(2026, 11, 24, tzinfo=UTC)


def keep(aside: Aside, number: int, body: bytes) -> None:
    received = START + timedelta(seconds=number)
    aside.keep(Envelope(id=str(number), source="a", channel="webhook", received=received), body)


def kept(aside: Aside) -> list[str]:
    return [one.envelope.id for one in aside.bodies(100)]


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


def test_a_body_is_found_and_dropped_by_the_name_of_its_payload(tmp_path: Path) -> None:
    aside = Aside(tmp_path)
    for number in range(2):
        keep(aside, number, b"{" * (number + 1))
    found = aside.find("1")
    assert found is not None
    assert found.body() == b"{{"
    assert [aside.drop("1"), aside.drop("1"), aside.find("1")] == [True, False, None]
    assert kept(aside) == ["0"]


def test_what_a_crash_left_half_written_is_swept_and_what_is_damaged_passed_over(tmp_path: Path) -> None:
    aside = Aside(tmp_path)
    keep(aside, 1, b"{")
    (tmp_path / "20261124T000000000000-x.part").write_bytes(b"half")
    (tmp_path / "20261124T000000000000-y.payload").write_bytes(b"no envelope")
    assert aside.sweep() == 1
    assert kept(aside) == ["1"]
