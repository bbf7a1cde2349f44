"""The questions that the halves ask: counts at the edges, one organization's records, the records of a window."""

import json
from datetime import UTC, datetime, timedelta

from cdrelay.contract.windows import EPOCH, Period
from cdrelay.lake.cut import Cut
from cdrelay.records.wire import decode_object, encode_object, read_record, write_record
from cdrelay.traffic.generate import Plan, Traffic
from tests.support.lake_builder import ORG, OTHER_ORG, LakeBuilder, read_window, record, report_id

HOUR = Period(datetime(2026, 11, 24, 12, 0, tzinfo=UTC), datetime(2026, 11, 24, 13, 0, tzinfo=UTC))
STEP = timedelta(minutes=5)
MICROSECOND = timedelta(microseconds=1)


def test_a_call_on_an_edge_is_in_the_period_that_starts_there(lake: LakeBuilder) -> None:
    lake.load(record("on :00", HOUR.start), record("on :05", HOUR.start + STEP))
    counts = [
        lake.lake.count_by_organization(Period(start, start + STEP))
        for start in (HOUR.start - STEP, HOUR.start, HOUR.start + STEP)
    ]
    assert counts == [{}, {ORG: 1}, {ORG: 1}]


def test_the_last_microsecond_of_a_period_is_in_it(lake: LakeBuilder) -> None:
    lake.load(record("last", HOUR.end - MICROSECOND))
    assert lake.lake.count_by_organization(HOUR) == {ORG: 1}
    assert lake.lake.count_by_organization(Period(HOUR.end - MICROSECOND, HOUR.end)) == {ORG: 1}
    assert lake.lake.count_by_organization(Period(HOUR.start, HOUR.end - MICROSECOND)) == {}


def test_counts_are_by_organization_and_over_all_files(lake: LakeBuilder) -> None:
    for number in range(3):
        lake.load(record(number, HOUR.start), record(number, HOUR.start, org=OTHER_ORG))
    lake.load(record("alone", HOUR.start))
    assert lake.lake.count_by_organization(HOUR) == {ORG: 4, OTHER_ORG: 3}


def test_an_empty_lake_answers_every_question(lake: LakeBuilder) -> None:
    assert (lake.lake.total(), lake.lake.last_load(), lake.lake.count_by_organization(HOUR)) == (0, 0, {})
    assert list(lake.lake.read_organization(ORG, HOUR)) == []
    assert read_window(lake.lake, None, Cut(0, HOUR.end), [ORG]) == []


def test_an_organization_is_read_in_canonical_form(lake: LakeBuilder) -> None:
    generated = list(Traffic(Plan(organizations=1)).records(300, HOUR.start, HOUR.end))
    lake.load(*generated)
    org = decode_object(generated[0])["Org UUID"]
    canonical = {
        decode_object(raw)["Report ID"]: encode_object(write_record(read_record(decode_object(raw))))
        for raw in generated
    }
    read = list(lake.lake.read_organization(org, HOUR))
    assert {json.loads(text)["Report ID"]: text for text in read} == canonical


def test_what_fits_no_column_comes_out_in_its_place_or_behind(lake: LakeBuilder) -> None:
    odd = record("a", HOUR.start, Duration="long", **{"A new key": {"b": [1, 2.50]}, "Call type": "UNSEEN"})
    lake.load(odd)
    (text,) = lake.lake.read_organization(ORG, HOUR)
    assert text == encode_object(write_record(read_record(decode_object(json.dumps(odd).encode()))))
    assert list(json.loads(text))[-1] == "A new key"
    assert json.loads(text)["Duration"] == "long"


def test_a_reader_that_stops_halfway_leaves_the_engine_usable(lake: LakeBuilder) -> None:
    lake.load(*(record(number, HOUR.start) for number in range(5000)))
    half = lake.lake.read_organization(ORG, HOUR)
    next(half)
    lake.load(record("meanwhile", HOUR.start))
    assert len(list(half)) == 4999, "a reader sees the state in which it began"
    assert len(lake.read(HOUR)) == 5001


def test_the_first_window_holds_all_that_ended_before_its_cut_off(lake: LakeBuilder) -> None:
    lake.load(record("old", HOUR.start - timedelta(days=9)), record("at the cut-off", HOUR.end))
    texts = read_window(lake.lake, None, Cut(1, HOUR.end), [ORG])
    assert [json.loads(text)["Report ID"] for text in texts] == [report_id("old")]


def test_a_corrected_record_is_due_again(lake: LakeBuilder) -> None:
    lake.load(record("a", HOUR.start), record("b", HOUR.start))
    lake.load(record("a", HOUR.start + MICROSECOND))
    texts = read_window(lake.lake, Cut(1, HOUR.end), Cut(2, HOUR.end), [ORG])
    assert [json.loads(text)["Report ID"] for text in texts] == [report_id("a")]


def test_a_window_holds_the_organizations_asked_for(lake: LakeBuilder) -> None:
    lake.load(record("a", HOUR.start), record("b", HOUR.start, org=OTHER_ORG))
    read = [json.loads(text) for text in read_window(lake.lake, Cut(0, EPOCH), Cut(1, HOUR.end), [OTHER_ORG])]
    assert [one["Org UUID"] for one in read] == [OTHER_ORG]
    assert list(read_window(lake.lake, None, Cut(1, HOUR.end), [])) == []
