"""How records differ from the documents: kept at once, counted once a payload, told once."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cdrelay.collector.drift import Drift, DriftRow, DriftTotals
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.control.drift import MOST
from cdrelay.control.receipts import Receipts
from cdrelay.lake.drift import WITHHELD
from cdrelay.lake.load import Loader
from cdrelay.lake.promote import Promoter
from cdrelay.lake.spool import Envelope
from cdrelay.records.fields import Kind
from tests.integration.collector.collector_bench import START, Bench
from tests.support.lake_builder import document, record

ENDED = START - timedelta(hours=1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def put(bench: Bench, *records: dict[str, Any], source: str = "webex", payload: str = "p") -> None:
    envelope = Envelope(id=payload, source=source, channel="webhook", received=bench.clock.now())
    bench.store.spool.put(envelope, document(records))


def load(bench: Bench, *records: dict[str, Any], **about: str) -> None:
    put(bench, *records, **about)
    bench.store.loader.drain()


def found(bench: Bench) -> dict[tuple[str, str, str], int]:
    return {(row.kind, row.field, row.value): row.records for row in Drift(bench.database).rows()}


def test_documented_records_are_no_drift(bench: Bench) -> None:
    load(bench, record("a", ENDED, Direction="ORIGINATING", Answered="true"), record("b", ENDED, **{"Call type": "NA"}))
    assert found(bench) == {}


def test_unknown_keys_new_values_and_misfits_are_counted(bench: Bench) -> None:
    load(
        bench,
        record("a", ENDED, **{"New key": 1, "Call type": "SIP_NEW"}),
        record("b", ENDED, **{"New key": None, "Call type": "SIP_NEW", "Duration": "long"}),
        record("c", ENDED, **{"Duration": "longer", "Call type": "SIP_OTHER"}),
        record("d", ENDED, call_type="SIP_NEW"),
    )
    assert found(bench) == {
        ("key", "New key", ""): 2,
        ("misfit", "Duration", ""): 2,
        ("value", "Call type", "SIP_NEW"): 3,
        ("value", "Call type", "SIP_OTHER"): 1,
    }
    assert Drift(bench.database).totals() == DriftTotals(1, 2, 1)


def test_many_records_with_one_new_value_are_counted_and_loaded_as_they_came(bench: Bench) -> None:
    load(bench, *(record(number, ENDED, **{"Call type": "SIP_NEW"}) for number in range(5_000)))
    assert found(bench) == {("value", "Call type", "SIP_NEW"): 5_000}
    assert bench.store.lake.total() == 5_000


def test_further_payloads_add_to_it_and_the_first_is_remembered(bench: Bench) -> None:
    load(bench, record("a", ENDED, Extra=1), payload="first")
    bench.clock.advance(timedelta(minutes=5))
    load(bench, record("a", ENDED, Extra=1), record("b", ENDED, Extra=2), payload="second")
    load(bench, record("c", ENDED, Extra=3), payload="third", source="other")
    rows = {row.source: row for row in Drift(bench.database).rows()}
    assert rows["webex"] == DriftRow("key", "Extra", "", "webex", 3, "first", START, START + timedelta(minutes=5), None)
    assert (rows["other"].records, rows["other"].payload) == (1, "third")
    assert [row.source for row in Drift(bench.database).rows("other")] == ["other"]


def with_receipts(bench: Bench, keep: Callable[..., None]) -> Loader:
    made = bench.store.loader
    made._keep_receipts = keep
    return made


def test_a_load_that_is_repeated_counts_once(bench: Bench) -> None:
    put(bench, *(record(number, ENDED, Extra=1, **{"Call type": "SIP_NEW"}) for number in range(3)))
    keep = Receipts(bench.database, "collector").keep

    def fails_before(_: object) -> None:
        raise DatabaseUnavailable("gone")

    def fails_after(receipts: Any) -> None:
        keep(receipts)
        raise DatabaseUnavailable("gone as soon as it was written")

    for broken in (fails_before, fails_after):
        with pytest.raises(DatabaseUnavailable):
            with_receipts(bench, broken).drain()
    with_receipts(bench, keep).drain()
    assert found(bench) == {("key", "Extra", ""): 3, ("value", "Call type", "SIP_NEW"): 3}


def test_a_promoted_key_is_no_drift_any_more_but_its_misfits_are(bench: Bench) -> None:
    Promoter(bench.store.table, bench.store.engine, bench.store.loader.exclusively).promote("Extra", Kind.INTEGER)
    load(bench, record("a", ENDED, Extra="5"), record("b", ENDED, Extra=6), record("c", ENDED, Extra="many"))
    assert found(bench) == {("misfit", "Extra", ""): 1}


@pytest.mark.parametrize("value", ["+14085550199", "14085550199", "alice@example.com", "12345", "Ünïcode"])
def test_a_value_that_may_be_a_persons_is_withheld(bench: Bench, value: str) -> None:
    load(bench, record("a", ENDED, **{"Call type": value}))
    assert found(bench) == {("value", "Call type", WITHHELD): 1}


def test_a_provider_that_puts_ids_into_keys_does_not_fill_the_database(bench: Bench) -> None:
    load(bench, *(record(number, ENDED, **{f"key {number}": 1}) for number in range(MOST + 50)), payload="flood")
    assert len(found(bench)) == MOST
    known = Drift(bench.database).rows()[0].field
    load(bench, record("more", ENDED, **{known: 1, "another": 1}), payload="next")
    assert found(bench)[("key", known, "")] == 2
    assert ("key", "another", "") not in found(bench)


def test_control_characters_and_length_of_a_key_are_bounded(bench: Bench) -> None:
    load(bench, record("a", ENDED, **{"line\nfeed": 1, "x" * 500: 1}))
    assert {field for _, field, _ in found(bench)} == {"line�feed", "x" * 200}


def test_each_is_told_once(bench: Bench) -> None:
    drift = Drift(bench.database)
    load(bench, record("a", ENDED, Extra=1), payload="first")
    (untold,) = drift.untold()
    assert untold.what == "unknown key 'Extra'"
    drift.told([untold], START)
    load(bench, record("b", ENDED, Extra=1, Other=1), payload="second")
    assert [row.field for row in drift.untold()] == ["Other"]
    drift.told(drift.rows(), START + timedelta(hours=1))
    assert {row.field: row.told_at for row in drift.rows()} == {"Extra": START, "Other": START + timedelta(hours=1)}
    assert drift.untold() == []


def test_it_is_logged_once_and_without_values(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for payload in ("first", "second"):
        load(bench, record(payload, ENDED, **{"Call type": "Alice Reed"}), payload=payload)
    out = "".join(capsys.readouterr())
    assert out.count("drift.new") == 1
    assert "Alice" not in out


def test_the_publishers_intake_is_not_counted(bench: Bench) -> None:
    with_receipts(bench, Receipts(bench.database, "publisher").keep)
    load(bench, record("a", ENDED, Extra=1))
    assert found(bench) == {}
