"""The checker sees what it is there to see: a collector's lake that was doctored is found out."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.contract.times import read_time
from cdrelay.contract.windows import Period, floor_to
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from cdrelay.traffic import Plan, Traffic
from cdrelay.wiring import open_foundation, open_store
from tests.chaos.checking import Held, Violations, check_ledger, check_records, key_of, read_held

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
LINES = list(Traffic(Plan(organizations=2)).records(60, NOW - HOUR, NOW))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a collector."""
    return tmp_path / "collector"


def load(home: Path, lines: Sequence[bytes]) -> Held:
    """Store these records as a collector does; what it holds then."""
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(home), "CDRELAY_DISK_RESERVE_BYTES": "0"}))
    store = open_store(foundation, "collector")
    envelope = Envelope(id=str(uuid4()), source="webex", channel="webhook", received=NOW)
    store.spool.put(envelope, b'{"items":[' + b",".join(lines) + b"]}")
    store.loader.drain()
    foundation.close()
    return read_held(home, "collector")


def check(given: Held, stored: Held) -> Violations:
    """When the collector has acknowledged all that was given."""
    return check_records(given, stored, {key_of(one): one["Report time"] for one in given.records})


def test_a_lake_that_holds_all_violates_nothing(home: Path, tmp_path: Path) -> None:
    given = load(tmp_path / "given", LINES)

    assert len(given.records) == len(LINES)
    assert not check(given, load(home, LINES))


def test_a_record_that_was_taken_out_is_lost(home: Path, tmp_path: Path) -> None:
    given = load(tmp_path / "given", LINES)

    found = check(given, load(home, LINES[:20] + LINES[21:]))

    assert found == Violations(lost=[key_of(msgspec.json.decode(LINES[20]))])


def test_a_record_that_was_acknowledged_and_is_out_of_the_publishers_reach_is_lost_all_the_same(home: Path) -> None:
    record = msgspec.json.decode(LINES[20])

    found = check_records(Held([]), load(home, LINES[:20]), {key_of(record): record["Report time"]})

    assert found.lost == [key_of(record)]


def test_a_file_that_was_committed_a_second_time_is_all_duplicates(home: Path, tmp_path: Path) -> None:
    given = load(tmp_path / "given", LINES)
    load(home, LINES[:59])
    load(home, LINES[59:])
    commit_again(home / "collector" / "lake")

    found = check(given, read_held(home, "collector"))

    assert found == Violations(twice=[key_of(msgspec.json.decode(LINES[59]))])


def commit_again(lake: Path) -> None:
    """Write a Delta commit that adds a copy of the files of the last one."""
    last = max((lake / "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in last.read_text().splitlines()]
    copies = []
    for action in actions:
        if "add" in action:
            path = Path(action["add"]["path"])
            copy = path.with_name(f"copy-{path.name}")
            shutil.copy(lake / path, lake / copy)
            copies.append(json.dumps({"add": action["add"] | {"path": copy.as_posix()}}))
    assert copies
    last.with_name(f"{int(last.stem) + 1:020d}.json").write_text("\n".join(copies))


def test_an_older_version_is_outdated(home: Path, tmp_path: Path) -> None:
    record = msgspec.json.decode(LINES[20])
    newer = msgspec.json.encode(record | {"Report time": LATER, "Duration": 99})
    given = load(tmp_path / "given", [*LINES, newer])

    found = check(given, load(home, LINES))

    assert found == Violations(outdated=[key_of(record)])


LATER = f"{NOW + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S.000Z}"


def test_a_field_that_differs_is_seen(home: Path, tmp_path: Path) -> None:
    record = msgspec.json.decode(LINES[20])
    given = load(tmp_path / "given", LINES)

    found = check(given, load(home, [*LINES[:20], msgspec.json.encode(record | {"Duration": 99}), *LINES[21:]]))

    assert found == Violations(different=[key_of(record)])


def test_a_record_that_nobody_gave_is_unknown(home: Path, tmp_path: Path) -> None:
    given = load(tmp_path / "given", LINES[1:])

    assert check(given, load(home, LINES)) == Violations(unknown=[key_of(msgspec.json.decode(LINES[0]))])


def row(record: dict[str, str], number: int) -> LedgerRow:
    """A ledger row that proves the hour of a record."""
    start = floor_to(read_time(record["Report time"]), HOUR)
    return LedgerRow("webex", record["Org UUID"], Period(start, start + HOUR), number, number, "matched", 0, NOW)


def test_a_ledger_that_does_not_prove_an_hour_is_seen() -> None:
    record = msgspec.json.decode(LINES[0])
    given = Held([record])
    proved = row(record, 1)

    assert check_ledger([proved], given, HOUR) == []
    assert "no row" in check_ledger([], given, HOUR)[0]
    assert "lost" in check_ledger([replace(proved, state="lost", stored=0)], given, HOUR)[0]
    assert "short" in check_ledger([replace(proved, state="short", stored=0)], given, HOUR)[0]
    assert "publisher has 2" in check_ledger([proved], Held([record, record]), HOUR)[0]
    assert "has none" in check_ledger([replace(proved, stored=0)], Held([]), HOUR)[0]
