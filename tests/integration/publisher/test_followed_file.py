"""Files that grow: what is taken, how a rotation is lived through, and what a kill leaves."""

import gzip
import os
import socket
from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import pytest

from cdrelay.lake.payload import BodyUnreadable
from cdrelay.publisher.errors import RecordSourceUnreadable
from cdrelay.publisher.sources.followed import Cursor
from cdrelay.publisher.sources.taking import Kept
from tests.integration.publisher.publisher_bench import record
from tests.integration.publisher.source_bench import (
    MASTER,
    NOW,
    ORG,
    RECORDS,
    SourceBench,
    killed_while_following,
    ndjson,
)

ENDED = NOW - timedelta(minutes=5)
ONE, TWO = (record(number, ENDED) for number in range(2))
LINES = MASTER.splitlines(keepends=True)


@pytest.fixture
def bench(tmp_path: Path) -> SourceBench:
    return SourceBench(tmp_path)


def test_lines_are_taken_as_they_are_added_and_each_once(bench: SourceBench) -> None:
    master = bench.drop / "Master.csv"
    assert bench.follow() == Kept()
    counts = []
    for line in LINES:
        with master.open("ab") as file:
            file.write(line)
        counts.append(bench.follow().accepted)
    assert counts == [2, 2, 2, 2, 2, 2, 2, 1]
    assert bench.follow() == Kept()
    assert len(bench.records()) == len(bench.by_id()) == 15
    assert master.read_bytes() == MASTER


def test_a_line_that_is_not_ended_yet_waits(bench: SourceBench) -> None:
    master = bench.drop / "Master.csv"
    master.write_bytes(LINES[0] + LINES[1][:40])
    assert bench.follow() == Kept(accepted=2)
    assert bench.follow() == Kept()
    master.write_bytes(LINES[0] + LINES[1])
    assert bench.follow() == Kept(accepted=2)


def test_lines_that_are_refused_go_into_quarantine_once(bench: SourceBench) -> None:
    master = bench.drop / "Master.csv"
    master.write_bytes(LINES[0] + b'"acme","1001"\n' + LINES[1].replace(b"2026-11", b"2016-11"))
    assert bench.follow() == Kept(accepted=2, refused=2)
    assert [one.field for one in bench.quarantine.list()] == ["columns", "Report time"]
    assert bench.quarantine.list()[0].record == b'"acme","1001"'
    (bench.folder / "cursor").unlink()
    bench.follow()
    assert len(bench.quarantine.list()) == 2


def test_a_broken_line_swallows_no_other(bench: SourceBench) -> None:
    huge = b'"' + b"x" * 200_000 + b'"\n'
    (bench.drop / "Master.csv").write_bytes(LINES[0] + b'"acme,"1001\n' + b'"\n' + huge + LINES[1])
    assert bench.follow() == Kept(accepted=4, refused=3)


def test_a_file_that_names_no_columns_is_told_and_not_passed_over(bench: SourceBench) -> None:
    file = bench.drop / "records.csv"
    file.write_text(f"one,two,three\n{ONE['Report ID']},{ONE['Report time']},{ORG}\n")
    with pytest.raises(BodyUnreadable, match="names no field"):
        bench.follow(RECORDS, "records.csv")
    assert bench.cursor == ""


def test_records_with_a_header_are_followed(bench: SourceBench) -> None:
    file = bench.drop / "records.csv"
    file.write_text("Report ID,Report time,Org UUID\n")
    assert bench.follow(RECORDS, "records.csv") == Kept()
    for one in (ONE, TWO):
        with file.open("a") as growing:
            growing.write(f"{one['Report ID']},{one['Report time']},{ORG}\n")
        assert bench.follow(RECORDS, "records.csv") == Kept(accepted=1)
    assert bench.by_id().keys() == {ONE["Report ID"], TWO["Report ID"]}


def test_lines_of_json_are_followed(bench: SourceBench) -> None:
    file = bench.drop / "records.ndjson"
    file.write_bytes(ndjson([ONE]))
    bench.follow(RECORDS, "records.ndjson")
    file.write_bytes(ndjson([ONE, TWO]))
    assert bench.follow(RECORDS, "records.ndjson") == Kept(accepted=1)


@pytest.mark.parametrize("names", [(".1", ".2", ".3"), ("-20261124", "-20261123", "-20261122")])
def test_several_rotations_while_nobody_looked_lose_no_line(bench: SourceBench, names: tuple[str, ...]) -> None:
    master = bench.drop / "Master.csv"
    master.write_bytes(LINES[0])
    assert bench.follow() == Kept(accepted=2)
    newest, middle, oldest = (bench.drop / f"Master.csv{name}" for name in names)
    for minute, (path, lines) in enumerate([(oldest, LINES[:3]), (middle, LINES[3:5]), (newest, LINES[5:6])]):
        path.write_bytes(b"".join(lines))
        os.utime(path, (minute * 60, minute * 60))
    (bench.drop / "Master.csv.bak").write_bytes(b"no line of it is a CDR\n")
    (bench.drop / "Master.csv.0").write_bytes(b"nor of what is older\n")
    os.utime(bench.drop / "Master.csv.0", (-60, -60))
    master.write_bytes(LINES[6])
    assert bench.follow() == Kept(accepted=12)
    assert len(bench.records()) == len(bench.by_id()) == 14


def test_rotated_files_are_also_read_when_they_were_packed(bench: SourceBench) -> None:
    master, packed = bench.drop / "Master.csv", bench.drop / "Master.csv.2.gz"
    master.write_bytes(LINES[0])
    bench.follow()
    packed.write_bytes(gzip.compress(b"".join(LINES[:3])))
    os.utime(packed, (60, 60))
    (bench.drop / "Master.csv.1").write_bytes(LINES[3])
    (bench.drop / "Master.csv.1.gz").write_bytes(gzip.compress(LINES[3])[:20])
    master.write_bytes(LINES[4])
    assert bench.follow() == Kept(accepted=8)
    assert bench.follow() == Kept()


def test_a_packed_file_that_is_damaged_is_told_and_those_after_it_are_read(bench: SourceBench) -> None:
    master, packed = bench.drop / "Master.csv", bench.drop / "Master.csv.1.gz"
    master.write_bytes(LINES[0])
    bench.follow()
    body = gzip.compress(b"".join(LINES[:3]))
    packed.write_bytes(body[:-8] + bytes(8))
    master.write_bytes(LINES[4])
    assert bench.follow() == Kept(accepted=2)
    assert [one.field for one in bench.quarantine.list()] == ["file"]


@pytest.mark.parametrize("renamed", [True, False], ids=["renamed", "copied and emptied"])
@pytest.mark.parametrize("new_lines", [0, 1, 4])
def test_what_was_not_read_before_a_rotation_is_read_after_it(
    bench: SourceBench, renamed: bool, new_lines: int
) -> None:
    master, old = bench.drop / "Master.csv", bench.drop / "Master.csv.1"
    master.write_bytes(b"".join(LINES[:2]))
    assert bench.follow() == Kept(accepted=4)
    master.write_bytes(b"".join(LINES[:4])[:-1])
    if renamed:
        master.rename(old)
    else:
        copyfile(master, old)
    rest = b"".join(LINES[4 : 4 + new_lines])
    if rest or not renamed:
        master.write_bytes(rest)
    bench.follow()
    expected = 8 + sum([2, 2, 2, 1][:new_lines])
    assert len(bench.records()) == len(bench.by_id()) == expected
    assert bench.follow() == Kept()


def test_a_rotation_whose_old_file_is_gone_is_told_once(bench: SourceBench) -> None:
    master = bench.drop / "Master.csv"
    master.write_bytes(LINES[0] + LINES[1])
    bench.follow()
    master.write_bytes(LINES[2])
    with pytest.raises(RecordSourceUnreadable, match="rotated"):
        bench.follow()
    assert bench.follow() == Kept(accepted=2)
    assert bench.follow() == Kept()


def test_a_folder_of_a_followed_file_that_is_not_there_is_told(bench: SourceBench) -> None:
    bench.drop.rmdir()
    with pytest.raises(RecordSourceUnreadable, match="cannot be read"):
        bench.follow()


def test_a_file_that_cannot_be_read_is_told(bench: SourceBench) -> None:
    (bench.drop / "Master.csv").mkdir()
    with pytest.raises(RecordSourceUnreadable, match="cannot be read"):
        bench.follow()


def test_a_kill_at_any_point_of_following_loses_nothing(tmp_path: Path) -> None:
    killed = count = 0
    going = True
    while going:
        count += 1
        bench = SourceBench(tmp_path / str(count))
        master = bench.drop / "Master.csv"
        master.write_bytes(b"".join(LINES[:3]))
        bench.follow()
        master.write_bytes(b"".join(LINES[:5]) + b"broken\n")
        master.rename(bench.drop / "Master.csv.1")
        master.write_bytes(b"".join(LINES[5:]))
        going = killed_while_following(bench.folder, count)
        killed += going
        bench.spool.sweep()
        bench.follow()
        assert len(bench.by_id()) == 15, f"killed at {count}"
        assert len(bench.quarantine.list()) == 1
        assert bench.follow() == Kept()
    assert killed > 15


@pytest.mark.parametrize("name", ["Master.csv", "Master.csv.gz", "Master.ndjson"])
@pytest.mark.parametrize("what", ["device", "pipe", "socket"])
def test_what_need_not_end_is_not_read(
    bench: SourceBench, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a row of an older version may say; a link may come to lead there at any time."""
    path = bench.drop / name
    if what == "device":
        path.symlink_to("/dev/zero")
    elif what == "pipe":
        os.mkfifo(path)  # nobody writes into it: who only opened it would wait
    else:
        monkeypatch.chdir(bench.drop)  # its whole path may be longer than that of a socket may be
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(name)
    for cursor in ("", Cursor(offset=100, head="0" * 64).text()):
        (bench.folder / "cursor").write_text(cursor)
        with pytest.raises(RecordSourceUnreadable, match=r"cannot be read: (it is a device, a pipe|No such device)"):
            bench.follow(name=name)
    assert list(bench.spool.waiting()) == []
