"""Looking at the records of a body, and what is answered."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from cdrelay.publisher.intake.taking import (
    Refusal,
    Taken,
    content_encoding,
    content_kind,
    examine,
)
from cdrelay.publisher.sources.limits import IntakeLimits
from cdrelay.publisher.sources.origin import Origin

NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
LIMITS = IntakeLimits(1_000, 1_000, timedelta(days=400), timedelta(hours=1))
PLAUSIBLE = LIMITS.plausible(NOW)
RECORDS = Origin(name="intake")
ORG, ID = "11111111-2222-4333-8444-555555555555", "0a0a0a0a-2222-3333-8444-555555555555"
GOOD = {"Report ID": ID, "Org UUID": ORG, "Report time": "2026-11-24T16:59:00.000Z"}


def raw(record: object) -> msgspec.Raw:
    """As it stands in a body."""
    return msgspec.Raw(json.dumps(record).encode())


@pytest.mark.parametrize(
    ("change", "field", "report_id"),
    [
        ({"Report ID": ""}, "Report ID", None),
        ({"Report ID": "7" * 100}, "Report ID", "7" * 64),
        ({"Org UUID": "NA"}, "Org UUID", ID),
        ({"Report time": "yesterday"}, "Report time", ID),
        ({"Report time": "2026-11-24T18:00:00.001Z"}, "Report time", ID),
        ({"Report time": "2025-10-20T16:59:59.999Z"}, "Report time", ID),
    ],
)
def test_a_refused_record_is_named_with_its_field(change: dict[str, str], field: str, report_id: str | None) -> None:
    found = examine([raw(GOOD), raw(GOOD | change)], RECORDS, PLAUSIBLE)
    assert len(found.good) == found.refused_total == 1
    (refusal,) = found.refused
    assert (refusal.index, refusal.field, refusal.report_id) == (1, field, report_id)


def test_report_times_on_the_edge_are_believed() -> None:
    edges = ["2026-11-24T18:00:00.000Z", "2025-10-20T17:00:00.000Z"]
    assert examine([raw(GOOD | {"Report time": edge}) for edge in edges], RECORDS, PLAUSIBLE).refused_total == 0


def test_what_is_no_object_is_refused() -> None:
    found = examine([msgspec.Raw(b'{"broken'), raw(7), raw([GOOD]), raw(None)], RECORDS, PLAUSIBLE)
    assert [(one.index, one.report_id) for one in found.refused] == [(0, None), (1, None), (2, None), (3, None)]


def test_the_first_1000_refused_records_are_listed_and_all_are_counted() -> None:
    found = examine([raw({})] * 1_001, RECORDS, PLAUSIBLE)
    assert (len(found.refused), found.refused_total) == (1_000, 1_001)


def test_the_status_is_422_only_when_there_were_records_and_none_is_taken() -> None:
    refused = (Refusal(0, None, "Report ID", "is missing"),)
    assert Taken(0, None).status == 200
    assert Taken(1, "p", refused, 1).status == 200
    assert Taken(0, None, refused, 1).status == 422


def test_an_answer_has_one_shape() -> None:
    refused = (Refusal(3, ID, "Org UUID", "is missing"),)
    assert Taken(2, "p", refused, 1).body() == {
        "accepted": 2,
        "refused": [{"index": 3, "reportId": ID, "field": "Org UUID", "reason": "is missing"}],
        "refusedTotal": 1,
        "payload": "p",
    }


def test_content_types_say_what_a_body_is() -> None:
    assert content_kind(None) == content_kind("Application/JSON; charset=utf-8") == "document"
    assert content_kind("application/jsonl") == content_kind("application/x-ndjson") == "lines"
    assert content_kind("text/csv") is None


def test_content_encodings_are_none_or_gzip() -> None:
    assert content_encoding(None) == content_encoding("identity") == ""
    assert content_encoding("GZIP") == "gzip"
    assert content_encoding("br") is None
