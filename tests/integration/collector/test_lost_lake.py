"""A collector's lake that was lost and begun anew: the ledger does not call stored what is gone, and it is repaired."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdrelay.cli import lake
from cdrelay.cli.context import Context
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.collector.retention import Retentions
from cdrelay.contract.windows import Period
from cdrelay.lake.log_repair import LakeUnreadable
from cdrelay.settings import read_settings
from cdrelay.wiring import open_collector
from cdrelay.wiring.ledger import open_ledger_parts
from tests.integration.collector.collector_bench import START, Bench, only
from tests.support.ledger_builder import HOUR, LedgerBuilder
from tests.support.provider import Provider, calls, organization

A, B = organization(1), organization(2)
TEN = START.replace(hour=10, minute=0)
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the home."""
    return tmp_path / "home"


class Homes:
    """A home that is opened again and again, at the time of the bench."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[Bench] = []

    def open(self) -> Bench:
        self.opened.append(Bench(self.folder))
        return self.opened[-1]

    def begin_anew(self, *, now: Any = START, **settings: Any) -> Result:
        """Closes what is open, loses the lake, and runs the command."""
        for one in self.opened:
            one.close()
        self.opened.clear()
        shutil.rmtree(self.folder / "collector" / "lake", ignore_errors=True)
        return self.command("--yes", now=now, **settings)

    def command(self, *words: str, now: Any = START, **settings: Any) -> Result:
        context = Context(read_settings({"CDRELAY_HOME": str(self.folder)}, **settings))
        context.foundation().clock.now = lambda: now  # type: ignore[method-assign]
        try:
            return CliRunner().invoke(lake.app, ["begin-anew", "--half", "collector", *words], obj=context)
        finally:
            context.close()


@pytest.fixture
def homes(folder: Path) -> Iterator[Homes]:
    """Closes what a test opened."""
    made = Homes(folder)
    yield made
    for one in made.opened:
        one.close()


def filled(bench: Bench, *rows: dict[str, Any]) -> LedgerBuilder:
    builder = LedgerBuilder(bench.database, bench.store.spool, bench.store.loader)
    builder.source("webex", START - 800 * DAY)
    bench.deliver(calls(A, TEN, 3))
    bench.store.loader.drain()
    builder.rows({"org_uuid": A} | row for row in rows)
    return builder


def rows_of(bench: Bench, org_uuid: str = A) -> dict[timedelta, LedgerRow]:
    return {TEN - row.window.start: row for row in bench.ledger.rows(org_uuid=org_uuid)}


def test_no_hour_says_any_more_that_something_is_stored(homes: Homes) -> None:
    bench = homes.open()
    filled(
        bench,
        {"window_start": TEN, "expected": 3, "stored": 3, "proof": "ids", "completed_at": START},
        {"window_start": TEN - HOUR, "expected": 0, "stored": 0},
        {"window_start": TEN - 2 * HOUR, "expected": 0, "stored": 4, "state": "surplus", "reason": "4 stored"},
        {"window_start": TEN - 3 * HOUR, "expected": 0, "stored": 4, "state": "open", "proof": "none", "reason": "no"},
        {"window_start": TEN - 20 * DAY, "expected": 8, "stored": 5, "state": "lost", "history_tries": 10},
        {"window_start": TEN - 40 * DAY, "state": "repaired"},
        {"window_start": TEN - 700 * DAY},
    )

    done = homes.begin_anew()

    assert done.exit_code == 0, done.output
    assert "36 records that the ledger called stored are gone: 2 hours of organizations are short, 2 are lost" in (
        " ".join(done.output.split())
    )
    bench = homes.open()
    found = rows_of(bench)
    assert {row.stored for row in found.values()} == {0}
    said = {age: (row.state, row.proof, row.reason) for age, row in found.items()}
    gone = "missing; they were stored until the lake was lost and begun anew"
    assert said == {
        timedelta(0): ("short", "counts", f"3 {gone}"),
        HOUR: ("matched", "counts", None),
        2 * HOUR: ("matched", "counts", None),
        3 * HOUR: ("open", "none", "no"),
        20 * DAY: ("short", "counts", f"8 {gone}"),
        40 * DAY: ("lost", "counts", f"10 {gone}"),
        700 * DAY: ("lost", "counts", f"10 {gone}"),
    }
    assert (found[timedelta(0)].recheck_at, found[timedelta(0)].completed_at) == (START, None)
    assert found[20 * DAY].history_tries == 0
    assert "36 records" in bench.incidents.latest()[0].what

    certificates = open_ledger_parts(bench.foundation, open_collector(bench.foundation)).certificates
    made = certificates.certificate("webex", A, Period(TEN - 40 * DAY, TEN - 40 * DAY + HOUR))
    assert (made.verdict, made.missing, made.stored) == ("not complete", 10, 0)


def test_what_was_only_to_be_kept_for_so_long_is_not_missed(homes: Homes) -> None:
    bench = homes.open()
    for org_uuid in (A, B):
        rows = [{"org_uuid": org_uuid, "window_start": TEN - age * DAY} for age in (100, 80, 50)]
        if org_uuid == A:
            builder = filled(bench, *rows)
        else:
            builder.rows(rows)
    Retentions(bench.database).set(B, 60, START)

    assert homes.begin_anew(collector_keep_days=90).exit_code == 0

    bench = homes.open()
    assert {age: row.state for age, row in rows_of(bench).items()} == {
        100 * DAY: "matched", 80 * DAY: "lost", 50 * DAY: "lost",
    }  # fmt: skip
    assert {age: row.stored for age, row in rows_of(bench, B).items()} == {100 * DAY: 10, 80 * DAY: 10, 50 * DAY: 0}


async def test_what_the_provider_still_has_comes_back_and_is_proved_by_ids_again(homes: Homes) -> None:
    bench = homes.open()
    builder = LedgerBuilder(bench.database, bench.store.spool, bench.store.loader)
    bench.deliver(calls(A, TEN, 3))
    async with Provider(bench.clock, history=calls(A, TEN - 20 * DAY, 10)) as provider:
        provider.records = calls(A, TEN, 3)
        reconciler = bench.reconciler(provider)
        for minute in range(0, 60, 5):
            window = TEN + timedelta(minutes=minute)
            within = [call.wire() for call in calls(A, TEN, 3)] if minute == 0 else []
            builder.manifest(window, within, f"p{minute}")
        await only(reconciler)
        assert {row.proof for age, row in rows_of(bench).items() if not age} == {"ids"}
        builder.rows([{"org_uuid": A, "window_start": TEN - 20 * DAY}, {"org_uuid": A, "window_start": TEN - 40 * DAY}])
        provider.requests.clear()

        assert homes.begin_anew().exit_code == 0

        bench = homes.open()
        report = await only(bench.reconciler(provider))
    found = rows_of(bench)
    assert (found[timedelta(0)].state, found[timedelta(0)].proof, found[timedelta(0)].stored) == ("repaired", "ids", 3)
    assert any(f"orgId={A}" in request for request in provider.requests)
    assert (found[20 * DAY].state, found[20 * DAY].ways, found[20 * DAY].stored) == ("repaired", ("history",), 10)
    assert found[40 * DAY].state == "lost"
    assert (report.fetched, report.lost) == (13, 0)


def test_interrupted_before_there_is_a_lake_the_same_command_does_the_rest(
    homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(homes.open(), {"window_start": TEN, "expected": 3, "stored": 3}, {"window_start": TEN - 40 * DAY})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cdrelay.cli.lake_anew.begin_lake_anew", killed)
        assert homes.begin_anew().exit_code == 130
    with pytest.raises(LakeUnreadable):
        homes.open()
    assert homes.command("--yes", now=START + DAY).exit_code == 0
    assert {age: row.state for age, row in rows_of(homes.open()).items()} == {timedelta(0): "short", 40 * DAY: "lost"}


def test_where_there_is_a_lake_the_ledger_stays_as_it_is(homes: Homes) -> None:
    bench = homes.open()
    filled(bench, {"window_start": TEN, "expected": 3, "stored": 3})
    bench.close()
    homes.opened.clear()
    assert homes.command("--yes").exit_code == 1
    assert rows_of(homes.open())[timedelta(0)].state == "matched"
