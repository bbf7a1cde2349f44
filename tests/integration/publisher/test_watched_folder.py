"""Folders into which files are put: what is taken, when, and what a kill leaves."""

import gzip
import json
import os
from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import pytest

from cdrelay.publisher.errors import RecordSourceUnreadable
from cdrelay.publisher.sources.origin import Origin
from cdrelay.publisher.sources.taking import Kept
from tests.integration.publisher.publisher_bench import record
from tests.integration.publisher.source_bench import (
    ASTERISK,
    DATA,
    MASTER,
    NOW,
    ORG,
    SourceBench,
    killed_while_looking,
    ndjson,
)

ENDED = NOW - timedelta(minutes=5)
ONE, TWO, THREE = (record(number, ENDED) for number in range(3))
LINES = MASTER.splitlines(keepends=True)


@pytest.fixture
def bench(tmp_path: Path) -> SourceBench:
    return SourceBench(tmp_path)


def test_a_file_is_taken_when_two_looks_find_it_the_same(bench: SourceBench) -> None:
    watched, file = bench.watched(), bench.drop / "a.ndjson"
    file.write_bytes(ndjson([ONE]))
    assert watched.look() == Kept()
    file.write_bytes(ndjson([ONE, TWO]))
    assert watched.look() == Kept()
    assert watched.look() == Kept(accepted=2)
    assert bench.records() == [ONE, TWO]
    assert bench.files() == {"in": [], "done": ["a.ndjson"], "refused": []}
    assert watched.look() == Kept()


@pytest.mark.parametrize("name", ["a.ndjson.part", ".a.ndjson", "a.txt", "a.csv.tmp", "a.ndjson.gz.part"])
def test_files_of_other_names_are_left_alone(bench: SourceBench, name: str) -> None:
    (bench.drop / name).write_bytes(ndjson([ONE]))
    assert bench.look_twice() == Kept()
    assert bench.files()["in"] == [name]


@pytest.mark.parametrize("name", ["a.ndjson", "a.jsonl", "A.NDJSON"])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_are_taken(bench: SourceBench, name: str, packed: bool) -> None:
    body = ndjson([ONE, TWO]) + b"\n\n" + ndjson([THREE])[:-1]
    (bench.drop / (name + ".gz" * packed)).write_bytes(gzip.compress(body) if packed else body)
    assert bench.look_twice() == Kept(accepted=3)
    assert bench.records() == [ONE, TWO, THREE]


@pytest.mark.parametrize("packed", [False, True])
def test_a_document_is_taken(bench: SourceBench, packed: bool) -> None:
    body = json.dumps({"items": [ONE, TWO]}, indent=2).encode()
    (bench.drop / ("a.json" + ".gz" * packed)).write_bytes(gzip.compress(body) if packed else body)
    assert bench.look_twice() == Kept(accepted=2)


def test_csv_names_its_columns_in_any_spelling(bench: SourceBench) -> None:
    text = "\ufeffreportId,REPORT TIME,org_uuid,Duration,User,Seat\r\n"
    text += f'{ONE["Report ID"]},{ONE["Report time"]},,36,"Reed, Alice",7\r\n'
    (bench.drop / "a.csv").write_text(text, "utf-8", newline="")
    assert bench.look_twice() == Kept(accepted=1)
    (found,) = bench.records()
    assert found["Org UUID"] == ORG
    assert (found["User"], found["Seat"]) == ("Reed, Alice", "7")


def test_names_in_another_encoding_cost_no_record(bench: SourceBench) -> None:
    head = b"Report ID,Report time,Org UUID,User\n"
    values = f"{ONE['Report ID']},{ONE['Report time']},{ORG},".encode() + "Jürgen".encode("latin-1")
    (bench.drop / "a.csv").write_bytes(head + values + b"\n")
    assert bench.look_twice() == Kept(accepted=1)
    assert bench.records()[0]["User"] == "J\ufffdrgen"


def test_files_of_mod_json_cdr_are_taken(bench: SourceBench) -> None:
    for file in (DATA / "freeswitch").iterdir():
        copyfile(file, bench.drop / f"a_{file.name}")
    kept = bench.look_twice(Origin(name="pbx-a", format="freeswitch", org_uuid=ORG))
    assert kept == Kept(accepted=7)
    assert len(bench.by_id()) == 7


def test_a_whole_master_csv_is_taken_with_its_order_or_with_a_header(bench: SourceBench) -> None:
    (bench.drop / "Master.csv").write_bytes(MASTER)
    assert bench.look_twice(ASTERISK) == Kept(accepted=15)
    without = bench.by_id()
    columns = "accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,answer,end,duration,billsec,"
    header = columns + "disposition,amaflags,uniqueid,userfield,peeraccount,linkedid,sequence\n"
    (bench.drop / "named.csv").write_bytes(header.encode() + MASTER)
    assert bench.look_twice(ASTERISK) == Kept(accepted=15)
    assert bench.by_id() == without


def test_good_records_are_kept_and_the_others_named_beside_the_file(bench: SourceBench) -> None:
    nameless = {key: value for key, value in TWO.items() if key != "Report ID"}
    (bench.drop / "a.ndjson").write_bytes(ndjson([ONE]) + b"\n" + ndjson([nameless]) + b"broken\n" + ndjson([THREE]))
    assert bench.look_twice() == Kept(accepted=2, refused=2)
    assert bench.records() == [ONE, THREE]
    assert bench.files() == {"in": [], "done": [], "refused": ["a.ndjson", "a.ndjson.reasons.json"]}
    told = json.loads((bench.drop / "refused" / "a.ndjson.reasons.json").read_text())
    assert (told["file"], told["accepted"], told["refusedTotal"]) == ("a.ndjson", 2, 2)
    assert [(one["line"], one["field"]) for one in told["refused"]] == [(3, "Report ID"), (4, "record")]
    assert all(one["rule"] for one in told["refused"])


def test_lines_of_csv_that_do_not_fit_are_named(bench: SourceBench) -> None:
    (bench.drop / "Master.csv").write_bytes(LINES[0] + b'"acme","1001"\n' + LINES[1])
    assert bench.look_twice(ASTERISK) == Kept(accepted=4, refused=1)
    told = json.loads((bench.drop / "refused" / "Master.csv.reasons.json").read_text())
    assert [(one["line"], one["field"]) for one in told["refused"]] == [(2, "columns")]


@pytest.mark.parametrize(
    ("name", "body", "rule"),
    [
        ("a.json", b'{"items": [', "no list of records"),
        ("a.csv", b"one,two\n1,2\n", "names no field"),
        ("a.ndjson.gz", b"no gzip", "said to be gzip"),
        ("a.ndjson.gz", gzip.compress(ndjson([ONE]), mtime=0)[:-9], "cut off"),
        ("a.ndjson.gz", gzip.compress(b" \n" * 500_001, mtime=0), "unpacks to more than 1000000 bytes"),
        ("a.csv", b'Report ID,User\n"' + b"x" * 200_000 + b'",y\n', "no CSV"),
    ],
)
def test_a_file_that_makes_no_sense_is_put_aside_whole(bench: SourceBench, name: str, body: bytes, rule: str) -> None:
    (bench.drop / name).write_bytes(body)
    bench.look_twice()
    told = json.loads((bench.drop / "refused" / f"{name}.reasons.json").read_text())
    assert rule in told["refused"][0]["rule"]
    assert bench.files()["in"] == []


def test_a_line_without_end_is_one_refused_record(bench: SourceBench) -> None:
    big = b'{"x": "' + b"x" * (8 * 2**20 + 100) + b'"}\n'
    (bench.drop / "a.ndjson").write_bytes(ndjson([ONE]) + big + ndjson([TWO]))
    assert bench.look_twice() == Kept(accepted=2, refused=1)


def test_the_same_name_again_replaces_nothing(bench: SourceBench) -> None:
    for one in (ONE, TWO, THREE):
        (bench.drop / "a.cdr.json").write_bytes(json.dumps([one]).encode())
        bench.look_twice()
    assert bench.files()["done"] == ["a-2.cdr.json", "a-3.cdr.json", "a.cdr.json"]


def test_many_records_are_several_payloads(bench: SourceBench) -> None:
    (bench.drop / "a.ndjson").write_bytes(ndjson(record(n, ENDED, User="x" * 900) for n in range(9_000)))
    assert bench.look_twice() == Kept(accepted=9_000)
    assert len(bench.spool.waiting()) == 2
    assert len(bench.by_id()) == 9_000


def test_what_came_before_the_place_where_a_file_breaks_is_kept_and_counted(bench: SourceBench) -> None:
    (bench.drop / "a.ndjson.gz").write_bytes(gzip.compress(ndjson([ONE, TWO])) + b"no member")
    assert bench.look_twice() == Kept(accepted=2, refused=1)
    told = json.loads((bench.drop / "refused" / "a.ndjson.gz.reasons.json").read_text())
    assert (told["accepted"], told["refused"][0]["line"], told["refused"][0]["field"]) == (2, None, "file")


def test_a_file_that_cannot_be_moved_away_holds_up_no_other(bench: SourceBench) -> None:
    (bench.drop / "refused").write_text("no folder")
    (bench.drop / "a.ndjson").write_bytes(b"broken\n")
    (bench.drop / "b.ndjson").write_bytes(ndjson([ONE]))
    with pytest.raises(RecordSourceUnreadable, match=r"a\.ndjson cannot be moved"):
        bench.look_twice()
    assert bench.files()["in"] == ["a.ndjson", "refused"]
    assert bench.records() == [ONE]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    bench = SourceBench(tmp_path)
    bench.drop.rmdir()
    with pytest.raises(RecordSourceUnreadable, match="cannot be read"):
        bench.watched().look()


def test_a_kill_at_any_point_loses_nothing_and_keeps_nothing_twice(tmp_path: Path) -> None:
    good = [record(n, ENDED) for n in range(6)]
    killed = count = 0
    going = True
    while going:
        count += 1
        bench = SourceBench(tmp_path / str(count))
        (bench.drop / "a.ndjson").write_bytes(ndjson(good[:4]))
        (bench.drop / "b.ndjson.gz").write_bytes(gzip.compress(ndjson(good[4:]) + b"broken\n"))
        going = killed_while_looking(bench.folder, count)
        killed += going
        bench.spool.sweep()
        bench.look_twice()
        assert bench.by_id() == {one["Report ID"]: one for one in good}, f"killed at {count}"
        files = bench.files()
        assert (files["in"], files["done"]) == ([], ["a.ndjson"])
        assert files["refused"] == ["b.ndjson.gz", "b.ndjson.gz.reasons.json"]
    assert killed > 15


@pytest.mark.parametrize(
    "name", [b"\xff.ndjson", b"a\nb.ndjson", "Zürich 📞.ndjson".encode(), b"[red]%s.ndjson", b"-rf.ndjson"]
)
def test_files_of_any_name_are_taken(bench: SourceBench, name: bytes) -> None:
    file = bench.drop / os.fsdecode(name)
    file.write_bytes(ndjson([ONE]) + b"no record\n")
    os.utime(file, (1, 1))
    (bench.drop / "later.ndjson").write_bytes(ndjson([TWO]))
    assert bench.look_twice() == Kept(accepted=2, refused=1)
    assert bench.files()["done"] == ["later.ndjson"]
    assert set(bench.files()["refused"]) == {file.name, f"{file.name}.reasons.json"}
