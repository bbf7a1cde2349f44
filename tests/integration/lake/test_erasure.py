"""A person that was erased is gone from every file, for good; counts, durations, times and other people stay."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdrelay.clock import ManualClock
from cdrelay.contract.windows import Period
from cdrelay.lake.erasure import LakeEraser, erase_bodies
from cdrelay.lake.forgotten import Forgotten, ForgottenPerson
from cdrelay.lake.load import Duties
from cdrelay.lake.promote import Promoter
from cdrelay.lake.spool import Spool
from cdrelay.records.fields import Kind
from cdrelay.records.personal import ERASED, forms_of
from tests.integration.lake import lake_processes
from tests.integration.lake.lake_processes import Kill
from tests.support.lake_builder import ORG, OTHER_ORG, LakeBuilder, record

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAYS = Period(NOON - timedelta(days=3), NOON + timedelta(days=1))
NUMBER, NAME, MAIL = "+14085559876", "Zebulon Quartermain", "zebulon@example.com"
USER = "47f0d0c2-f05a-44cc-870d-7a3daf859c6c"
BOB = "+14155550177"
TRACES = tuple(text.encode() for text in (NUMBER, NAME, MAIL, USER, "14085559876", "Zebulon"))
Opener = Callable[..., LakeBuilder]


def keyed_hash(text: str) -> str:
    return hashlib.sha256(b"key of this test" + text.encode()).hexdigest()


def person(*texts: str, org: str | None = None, before: datetime = NOON + timedelta(hours=5)) -> ForgottenPerson:
    texts = texts or (NUMBER, NAME, MAIL, USER)
    return ForgottenPerson(org, before, frozenset(keyed_hash(form) for text in texts for form in forms_of(text)))


def forgotten(*persons: ForgottenPerson) -> Forgotten:
    return Forgotten(persons or (person(),), keyed_hash)


def outgoing(name: object, ended: datetime = NOON, org: str = ORG, **more: Any) -> dict[str, Any]:
    """A call that the person made."""
    own = {"Direction": "ORIGINATING", "User": NAME, "User UUID": USER, "User number": NUMBER, "Calling number": NUMBER}
    return record(name, ended, org, **own | {"Called number": BOB, "Called line ID": "Bob", "Duration": "36"} | more)


def incoming(name: object, ended: datetime = NOON, org: str = ORG, **more: Any) -> dict[str, Any]:
    """A call that somebody else had with them."""
    other = {"Direction": "TERMINATING", "User": "Bob", "User UUID": USER.replace("4", "5"), "Called number": BOB}
    return record(
        name, ended, org, **other | {"Calling number": NUMBER, "Calling line ID": NAME, "Duration": "7"} | more
    )


def eraser(lake: LakeBuilder, whom: Forgotten | None = None) -> LakeEraser:
    return LakeEraser(lake.table, lake.engine, lake.loader.exclusively, whom or forgotten())


def erase(lake: LakeBuilder, whom: Forgotten | None = None) -> int:
    one = eraser(lake, whom)
    changed = sum(step.records for step in one.run())
    one.purge()
    return changed


def traces(folder: Path) -> list[str]:
    """Files that show something of the person, Parquet pages unpacked."""
    import pyarrow.parquet as pq

    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".parquet" and "_delta_log" not in path.parts:
                content = str(pq.read_table(path).to_pylist()).encode()
            if any(text in content for text in TRACES):
                found.append(path.name)
    return found


@pytest.fixture
def filled(lake: LakeBuilder) -> LakeBuilder:
    """Three days of calls, of the person and of others, in several files."""
    for days in range(3):
        at = NOON - timedelta(days=days)
        lake.load(outgoing(("out", days), at), incoming(("in", days), at), record(("none", days), at, User="Carol"))
    lake.load(
        outgoing("theirs", NOON, OTHER_ORG), record("mail", NOON, **{"New key": f"<sip:{MAIL}>", "Duration": "5"})
    )
    lake.load(outgoing("misfit", NOON, Duration="long", Odd=["x"]))
    return lake


def test_a_person_is_gone_from_the_lake_and_from_the_disk(filled: LakeBuilder) -> None:
    assert traces(filled.folder)
    before = filled.rows()
    assert eraser(filled).count() == 9
    assert erase(filled) == 9
    assert not traces(filled.folder)

    after = filled.rows()
    changing = {"user", "user_uuid", "user_number", "calling_number", "calling_line_id", "extra"}
    for old, new in zip(before, after, strict=True):
        assert {name for name in old if old[name] != new[name]} <= changing
        assert old["duration"] == new["duration"]
        assert old["called_number"] == new["called_number"], "the other party stays"


def test_counts_and_files_by_time_are_as_before(filled: LakeBuilder) -> None:
    before = filled.lake.count_by_organization(DAYS), filled.lake.total(), filled.lake.last_load()
    erase(filled)
    assert (filled.lake.count_by_organization(DAYS), filled.lake.total(), filled.lake.last_load()) == before


def test_what_others_said_and_what_is_no_ones_stays_in_extra(filled: LakeBuilder) -> None:
    erase(filled)
    extras = [json.loads(row["extra"]) for row in filled.rows() if row["extra"]]
    assert sorted(map(str, extras)) == sorted(map(str, [{"New key": ERASED}, {"Duration": "long", "Odd": ERASED}]))


def test_only_the_records_of_one_organization_are_touched_when_asked_so(filled: LakeBuilder) -> None:
    assert erase(filled, forgotten(person(org=OTHER_ORG))) == 1
    assert [row["user"] for row in filled.rows() if row["org_uuid"] == OTHER_ORG] == [ERASED]
    assert sum(row["user"] == NAME for row in filled.rows()) == 4


def test_calls_that_ended_later_are_not_touched(filled: LakeBuilder) -> None:
    erase(filled, forgotten(person(before=NOON)))
    assert {row["report_time"] for row in filled.rows() if row["user"] == NAME} == {NOON}


def test_erasing_again_changes_nothing(filled: LakeBuilder) -> None:
    erase(filled)
    before = filled.table.snapshot().files
    assert (eraser(filled).count(), erase(filled)) == (0, 0)
    assert filled.table.snapshot().files == before


def test_readers_of_the_state_before_find_their_files_until_the_purge(filled: LakeBuilder) -> None:
    before = [Path(path) for path in filled.table.absolute(filled.table.snapshot().files)]
    one = eraser(filled)
    assert sum(step.records for step in one.run()) == 9
    assert all(path.exists() for path in before)
    one.purge()
    assert not any(path.exists() for path in before)


def test_what_another_process_loads_meanwhile_outlives_the_purge(filled: LakeBuilder, open_lake: Opener) -> None:
    """Seen on a server that ran: the purge knew the files of its own last look only, and deleted the newer ones."""
    server, one = open_lake(), eraser(filled)
    list(one.run())
    server.load(record("meanwhile", NOON, User="Dora"))
    one.purge()
    assert "Dora" in [row["user"] for row in server.rows()]
    assert filled.lake.total() == len(filled.rows()) == server.lake.total()


def test_a_record_keeps_the_time_since_which_it_is_kept(filled: LakeBuilder) -> None:
    """Or an erasure would give everything a second life under retention."""
    before = sorted((file.day, file.written) for file in filled.table.snapshot().files)
    erase(filled)
    assert sorted((file.day, file.written) for file in filled.table.snapshot().files) == before


def test_more_records_than_one_step_takes_are_all_erased(lake: LakeBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdrelay.lake.erasure._AT_ONCE", 7)
    lake.load(*(outgoing(number, NOON + timedelta(seconds=number)) for number in range(50)), record("b", NOON))
    assert erase(lake) == 50
    assert not traces(lake.folder)


def test_a_promoted_column_is_erased_too(lake: LakeBuilder) -> None:
    lake.load(
        outgoing("a", Nick="Zeb", Rank="7"), record("b", NOON, Nick="Bobby", Rank="8"), record("c", NOON, Nick=MAIL)
    )
    for key, kind in (("Nick", Kind.TEXT), ("Rank", Kind.INTEGER)):
        Promoter(lake.table, lake.engine, lake.loader.exclusively).promote(key, kind)
    assert erase(lake) == 2
    assert sorted((row["nick"], row["rank"]) for row in lake.rows() if row["rank"]) == [("Bobby", 8)]
    assert not traces(lake.folder)


# --- what comes again ------------------------------------------------------------------------------------------------


@pytest.fixture
def keeping(open_lake: Opener, filled: LakeBuilder) -> LakeBuilder:
    """The same lake, erased, with a loader that keeps to it."""
    erase(filled)
    return open_lake(duties=Duties(forgotten=forgotten))


@pytest.mark.parametrize("spelling", ["usual", "odd"])
def test_a_replay_brings_nothing_back(keeping: LakeBuilder, spelling: str) -> None:
    more = {"unknown": f"call {NUMBER}"} if spelling == "odd" else {}
    done = keeping.load(outgoing(("out", 0), **more), incoming(("in", 0), **more))
    assert (done.added, done.repeated) == (0, 2)
    assert not traces(keeping.folder)


def test_a_newer_version_comes_in_without_the_person(keeping: LakeBuilder) -> None:
    done = keeping.load(outgoing(("out", 0), NOON + timedelta(hours=1), Duration="99", Strange=NUMBER))
    assert done.corrected == 1
    (row,) = (row for row in keeping.rows() if row["duration"] == 99)
    assert (row["user"], row["user_uuid"], row["called_number"]) == (ERASED, None, BOB)
    keeping.table.vacuum(at_once=True)
    assert not traces(keeping.folder)


def test_a_late_record_that_was_never_there_comes_in_without_the_person(keeping: LakeBuilder) -> None:
    assert keeping.load(outgoing("late", NOON - timedelta(hours=1)), outgoing("odd", Duration="long")).added == 2
    assert not traces(keeping.folder)


def test_a_call_after_the_erasure_is_kept_as_it_is(keeping: LakeBuilder) -> None:
    keeping.load(outgoing("new", NOON + timedelta(hours=6)))
    assert [row["report_time"] for row in keeping.rows() if row["user"] == NAME] == [NOON + timedelta(hours=6)]


def test_others_come_in_to_the_letter(keeping: LakeBuilder, open_lake: Opener) -> None:
    other = open_lake("other")
    calls = [record(("w", number), NOON, User=f"User {number}", **{"Calling number": BOB}) for number in range(20)]
    for builder in (keeping, other):
        builder.load(*calls, record("x", NOON, Unknown=[1, 2.50], Duration="long"))
    names = {row["report_id"] for row in other.contents()}
    assert [row for row in keeping.contents() if row["report_id"] in names] == other.contents()


def test_a_refused_record_goes_to_quarantine_without_the_person(keeping: LakeBuilder) -> None:
    broken = outgoing("x") | {"Report ID": "none"}
    keeping.load(broken)
    keeping.load(b'{"Calling number":"' + NUMBER.encode() + b'",}')
    keeping.put_body(b"no JSON " + NUMBER.encode())
    keeping.loader.drain()
    assert len(keeping.aside()) == 3
    assert not traces(keeping.folder)
    assert not any(text in one["record"] for one in keeping.aside() for text in TRACES)


# --- beside the lake -------------------------------------------------------------------------------------------------


def test_payloads_that_wait_are_loaded_without_the_person(lake: LakeBuilder) -> None:
    lake.put(outgoing("a"), record("b", NOON, User="Carol"))
    lake.put_lines(b"\n".join(json.dumps(one).encode() for one in (incoming("c"), outgoing("d"))))
    lake.put_gzip(b'{"data":{"items":[' + json.dumps(outgoing("e")).encode() + b"]}}")
    lake.put_body(b"no JSON " + NUMBER.encode())
    lake.put(record("f", NOON))
    untouched = lake.spool.waiting()[-1].read_bytes()
    assert erase_bodies(lake.spool.folder, forgotten(), 10**6, change=False) == 4
    assert traces(lake.folder)
    assert erase_bodies(lake.spool.folder, forgotten(), 10**6) == 4
    assert not traces(lake.folder)
    assert lake.spool.waiting()[-1].read_bytes() == untouched
    assert erase_bodies(lake.spool.folder, forgotten(), 10**6) == 0
    assert lake.loader.drain().added == 6
    assert sorted(row["user"] or "" for row in lake.rows()) == ["", "Bob", "Carol", ERASED, ERASED, ERASED]


def test_a_damaged_payload_is_erased_as_a_whole(lake: LakeBuilder) -> None:
    lake.put(outgoing("a"))
    (path,) = lake.spool.waiting()
    path.write_bytes(b"{" + path.read_bytes())
    Spool.set_aside(path)
    assert erase_bodies(lake.spool.folder, forgotten(), 10**6) == 1
    assert not traces(lake.folder)


def test_what_lies_in_quarantine_is_erased(lake: LakeBuilder) -> None:
    lake.load(outgoing("a") | {"Report ID": "none"}, record("b", NOON) | {"Report ID": "none", "User": "Carol"})
    whom = forgotten()
    assert lake.quarantine.erase(whom.erase_json, change=False) == 1
    assert lake.quarantine.erase(whom.erase_json) == 1
    assert lake.quarantine.erase(whom.erase_json) == 0
    assert not any(text in one["record"] for one in lake.aside() for text in TRACES)
    assert [json.loads(one["record"]).get("User") for one in lake.aside()] == [ERASED, "Carol"]


# --- killed ----------------------------------------------------------------------------------------------------------


def erase_in_a_process(folder: Path, kill: Kill | None) -> None:
    """Go through the lake once, as a fresh process does."""
    lake_processes.erase(folder, forgotten(), kill)


@pytest.mark.parametrize("count", [1, 4, 9, 15, 24, 40])
def test_killed_at_any_moment_it_is_finished_by_doing_it_again(
    filled: LakeBuilder, tmp_path: Path, count: int, clock: ManualClock
) -> None:
    before = [(row["report_id"], row["duration"]) for row in filled.rows()]
    filled.close()
    killed = lake_processes.run(erase_in_a_process, filled.folder, Kill("disk", count))
    assert killed == -9
    assert lake_processes.run(erase_in_a_process, filled.folder, None) == 0
    lake = LakeBuilder(filled.folder, clock)
    assert [(row["report_id"], row["duration"]) for row in lake.rows()] == before
    assert not traces(lake.folder)
    lake.close()
