"""The clock is far ahead for a while: nothing that is kept for a time goes for good, in a real home."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import select
from structlog.testing import capture_logs
from typer.testing import CliRunner

from cdrelay.cli import lake
from cdrelay.cli.context import Context
from cdrelay.clock import ManualClock, SystemClock
from cdrelay.collector.retention import Retentions
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.tables import clock_seen, cuts
from cdrelay.lake.load import TIDY_EVERY
from cdrelay.lake.spool import Envelope
from cdrelay.settings import read_settings
from cdrelay.wiring import Foundation, HalfName, open_foundation, open_publisher, open_store
from cdrelay.wiring.forgetting import forgetting
from cdrelay.wiring.foundation import Store
from tests.integration.collector.collector_bench import until
from tests.support.homes import prepared
from tests.support.lake_builder import OTHER_ORG, document, record

MINUTE, HOUR, DAY, YEAR = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=365)
KEPT = {"collector_keep_days": 30.0, "publisher_keep_hours": 72.0, "disk_reserve_bytes": 0}
HALVES: tuple[HalfName, ...] = ("publisher", "collector")


class Home:
    """One half of a home, under a clock that can be set."""

    def __init__(self, home: Path, clock: ManualClock, half: HalfName, **settings: Any) -> None:
        self.clock = clock
        self.settings = read_settings({}, home=prepared(home), **(KEPT | settings))
        self.foundation: Foundation = open_foundation(self.settings, clock)
        self.store: Store = open_store(self.foundation, half)

    def load(self, *names: str) -> None:
        """Records of calls that ended now."""
        now = self.clock.now()
        for name in names:
            envelope = Envelope(id=f"payload-{name}", source="test", channel="intake", received=now)
            self.store.spool.put(envelope, document([record(name, now), record(name, now, OTHER_ORG)]))
        self.store.loader.drain()

    def run_for(self, time: timedelta) -> None:
        """The clock goes on, and the loader looks after its lake as it does."""
        for _ in range(time // TIDY_EVERY):
            self.clock.advance(TIDY_EVERY)
            self.store.loader.drain()

    def records(self) -> int:
        return self.store.lake.total()

    def told(self) -> list[str]:
        return [one.what for one in self.foundation.incidents.latest() if one.part == "upkeep"]


@contextmanager
def opened(folder: Path, clock: ManualClock, half: HalfName, **settings: Any) -> Iterator[Home]:
    home = Home(folder, clock, half, **settings)
    try:
        yield home
    finally:
        home.foundation.close()


@pytest.fixture
def clock() -> ManualClock:
    """Starts at the machine's time, by which the table notes when a file was written."""
    return ManualClock(SystemClock().now())


@pytest.fixture(params=HALVES)
def home(tmp_path: Path, clock: ManualClock, request: pytest.FixtureRequest) -> Iterator[Home]:
    """With records of two organizations, one of which has a time of its own."""
    with opened(tmp_path / "home", clock, request.param) as one:
        Retentions(one.foundation.database).set(OTHER_ORG, 10, clock.now())
        one.load("before")
        assert one.records() == 2
        yield one


def test_records_outlive_a_clock_that_is_a_year_ahead_for_some_hours(home: Home) -> None:
    home.clock.advance(YEAR)
    home.run_for(20 * HOUR)
    assert home.store.loader.keep_up().records_expired == 0
    home.clock.set_back(YEAR)
    home.run_for(2 * HOUR)
    assert home.records() == 2
    (what,) = home.told()
    assert "nothing is removed by its age before" in what
    assert "--clock-is-right" in what


def test_they_go_a_day_later_when_the_machine_was_only_off(home: Home) -> None:
    home.clock.advance(YEAR)
    home.run_for(DAY - HOUR)
    assert home.records() == 2
    home.run_for(HOUR + 2 * TIDY_EVERY)
    assert home.records() == 0


def test_they_go_in_their_time_where_the_clock_does_not_leap(home: Home) -> None:
    for _ in range(32):
        home.clock.advance(DAY)
        home.store.loader.drain()
    assert home.records() == 0
    assert home.told() == []


def test_a_restart_under_the_wrong_clock_changes_nothing(tmp_path: Path, clock: ManualClock, home: Home) -> None:
    half: HalfName = "publisher" if home.store.folder.name == "publisher" else "collector"
    home.foundation.close()
    clock.advance(YEAR)
    for _ in range(3):
        with opened(tmp_path / "home", clock, half) as again:
            again.run_for(HOUR)
            assert again.records() == 2
            assert len(again.told()) == 1


def test_the_half_that_looks_second_does_not_believe_it_either(tmp_path: Path, clock: ManualClock) -> None:
    with opened(tmp_path / "home", clock, "publisher") as publisher:
        publisher.load("a")
        with opened(tmp_path / "home", clock, "collector") as collector:
            collector.load("b")
            clock.advance(YEAR)
            publisher.store.loader.drain()
            collector.store.loader.drain()
            assert (publisher.records(), collector.records()) == (2, 2)
            assert len(publisher.told()) == 1


def test_the_rule_is_in_the_time_of_the_rules(tmp_path: Path, clock: ManualClock) -> None:
    with opened(tmp_path / "home", clock, "collector", compress=60.0) as home:
        home.load("a")
        home.clock.advance(60 * DAY / 60)
        home.run_for(DAY / 60)  # two looks
        assert home.records() == 2
        home.run_for(2 * TIDY_EVERY)
        assert home.records() == 0


async def test_what_the_control_database_forgets_waits_too(tmp_path: Path, clock: ManualClock) -> None:
    with opened(tmp_path / "home", clock, "publisher") as home:
        done: list[datetime] = []

        def forget(now: datetime) -> int:
            done.append(now)
            return 0

        looks = asyncio.create_task(forgetting(home.foundation, [forget])())
        try:
            await until(lambda: len(done) == 1)
            clock.advance(YEAR)
            after = clock.now()

            def gone_on() -> bool:
                clock.advance(10 * MINUTE)
                return len(done) == 2

            await until(gone_on)
        finally:
            looks.cancel()
            with suppress(asyncio.CancelledError):
                await looks
        assert done[1] >= after + DAY


def test_the_cuts_that_windows_lie_between_stay(tmp_path: Path, clock: ManualClock) -> None:
    home = prepared(tmp_path / "home")
    foundation = open_foundation(read_settings({}, home=home, **KEPT), clock)
    ticker = open_publisher(foundation).ticker
    for _ in range(3):
        ticker.tick_once()
        clock.advance(5 * MINUTE)
    with foundation.database.read() as connection:
        before = set(connection.scalars(select(cuts.c.tick)))
    for _ in range(3):
        clock.advance(YEAR)
        ticker.tick_once()
    with foundation.database.read() as connection:
        assert before <= set(connection.scalars(select(cuts.c.tick)))
    foundation.close()


def test_nothing_goes_while_nobody_can_say_what_the_clock_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked() -> None:
        raise DatabaseUnavailable("locked")

    home.clock.advance(YEAR)
    with monkeypatch.context() as broken:
        broken.setattr(home.foundation.database, "write", locked)
        assert not home.foundation.seen_clock.believes(home.clock.now())
        home.store.loader.drain()
    assert home.records() == 2


def upkeep(home: Home, *words: str) -> Any:
    app = typer.Typer()
    app.add_typer(lake.app, name="lake")
    context = Context(home.settings)
    try:
        half = home.store.folder.name
        result = CliRunner().invoke(app, ["lake", "upkeep", "--half", half, *words], obj=context)
    finally:
        context.close()
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def leapt(home: Home) -> None:
    """As if it had last been seen two months ago, by the machine's clock."""
    with home.foundation.database.write() as connection:
        connection.execute(clock_seen.update().values(seen_at=SystemClock().now() - timedelta(days=60)))


def test_the_operator_can_say_that_the_clock_is_right(home: Home) -> None:
    leapt(home)
    with capture_logs():
        assert "clock said" in upkeep(home).stderr
        waits = json.loads(upkeep(home, "--json").stdout)["removal_waits_until"]
        assert waits is not None
        assert json.loads(upkeep(home, "--json", "--clock-is-right").stdout)["removal_waits_until"] is None
        assert "clock said" not in upkeep(home).stderr


def test_a_server_hears_of_it_within_a_tick(home: Home, tmp_path: Path) -> None:
    home.clock.advance(YEAR)
    home.store.loader.drain()
    half: HalfName = "publisher" if home.store.folder.name == "publisher" else "collector"
    with opened(tmp_path / "home", home.clock, half) as command:
        command.foundation.seen_clock.believe(home.clock.now())
    home.run_for(2 * TIDY_EVERY)
    assert home.records() == 0
