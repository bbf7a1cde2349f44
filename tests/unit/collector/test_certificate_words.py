"""A certificate says no more than was proved, whatever the ledger and the lake hold."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.collector.certificate import Certificate, CertifiedHour, as_json
from cdrelay.collector.comparison import STATES, Proof, State
from cdrelay.collector.ledger_rows import LedgerRow
from cdrelay.contract.windows import Period

START = datetime(2026, 11, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORG = "11111111-2222-4333-8444-555555555555"


def row(
    number: int = 0, state: State = "matched", expected: int = 5, stored: int = 5, proof: Proof = "counts", **more: str
) -> LedgerRow:
    window = Period(START + number * HOUR, START + (number + 1) * HOUR)
    return LedgerRow("webex", ORG, window, expected, stored, state, 0, window.end + HOUR, proof, **more)  # type: ignore[arg-type]


def hour(number: int, found: LedgerRow | None, in_lake: int, *, due: bool = True) -> CertifiedHour:
    return CertifiedHour(Period(START + number * HOUR, START + (number + 1) * HOUR), found, in_lake, due=due)


def certificate(*hours: CertifiedHour) -> Certificate:
    return Certificate(
        source="webex",
        org_uuid=ORG,
        period=Period(START, START + len(hours) * HOUR),
        hours=hours,
        digest="",
        silence=None,
        made_at=START,
        made_by="here",
        version="1",
        hour_in_words="60 minutes",
    )


@st.composite
def any_hours(draw: st.DrawFn) -> list[CertifiedHour]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        known = draw(st.booleans())
        counts = st.integers(0, 3)
        proofs: st.SearchStrategy[Proof] = st.sampled_from(("counts", "ids", "none"))
        said = row(number, draw(st.sampled_from(STATES)), draw(counts), draw(counts), draw(proofs)) if known else None
        found.append(hour(number, said, draw(counts), due=draw(st.booleans())))
    return found


@given(any_hours())
def test_complete_is_only_said_when_every_hour_was_compared_and_everything_expected_is_in_the_lake(
    hours: list[CertifiedHour],
) -> None:
    made = certificate(*hours)

    proved = all(
        one.row is not None
        and one.row.state in ("matched", "repaired", "surplus")
        and one.row.proof != "none"
        and one.in_lake >= one.row.expected
        for one in hours
    )
    assert (made.verdict == "complete") is proved
    assert made.statement.startswith("Complete") is proved
    assert sum(made.findings.values()) == len(hours)


@given(any_hours())
def test_what_is_not_complete_has_a_reason_and_missing_records_are_counted_where_there_are_some(
    hours: list[CertifiedHour],
) -> None:
    for one in hours:
        assert (one.reason is None) is (one.finding == "complete")
        assert (one.missing > 0) is (one.finding == "incomplete")
    assert (certificate(*hours).missing > 0) is (certificate(*hours).verdict == "not complete")


def test_an_hour_without_a_row_is_not_compared_however_much_is_stored() -> None:
    made = certificate(hour(0, row(), 5), hour(1, None, 12))

    assert made.verdict == "not proved"
    assert made.hours[1].finding == "not compared"
    assert "nothing is known to be missing" in made.statement
    assert made.statement.endswith("1 proved complete, 1 not compared.")


def test_records_that_were_removed_since_they_were_compared_are_missing() -> None:
    made = certificate(hour(0, row(expected=5, stored=5), 2))

    assert (made.verdict, made.missing) == ("not complete", 3)
    assert made.hours[0].reason == "of 5 records stored when it was compared, 2 are left in the lake"


def test_an_hour_whose_ids_were_missing_though_the_counts_are_equal_misses_at_least_one() -> None:
    made = certificate(hour(0, row(state="short", expected=5, stored=5, proof="ids"), 5))

    assert made.statement == "Not complete: 1 record is missing, in 1 of 1 hour."


def test_of_hours_without_a_call_it_does_not_say_that_all_of_nothing_is_stored() -> None:
    made = certificate(hour(0, row(expected=0, stored=0), 0), hour(1, row(1, expected=0, stored=0), 0))

    assert made.statement == (
        "Complete: the provider counts no record in the 2 hours of this period. Hours proved: 2 by equal counts."
    )


def test_records_that_are_not_kept_any_more_are_counted_as_far_as_they_are_known() -> None:
    old = CertifiedHour(Period(START, START + HOUR), row(), 0, due=True, records_kept=False)
    unknown = CertifiedHour(Period(START + HOUR, START + 2 * HOUR), None, 0, due=True, row_kept=False)

    made = certificate(old, unknown, hour(2, row(2), 5))

    assert (made.not_kept, as_json(made)["notKept"], made.in_lake) == (5, 5, 5)


def test_records_beyond_the_count_are_told_and_do_not_make_it_incomplete() -> None:
    made = certificate(hour(0, row(state="surplus", expected=5, stored=7, proof="ids"), 7))

    assert made.statement == (
        "Complete: all 5 records that the provider counts in the 1 hour of this period are stored."
        " Hours proved: 1 by the ids of the records."
        " Beyond that, 2 records are stored that the provider does not count."
    )


def test_counts_are_only_called_equal_where_they_are() -> None:
    surplus = row(1, state="surplus", expected=5, stored=7)
    made = certificate(hour(0, row(), 5), hour(1, surplus, 7), hour(2, row(2), 5))

    assert made.statement == (
        "Complete: all 15 records that the provider counts in the 3 hours of this period are stored."
        " Hours proved: 2 by equal counts,"
        " 1 by counts alone, with more stored than the provider counts (2 records more)."
        " Beyond that, 2 records are stored that the provider does not count."
    )
    assert as_json(made)["proofs"] == {"ids": 0, "counts": 2, "surplus": 1}


@pytest.mark.parametrize(("due", "finding"), [(True, "not compared"), (False, "undecided")])
def test_an_open_hour_without_proof_was_not_compared_once_it_is_over(due: bool, finding: str) -> None:
    assert hour(0, row(state="open", proof="none"), 5, due=due).finding == finding


def test_its_json_is_the_same_each_time_and_says_null_where_nothing_is_known() -> None:
    made = certificate(hour(0, None, 0), hour(1, row(1, reason="x"), 5))

    assert as_json(made) == as_json(made)
    unknown = as_json(made)["byHour"][0]
    assert (unknown["expected"], unknown["stored"], unknown["state"], unknown["proof"]) == (None, None, None, "none")
