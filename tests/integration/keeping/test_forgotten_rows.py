"""What the control database lets go of: what is old and over goes, what is new or open stays, and counts stay right."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, insert, select

from cdrelay.clock import ManualClock
from cdrelay.collector.alarms.store import Alarms
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.retention import Retentions
from cdrelay.control import forgetting as module
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.forgetting import count_of, forget, forgotten
from cdrelay.control.receipts import Receipts
from cdrelay.control.tables import alarms, alerts, partners, payloads
from cdrelay.hub.payload_figures import PayloadFigures
from cdrelay.settings import read_settings
from cdrelay.wiring import Foundation, open_foundation
from cdrelay.wiring.forgetting import Chore, forgetting, of_collector, of_publisher

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ORG = "11111111-2222-4333-8444-555555555555"

Opened = Callable[..., Foundation]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens a home with settings."""
    homes: list[Foundation] = []

    def open_home(**settings: Any) -> Foundation:
        given = read_settings({"CDRELAY_HOME": str(tmp_path / "home")}, **settings)
        homes.append(open_foundation(given, ManualClock(NOW)))
        return homes[-1]

    yield open_home
    for home in homes:
        home.close()


def put(home: Foundation, table: Table, *rows: dict[str, Any]) -> None:
    with home.database.write() as connection:
        for row in rows:
            connection.execute(insert(table).values(row))


def there(home: Foundation, table: Table, column: str) -> set[Any]:
    with home.database.read() as connection:
        return set(connection.scalars(select(table.c[column])))


def collector_chores(home: Foundation) -> list[Chore]:
    return of_collector(home, Manifests(home.database), Alarms(home.database, home.clock))


def do(chores: list[Chore]) -> int:
    return sum(chore(NOW) for chore in chores)


def told(what: str, age: timedelta, *, partner: str | None, waits: bool = False) -> dict[str, Any]:
    row = {"at": NOW - age, "partner_id": partner, "channel": "mail", "target": "ops@example.com", "what": what}
    return row | {"subject": what, "attempts": 1, "next_attempt_at": NOW if waits else None}


def receipt(
    name: str, age: timedelta, *, half: str = "collector", source: str = "webex", load: int = 1
) -> dict[str, Any]:
    numbers = dict.fromkeys(("bytes", "corrected", "repeated", "quarantined"), 1) | {"records": 5, "added": 2}
    row = {"id": name, "half": half, "source": source, "channel": "webhook", "load_seq": load, **numbers}
    return row | {"received_at": NOW - age, "loaded_at": NOW - age}


def test_what_people_were_told_goes_and_what_is_still_to_be_told_stays(opened: Opened) -> None:
    home = opened(delivery_log_days=14, alarm_log_days=30)
    put(home, partners, {"id": "one", "name": "One", "created_at": NOW})
    for partner in (None, "one"):
        put(
            home,
            alerts,
            told(f"{partner} old", 40 * DAY, partner=partner),
            told(f"{partner} old, waits", 40 * DAY, partner=partner, waits=True),
            told(f"{partner} three weeks", 21 * DAY, partner=partner),
            told(f"{partner} new", DAY, partner=partner),
        )
    assert do(collector_chores(home)) == 1
    assert "None old" not in there(home, alerts, "what")
    assert do(of_publisher(home)) == 2
    assert do(of_publisher(home)) == do(collector_chores(home)) == 0
    expected = {"None old, waits", "None three weeks", "None new", "one old, waits", "one new"}
    assert there(home, alerts, "what") == expected


def test_how_often_a_partner_may_be_told_is_not_forgotten(opened: Opened) -> None:
    home = opened(delivery_log_days=0.1)
    put(home, partners, {"id": "one", "name": "One", "created_at": NOW})
    put(home, alerts, told("lately", DAY, partner="one"), told("old", 3 * DAY, partner="one"))
    do(of_publisher(home))
    assert there(home, alerts, "what") == {"lately"}


def test_alarms_that_are_over_go_and_those_that_stand_stay(opened: Opened) -> None:
    home = opened(alarm_log_days=30)
    common = {"kind": "source-silent", "what": "", "seen_at": NOW - 90 * DAY, "raised_at": NOW - 90 * DAY}
    put(
        home,
        alarms,
        common | {"subject": "over", "cleared_at": NOW - 31 * DAY},
        common | {"subject": "over lately", "cleared_at": NOW - 29 * DAY},
        common | {"subject": "stands", "cleared_at": None},
    )
    assert do(collector_chores(home)) == 1
    assert do(collector_chores(home)) == 0
    assert there(home, alarms, "subject") == {"over lately", "stands"}


def test_receipts_go_with_the_records_and_are_counted_still(opened: Opened) -> None:
    home = opened(collector_keep_days=20, ledger_keep_days=20, publisher_keep_hours=72)
    put(
        home,
        payloads,
        receipt("old", 30 * DAY),
        receipt("also old", 25 * DAY),
        receipt("the last of pbx", 30 * DAY, source="pbx"),
        receipt("the last load", 30 * DAY, load=9),
        receipt("new", 19 * DAY),
        receipt("of the other half", 30 * DAY, half="publisher"),
        receipt("of the other half, two weeks", 13 * DAY, half="publisher", load=2),
    )
    figures = PayloadFigures(home.database)
    before = {half: figures.totals(half) for half in ("collector", "publisher")}
    assert before["collector"].received == 25
    assert do(collector_chores(home)) == 2
    assert do(collector_chores(home)) == 0
    kept = {"the last of pbx", "the last load", "new"}
    others = {"of the other half", "of the other half, two weeks"}
    assert there(home, payloads, "id") == kept | others
    assert do(of_publisher(home)) == 1
    assert there(home, payloads, "id") == kept | {"of the other half, two weeks"}
    assert {half: figures.totals(half) for half in ("collector", "publisher")} == before
    assert Receipts(home.database, "collector").last_load() == 9


def test_receipts_stay_as_long_as_any_records_do(opened: Opened) -> None:
    home = opened(collector_keep_days=20, ledger_keep_days=20)
    put(home, payloads, receipt("old", 30 * DAY), receipt("new", DAY, load=2))
    Retentions(home.database).set(ORG, 31, NOW)
    assert do(collector_chores(home)) == 0
    Retentions(home.database).remove(ORG)
    assert do(collector_chores(home)) == 1


def test_what_is_kept_for_ever_is(opened: Opened) -> None:
    home = opened(collector_keep_days=0, publisher_keep_hours=0, delivery_log_days=0, alarm_log_days=0)
    put(home, partners, {"id": "one", "name": "One", "created_at": NOW})
    put(home, alerts, *(told("old", 900 * DAY, partner=partner) for partner in (None, "one")))
    put(home, payloads, receipt("old", 900 * DAY), receipt("new", DAY, load=2))
    assert do(collector_chores(home)) == do(of_publisher(home)) == 0


def test_stopped_between_two_transactions_nothing_is_counted_twice(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = opened()
    put(home, payloads, *(receipt(str(number), DAY) for number in range(7)))
    monkeypatch.setattr(module, "AT_ONCE", 2)
    write, written = home.database.write, []

    def stopped() -> Any:
        written.append(1)
        if len(written) == 3:
            raise DatabaseUnavailable("the process ends here")
        return write()

    monkeypatch.setattr(home.database, "write", stopped)
    old, sums = payloads.c.received_at < NOW, {"gone": count_of(payloads)}
    with pytest.raises(DatabaseUnavailable):
        forget(home.database, payloads, old, sums)
    assert len(there(home, payloads, "id")) == 3
    assert forget(home.database, payloads, old, sums) == 3
    with home.database.read() as connection:
        assert forgotten(connection, ["gone", "nothing"]) == {"gone": 7, "nothing": 0}


async def test_the_loop_goes_on_when_the_database_is_not_there_for_one_chore(opened: Opened) -> None:
    home = opened()
    done: list[str] = []

    def fails(_now: datetime) -> int:
        raise DatabaseUnavailable("locked")

    def works(_now: datetime) -> int:
        done.append("done")
        return 0

    task = asyncio.create_task(forgetting(home, [fails, works])())
    try:
        async with asyncio.timeout(10):
            while len(done) < 2:
                await asyncio.sleep(0.01)
                if done:
                    home.clock.advance(timedelta(hours=1))  # type: ignore[attr-defined]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
