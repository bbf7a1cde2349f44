"""Why it is silent, by facts alone."""

from datetime import UTC, datetime, timedelta

import pytest

from cdrelay.collector.silence import SilenceFacts, explain
from cdrelay.contract.windows import Period

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
STOPPED = (Period(NOON, NOON + timedelta(hours=2)),)
NO_RIGHTS = "the provider answered 403 to /counts"


@pytest.mark.parametrize(
    ("more", "kind", "says"),
    [
        ({"stored": 3, "expected": 5}, "records", "3 records"),
        ({"compared": True, "deliveries": 9}, "no calls", "of any organization"),
        ({"compared": True, "organization": True}, "no calls", "of this organization"),
        ({"compared": True, "problem": NO_RIGHTS}, "no calls", "counts"),  # of the past: it was compared since
        ({"expected": 5}, "no deliveries", "webhook is off"),
        ({"expected": 5, "stopped": STOPPED}, "not running", "from 2026-11-24 12:00 to 2026-11-24 14:00 UTC"),
        ({"expected": 5, "deliveries": 1, "missing_windows": 2}, "no deliveries", "2 windows"),
        ({"expected": 5, "deliveries": 1}, "missing", "next reconciliation"),
        ({"settled": False}, "too early", "not due"),
        ({"problem": NO_RIGHTS}, "no rights", "403"),
        ({"problem": "the provider answered 401", "askable": False}, "no rights", "401"),
        ({"problem": "record 4030 was refused"}, "unknown", "could not be asked"),
        ({"stopped": STOPPED}, "not running", "nothing was compared"),
        ({"missing_windows": 1, "deliveries": 5}, "no deliveries", "1 window "),
        ({"askable": False}, "not asked", "webex has no address"),
        ({}, "not asked", "cdrelay reconcile"),
        ({"out_of_reach": True}, "not asked", "nobody knows whether there were calls"),
        ({"in_part": True}, "asked in part", "`cdrelay reconcile` compares the rest"),
        ({"in_part": True, "out_of_reach": True}, "asked in part", "nobody knows whether there were calls"),
        ({"in_part": True, "stopped": STOPPED}, "not running", "only a part of this time was compared"),
        ({"in_part": True, "missing_windows": 1}, "no deliveries", "only a part of this time was compared"),
        ({"deliveries": 12}, "not asked", "cdrelay reconcile"),  # deliveries of others prove nothing
    ],
)
def test_the_first_reason_that_the_facts_bear_out_is_given(more: dict[str, object], kind: str, says: str) -> None:
    plain = {"source": "webex", "organization": False, "settled": True, "askable": True}
    found = explain(SilenceFacts(**(plain | more)))  # type: ignore[arg-type]
    assert found.kind == kind
    assert says in found.text
