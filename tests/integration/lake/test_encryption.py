"""With encryption on, nothing of a record can be read in the files of the lake, and every question has its answer."""

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from cdrelay.clock import ManualClock
from cdrelay.contract.history import HistoryQuery
from cdrelay.contract.windows import Period
from cdrelay.control.secrets_at_rest import SecretBox, SecretUnreadable
from cdrelay.lake.cut import Cut
from cdrelay.lake.encryption import LakeKeyMissing, LakeKeys
from cdrelay.lake.erasure import LakeEraser
from cdrelay.lake.export import Reader
from cdrelay.lake.forgotten import Forgotten, ForgottenPerson
from cdrelay.lake.promote import Promoter
from cdrelay.lake.statements import key_of
from cdrelay.lake.upkeep import compact, encrypt_all
from cdrelay.records.fields import Kind
from cdrelay.records.personal import forms_of
from tests.support.lake_builder import ORG, OTHER_ORG, SMALL, LakeBuilder, read_window, record, report_id

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = Period(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
NUMBER, NAME = "+14085559876", "Zebulon Quartermain"
Opener = Callable[..., LakeBuilder]


def keys_in(folder: Path, *, encrypting: bool = True) -> LakeKeys:
    box = SecretBox(folder / "secret.key")
    return LakeKeys(folder / "half" / "lake.keys", box.seal, box.open, encrypting=encrypting)


@pytest.fixture
def encrypted(tmp_path: Path, open_lake: Opener) -> LakeBuilder:
    """A lake that encrypts."""
    return open_lake(keys=keys_in(tmp_path))


def call(name: object, ended: datetime = NOON, org: str = ORG, **more: str) -> dict[str, str]:
    return record(name, ended, org, **{"Calling number": NUMBER, "User": NAME, "Unknown key": NUMBER} | more)


def on_disk(folder: Path) -> list[Path]:
    """Files of the lake that show something of a call."""
    shown = (NUMBER.encode(), NAME.encode(), report_id("a").encode(), b"calling_number")
    parquet = [path for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts]
    assert parquet
    return [path for path in parquet if any(text in path.read_bytes() for text in shown)]


def test_a_plain_lake_shows_what_an_encrypted_one_hides(lake: LakeBuilder, open_lake: Opener, tmp_path: Path) -> None:
    other = open_lake("other", keys=keys_in(tmp_path))
    for builder in (lake, other):
        builder.load(*(call(("a", number)) for number in range(50)), call("a"))
    assert on_disk(lake.folder)
    assert not on_disk(other.folder)
    assert other.contents() == lake.contents()


def test_no_log_entry_tells_of_a_person(encrypted: LakeBuilder) -> None:
    encrypted.load(call("a"))
    for path in (encrypted.table.folder / "_delta_log").iterdir():
        assert NUMBER.encode() not in path.read_bytes()
        assert NAME.encode() not in path.read_bytes()


def test_every_question_has_the_answer_of_a_plain_lake(encrypted: LakeBuilder, open_lake: Opener) -> None:
    plain = open_lake("plain")
    for builder in (encrypted, plain):
        builder.load(*(call(number, NOON + timedelta(minutes=number)) for number in range(60)))
        builder.load(*(call(number, NOON + timedelta(minutes=number), OTHER_ORG) for number in range(60, 80)))
        builder.load(
            call(3, NOON + timedelta(hours=1)), call("odd", Duration="long"), call(4, NOON + timedelta(minutes=4))
        )
    cuts = Cut(1, NOON + timedelta(minutes=30)), Cut(3, NOON + timedelta(hours=2))

    def answers(lake: LakeBuilder) -> list[object]:
        page = lake.lake.read_page(ORG, HistoryQuery(period=DAY, limit=7))
        return [
            lake.contents(),
            lake.lake.count_by_organization(Period(NOON + timedelta(minutes=5), NOON + timedelta(minutes=70))),
            lake.read(Period(NOON, NOON + timedelta(minutes=9))),
            list(page.records),
            page.following,
            read_window(lake.lake, *cuts, [ORG, OTHER_ORG]),
        ]

    assert answers(encrypted) == answers(plain)


def test_versions_and_repeats_are_found_in_encrypted_files(encrypted: LakeBuilder) -> None:
    encrypted.load(call("a"), call("b"))
    done = encrypted.load(call("a"), call("b", NOON + timedelta(minutes=1)), call("c"))
    assert (done.added, done.corrected, done.repeated) == (1, 1, 1)
    assert encrypted.lake.total() == len(encrypted.rows()) == 3


def test_merging_keeps_files_encrypted_and_answers(encrypted: LakeBuilder) -> None:
    for number in range(6):
        encrypted.load(call(number, NOON + timedelta(minutes=number)))
    before = encrypted.rows()
    assert compact(encrypted.table, encrypted.engine, many=2) == 6
    assert [key_of(file.path) for file in encrypted.table.snapshot().files] == [1]
    assert encrypted.rows() == before
    assert not on_disk(encrypted.folder)


def test_statistics_are_those_of_a_plain_file(encrypted: LakeBuilder, lake: LakeBuilder, open_lake: Opener) -> None:
    plain = open_lake("plain")
    logged = []
    for builder in (encrypted, plain):
        builder.load(call("a", NOON + timedelta(microseconds=1999)), call("b", NOON + timedelta(hours=1), OTHER_ORG))
        log = (builder.table.folder / "_delta_log/00000000000000000001.json").read_text()
        logged += [json.loads(json.loads(line)["add"]["stats"]) for line in log.splitlines() if '"add"' in line]
    assert logged[0] == logged[1]


def test_files_from_before_are_read_beside_new_ones_and_encrypted_when_asked(tmp_path: Path, open_lake: Opener) -> None:
    plain = open_lake(keys=keys_in(tmp_path, encrypting=False))
    plain.load(call("a"), call("b", NOON - timedelta(days=1)))
    turned_on = open_lake(keys=keys_in(tmp_path))
    turned_on.load(call("c"))
    before = turned_on.rows()
    assert {key_of(file.path) for file in turned_on.table.snapshot().files} == {None, 1}
    assert turned_on.lake.count_by_organization(DAY) == {ORG: 2}

    assert sum(1 for _ in encrypt_all(turned_on.table, turned_on.engine, turned_on.loader.exclusively)) == 2
    assert {key_of(file.path) for file in turned_on.table.snapshot().files} == {1}
    assert turned_on.rows() == before
    turned_on.table.vacuum(at_once=True)
    assert not on_disk(turned_on.folder)
    assert plain.rows() == before, "another process reads them too"


def test_a_new_key_takes_the_place_of_the_old_one(tmp_path: Path, open_lake: Opener) -> None:
    keys = keys_in(tmp_path)
    lake, other = open_lake(keys=keys), open_lake(keys=keys_in(tmp_path))
    lake.load(call("a"))
    assert keys.renew() == 2
    lake.load(call("b"))
    assert {key_of(file.path) for file in lake.table.snapshot().files} == {1, 2}
    assert len(other.rows()) == 2, "a process that began before the key has it"
    list(encrypt_all(lake.table, lake.engine, lake.loader.exclusively))
    lake.table.vacuum(at_once=True)
    assert {
        key_of(path.name) for path in lake.table.folder.glob("*/*.parquet") if path.parent.name != "_delta_log"
    } == {2}
    fresh = open_lake(keys=keys_in(tmp_path))
    assert [row["report_id"] for row in fresh.rows()] == sorted([report_id("a"), report_id("b")])


def test_without_the_keys_reading_fails_and_says_so(encrypted: LakeBuilder, tmp_path: Path, open_lake: Opener) -> None:
    encrypted.load(call("a"))
    with pytest.raises(LakeKeyMissing, match="without keys"):
        open_lake().rows()
    (tmp_path / "half/lake.keys").unlink()
    with pytest.raises(LakeKeyMissing, match="key 1"):
        open_lake(keys=keys_in(tmp_path, encrypting=False)).rows()


def test_with_another_secret_key_reading_fails_and_says_so(
    encrypted: LakeBuilder, tmp_path: Path, open_lake: Opener
) -> None:
    encrypted.load(call("a"))
    (tmp_path / "secret.key").unlink()
    with pytest.raises(SecretUnreadable, match="does not fit the key"):
        open_lake(keys=keys_in(tmp_path)).rows()


def test_a_changed_byte_is_noticed_and_never_makes_another_answer(encrypted: LakeBuilder) -> None:
    encrypted.load(*(call(number) for number in range(20)))
    (path,) = (Path(path) for path in encrypted.table.absolute(encrypted.table.snapshot().files))
    whole, before, noticed = path.read_bytes(), encrypted.rows(), 0
    for place in range(5, len(whole) - 5, len(whole) // 60):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        os.utime(path, (place, place))  # so that the engine does not take it for the file it knows
        try:
            assert encrypted.rows() == before
        except duckdb.Error:
            noticed += 1
    assert noticed > 20


def test_the_key_is_on_the_disk_only_sealed(encrypted: LakeBuilder, tmp_path: Path) -> None:
    encrypted.load(call("a"))
    assert encrypted.table.keys is not None
    key = encrypted.table.keys.key(1)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert key not in path.read_bytes()
            assert base64.b64encode(key) not in path.read_bytes()


def test_of_two_processes_that_start_together_both_use_one_key(tmp_path: Path) -> None:
    first, second = keys_in(tmp_path), keys_in(tmp_path)
    assert first.key(1) == second.key(1)
    assert first.numbers() == second.numbers() == [1]


def test_export_and_free_questions_read_encrypted_files(encrypted: LakeBuilder, tmp_path: Path) -> None:
    encrypted.load(call("a"), call("b", NOON + timedelta(hours=1)))
    with Reader(encrypted.table.folder, SMALL, tmp_path / "scratch", keys_in(tmp_path, encrypting=False)) as reader:
        period = Period(NOON, NOON + timedelta(minutes=1))
        assert reader.export(tmp_path / "out.ndjson", "ndjson", period, ORG) == 1
        assert NUMBER in (tmp_path / "out.ndjson").read_text()
        assert reader.export(tmp_path / "out.parquet", "parquet", None, None) == 2
        answer = reader.ask(f"SELECT count(*) FROM records WHERE calling_number = '{NUMBER}'")  # noqa: S608
        assert list(answer.rows) == [(2,)]


def test_a_key_is_given_a_column_in_encrypted_files_too(encrypted: LakeBuilder) -> None:
    encrypted.load(call("a", Nick="Zeb"), call("b"))
    before = encrypted.everything()
    promoter = Promoter(encrypted.table, encrypted.engine, encrypted.loader.exclusively)
    assert promoter.promote("Nick", Kind.TEXT).records == 1
    encrypted.load(call("c", NOON - timedelta(days=1), Nick="Quart"))
    assert sorted(str(row["nick"]) for row in encrypted.rows()) == ["None", "Quart", "Zeb"]
    assert [text for text in encrypted.everything() if report_id("c").encode() not in text] == before
    encrypted.table.vacuum(at_once=True)
    assert not on_disk(encrypted.folder)


def test_a_person_is_erased_from_encrypted_files(encrypted: LakeBuilder) -> None:
    encrypted.load(call("a"), call("b", NOON, **{"Calling number": "+14155550177", "User": "Bob", "Unknown key": ""}))
    person = ForgottenPerson(None, NOON + timedelta(hours=1), frozenset(forms_of(NUMBER)))
    eraser = LakeEraser(encrypted.table, encrypted.engine, encrypted.loader.exclusively, Forgotten([person], str))
    assert sum(step.records for step in eraser.run()) == 1
    eraser.purge()
    assert sorted(row["calling_number"] for row in encrypted.rows()) == ["+14155550177", "erased"]
    assert not on_disk(encrypted.folder)


def test_a_load_that_is_interrupted_leaves_nothing_to_read(encrypted: LakeBuilder, clock: ManualClock) -> None:
    def stop(step: str) -> None:
        if step == "written":
            raise KeyboardInterrupt

    encrypted.put(call("a"))
    encrypted.loader.step = stop
    with pytest.raises(KeyboardInterrupt):
        encrypted.loader.drain()
    assert not on_disk(encrypted.folder)
    encrypted.loader.step = lambda name: None
    assert encrypted.loader.drain().added == 1


def test_large_loads_keep_their_row_groups_small(encrypted: LakeBuilder) -> None:
    import pyarrow.parquet as pq
    from pyarrow.parquet.encryption import create_decryption_properties

    encrypted.load(*(call(number, NOON + timedelta(seconds=number)) for number in range(9_000)))
    assert encrypted.table.keys is not None
    (path,) = encrypted.table.absolute(encrypted.table.snapshot().files)
    found = pq.ParquetFile(path, decryption_properties=create_decryption_properties(encrypted.table.keys.key(1)))
    assert found.metadata.num_rows == 9_000
    assert found.metadata.num_row_groups >= 2
    assert Path(path).stat().st_size < 4_000_000
