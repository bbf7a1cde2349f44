"""The ledger of a collector that runs for years: what is old goes, what is missing stays, nothing is claimed of it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from cdrelay.clock import ManualClock
from cdrelay.collector import ledger_forgetting as module
from cdrelay.collector.certificate import Certificate, as_json
from cdrelay.collector.certificate_pdf import certificate_pdf
from cdrelay.collector.ledger_rows import LedgerTotals
from cdrelay.collector.manifests import Manifests
from cdrelay.collector.retention import Retentions
from cdrelay.contract.windows import Period
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.tables import compared_hours, ledger, payloads, reconciliations
from cdrelay.hub.ledger.parts import LedgerParts
from cdrelay.settings import read_settings
from cdrelay.wiring import CollectorParts, Foundation, open_collector, open_foundation
from cdrelay.wiring.forgetting import of_collector
from cdrelay.wiring.ledger import open_ledger_parts
from tests.support.ledger_builder import HOUR, LedgerBuilder, org, records_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
A, B = org(1), org(2)


class Home:
    """A collector whose source was there two years ago."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        given = read_settings({"CDRELAY_HOME": str(folder), "CDRELAY_DISK_RESERVE_BYTES": "0"}, **settings)
        self.foundation: Foundation = open_foundation(given, ManualClock(NOW))
        self.database = self.foundation.database
        self.parts: CollectorParts = open_collector(self.foundation)
        store = self.parts.store
        self.builder = LedgerBuilder(self.database, store.spool, store.loader)
        self.builder.source("webex", NOW - 800 * DAY)
        self.shown: LedgerParts = open_ledger_parts(self.foundation, self.parts)

    def hours(self, *rows: tuple[timedelta, dict[str, Any]]) -> None:
        """Rows of so long ago, and that the hour was compared."""
        self.builder.rows([{"org_uuid": A, "window_start": NOW - age} | more for age, more in rows])
        with self.database.write() as connection:
            for start in {NOW - age for age, _ in rows}:
                row = {"source": "webex", "window_start": start, "failures": 0}
                connection.execute(insert(compared_hours).values(row | dict.fromkeys(("tried_at", "compared_at"), NOW)))

    def forget(self) -> int:
        """All that the collector forgets, once."""
        chores = of_collector(self.foundation, Manifests(self.database), self.parts.alarms)
        return sum(chore(NOW) for chore in chores)

    def ages(self, org_uuid: str = A) -> list[int]:
        """Of the rows of an organization, in days, the newest first."""
        return [(NOW - row.window.start).days for row in self.parts.ledger.rows(org_uuid=org_uuid)]

    def certificate(self, age: timedelta, hours: int = 1) -> Certificate:
        """Of so many hours from so long ago on."""
        return self.shown.certificates.certificate("webex", A, Period(NOW - age, NOW - age + hours * HOUR))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Callable[..., Home]]:
    """Opens one with settings."""
    opened: list[Home] = []

    def open_home(**settings: Any) -> Home:
        opened.append(Home(tmp_path / "home", settings))
        return opened[-1]

    yield open_home
    for one in opened:
        one.foundation.close()


def test_old_hours_go_and_those_in_which_something_is_missing_stay(home: Callable[..., Home]) -> None:
    one = home(collector_keep_days=30, ledger_keep_days=100)
    short, lost = ({"state": state, "expected": 12} for state in ("short", "lost"))
    matched: dict[str, Any] = {}
    uncompared = {"state": "open", "proof": "none"}
    one.hours(
        (500 * DAY, matched), (450 * DAY, lost), (400 * DAY, short), (300 * DAY, {"state": "surplus", "stored": 11}),
        (200 * DAY, uncompared), (101 * DAY, {"state": "repaired"}), (99 * DAY, matched), (DAY, matched),
    )  # fmt: skip
    before = one.parts.ledger.totals()

    assert one.forget() == 4 + 6  # and of as many hours that they were compared
    assert one.forget() == 0

    assert one.ages() == [1, 99, 400, 450]
    assert one.parts.ledger.totals() == before == one.parts.ledger.totals("webex")
    assert one.parts.ledger.totals("another") == LedgerTotals()
    assert one.parts.ledger.forgotten_until("webex") == NOW - 100 * DAY
    with one.database.read() as connection:
        assert len(connection.execute(select(compared_hours)).all()) == 2
    one.parts.sources.remove("webex")
    assert one.parts.ledger.totals() == LedgerTotals()


def test_the_ledger_and_the_receipts_stay_as_long_as_any_records(home: Callable[..., Home]) -> None:
    one = home(collector_keep_days=30, ledger_keep_days=20)
    one.hours(*((age * DAY, {}) for age in (29, 59, 61)))
    for age in (61, 1):
        one.builder.deliver(f"{age} days ago", records_of(A, NOW - age * DAY, 1), NOW - age * DAY)
    with one.database.write() as connection:
        connection.execute(payloads.update().values(loaded_at=payloads.c.received_at))
    Retentions(one.database).set(B, 60, NOW)

    assert one.forget() == 1 + 1 + 1  # the row, that its hour was compared, the receipt
    assert one.ages() == [29, 59]
    Retentions(one.database).remove(B)
    one.forget()
    assert one.ages() == [29]


@pytest.mark.parametrize("settings", [{"ledger_keep_days": 0}, {"collector_keep_days": 0}])
def test_kept_for_ever(home: Callable[..., Home], settings: dict[str, int]) -> None:
    one = home(**({"collector_keep_days": 30} | settings))
    one.hours((700 * DAY, {}))
    assert one.forget() == 0
    assert one.ages() == [700]
    assert one.parts.ledger.forgotten_until("webex") is None


def test_stopped_in_between_no_window_is_counted_twice_and_the_rest_goes_the_next_time(
    home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = home(collector_keep_days=30, ledger_keep_days=100)
    one.hours(*((200 * DAY + number * HOUR, {}) for number in range(7)))
    monkeypatch.setattr(module, "AT_ONCE", 2)
    write, written = one.database.write, []

    def stopped() -> Any:
        written.append(1)
        if len(written) == 4:  # how far back it goes, and twice two rows
            raise DatabaseUnavailable("the process ends here")
        return write()

    monkeypatch.setattr(one.database, "write", stopped)
    forgetting = module.LedgerForgetting(one.database)
    with pytest.raises(DatabaseUnavailable):
        forgetting.hours_before(NOW - 100 * DAY)
    assert (len(one.ages()), one.parts.ledger.totals().matched) == (3, 7)
    forgetting.hours_before(NOW - 100 * DAY)
    assert (len(one.ages()), one.parts.ledger.totals().matched) == (0, 7)
    with one.database.read() as connection:
        assert connection.scalars(select(ledger.c.source)).all() == []


def test_a_certificate_claims_nothing_of_hours_that_were_forgotten(home: Callable[..., Home]) -> None:
    one = home(collector_keep_days=30, ledger_keep_days=100)
    lost = {"state": "lost", "expected": 12}
    one.hours((200 * DAY, {}), (200 * DAY - HOUR, {}), (199 * DAY, {}), (199 * DAY - HOUR, lost))
    one.forget()

    made = one.certificate(200 * DAY, 2)
    assert (made.verdict, made.missing) == ("not proved", 0)
    assert made.statement.endswith("The 2 hours: 2 not kept any more.")
    assert as_json(made)["hours"]["not_kept"] == 2
    assert {hour.reason for hour in made.hours} == {"what the ledger said of it is not kept any more"}
    assert made.silence is not None
    assert (made.silence.kind, "not kept any more" in made.silence.text) == ("not kept", True)
    assert certificate_pdf(made).startswith(b"%PDF")

    with_loss = one.certificate(199 * DAY, 2)
    assert (
        with_loss.statement == "Not complete: 2 records are missing, in 1 of 2 hours. The others: 1 not kept any more."
    )
    # An hour that is not so old and has no row was not compared.
    assert one.certificate(50 * DAY).findings == {"not compared": 1}


def test_a_certificate_tells_records_that_were_let_go_of_from_those_that_are_missing(
    home: Callable[..., Home],
) -> None:
    one = home(collector_keep_days=30)
    stored: dict[str, Any] = {"expected": 2, "stored": 2}
    one.hours((60 * DAY, stored), (60 * DAY - HOUR, stored | {"state": "lost", "expected": 3}), (20 * DAY, stored))
    one.builder.deliver("still there", records_of(A, NOW - 60 * DAY - HOUR, 2), NOW)

    let_go = one.certificate(60 * DAY)
    assert (let_go.verdict, let_go.missing) == ("not proved", 0)
    assert let_go.hours[0].reason == "its records are not kept any more; nothing was missing when it was compared"
    assert one.certificate(60 * DAY, 2).missing == 1
    assert (one.certificate(20 * DAY).verdict, one.certificate(20 * DAY).missing) == ("not complete", 2)

    Retentions(one.database).set(A, 90, NOW)
    assert one.certificate(60 * DAY).verdict == "not complete"
    Retentions(one.database).set(A, 10, NOW)
    assert one.certificate(20 * DAY).verdict == "not proved"


def test_silence_is_not_explained_by_receipts_that_are_gone(home: Callable[..., Home]) -> None:
    one = home(collector_keep_days=30, ledger_keep_days=100)
    one.hours((200 * DAY, {"state": "lost", "expected": 5, "stored": 0}))
    hour = Period(NOW - 200 * DAY, NOW - 200 * DAY + HOUR)
    assert one.shown.silence.explain("webex", A, hour).kind == "no deliveries"
    one.forget()
    found = one.shown.silence.explain("webex", A, hour)
    assert found.kind == "not kept"
    assert found.text.startswith("The provider counts 5 records, and none is stored.")


def test_runs_go_with_the_alarms_but_the_last_of_each_source(home: Callable[..., Home]) -> None:
    one = home(alarm_log_days=30)
    one.builder.source("silent", NOW - 800 * DAY)
    for age, source in ((60, "silent"), (50, "silent"), (40, "webex"), (20, "webex"), (1, "webex")):
        one.builder.run(NOW - age * DAY, source=source)
    assert one.forget() == 2
    with one.database.read() as connection:
        left = connection.execute(select(reconciliations.c.source, reconciliations.c.started_at)).all()
    assert set(left) == {("silent", NOW - 50 * DAY), ("webex", NOW - 20 * DAY), ("webex", NOW - DAY)}
