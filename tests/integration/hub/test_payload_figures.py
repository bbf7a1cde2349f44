"""Payload totals over years of receipts: a look reads what came since the last one, whatever became of the others."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfile

import pytest
from sqlalchemy import event, insert, text

from cdrelay.control.database import Database
from cdrelay.control.receipts import Receipts
from cdrelay.control.tables import payloads
from cdrelay.hub.payload_figures import PayloadFigures, Payloads

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class Kept:
    """A control database with receipts, and who reads them again and again."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.database.migrate()
        self.figures = PayloadFigures(self.database)

    def receive(self, *numbers: int, half: str = "collector") -> None:
        """A payload of ten records at each of these days, one of them known already; each a load."""
        counts = {"records": 10, "added": 9, "corrected": 0, "repeated": 1, "quarantined": 0, "bytes": 1}
        usual = counts | {"half": half, "source": "webex", "channel": "webhook"}
        with self.database.write() as connection:
            for number in numbers:
                at = START + number * DAY
                own = {"id": f"{half} {number}", "received_at": at, "loaded_at": at, "load_seq": number}
                connection.execute(insert(payloads).values(usual | own))

    def totals(self) -> Payloads:
        """Of the reader, which are those of one that begins now."""
        found = self.figures.totals("collector")
        assert found == PayloadFigures(self.database).totals("collector")
        return found


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    opened = Kept(tmp_path / "control.db")
    yield opened
    opened.database.close()


def test_receipts_that_come_are_added_to_what_was_counted(kept: Kept) -> None:
    assert kept.totals() == Payloads(0, 0, 0, 0, 0, None)
    kept.receive(1, 2)
    assert kept.totals() == Payloads(2, 20, 2, 0, 0, START + 2 * DAY)
    kept.receive(1, 2, half="publisher")
    kept.receive(3)
    assert kept.totals() == Payloads(3, 30, 3, 0, 0, START + 3 * DAY)
    assert kept.totals().payloads == 3


def test_receipts_that_go_and_come_between_two_looks_stay_counted_once(kept: Kept) -> None:
    kept.receive(1, 2, 3)
    kept.totals()
    kept.receive(4, 5)
    assert Receipts(kept.database, "collector").forget_before(START + 4.5 * DAY) == 4
    kept.receive(6)
    assert kept.totals() == Payloads(6, 60, 6, 0, 0, START + 6 * DAY)


def test_another_database_in_its_place_is_counted_anew(kept: Kept, tmp_path: Path) -> None:
    other = Kept(tmp_path / "other.db")
    other.receive(7, 8, 9)
    other.database.close()
    kept.receive(1, 2)
    kept.totals()
    kept.database.close()
    copyfile(other.database.path, kept.database.path)
    assert kept.totals().payloads == 3


def test_numbers_that_are_given_anew_are_counted_anew(kept: Kept) -> None:
    kept.receive(*range(1, 9))
    Receipts(kept.database, "collector").forget_before(START + 5.5 * DAY)
    kept.totals()
    with kept.database.write() as connection:
        connection.execute(text("UPDATE payloads SET rowid = rowid - 5"))  # as VACUUM may
    kept.receive(9)
    assert kept.totals().payloads == 9


def test_a_second_look_does_not_go_through_all_receipts(kept: Kept) -> None:
    kept.receive(1, 2)
    kept.totals()
    asked: list[str] = []
    event.listen(kept.database._readers, "before_cursor_execute", lambda *told: asked.append(told[2]))

    kept.figures.totals("collector")

    sums = [statement for statement in asked if "sum(" in statement]
    assert len(sums) == 1
    with kept.database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sums[0]}", (0,) * sums[0].count("?"))
        assert [row[3] for row in plan] == ["SEARCH payloads USING INTEGER PRIMARY KEY (rowid>?)"]
