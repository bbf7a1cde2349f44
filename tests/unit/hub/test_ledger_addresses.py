"""What an address of the ledger asks for, and the heads over its columns."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.collector.heat_marks import columns_of
from cdrelay.contract.rules import Rules
from cdrelay.contract.windows import Period
from cdrelay.hub.ledger.addresses import hour_address, read_moment, write_moment
from cdrelay.hub.ledger.asked import SPANS, Asked, shape_of, span_in_words
from cdrelay.hub.ledger.table import heads, step_in_words

NOW = datetime(2026, 11, 24, 12, 7, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = Rules()


def at(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "start", "end", "columns"),
    [
        ("reach", at(22, 12), at(24, 13), 49),
        ("day", at(24, 0), at(25, 0), 24),
        ("week", at(17, 18), at(24, 18), 28),
        ("month", datetime(2026, 10, 25, tzinfo=UTC), at(25, 0), 31),
    ],
)
def test_a_span_ends_with_the_present_column(span: str, start: datetime, end: datetime, columns: int) -> None:
    question = Asked.read({"span": span}).question(NOW, RULES)

    assert question.period == Period(start, end)
    assert len(columns_of(question.period, question.step)) == columns


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)), st.sampled_from(SPANS))  # noqa: DTZ001
def test_whatever_time_is_asked_for_there_is_a_whole_period_that_does_not_lie_ahead(until: datetime, span: str) -> None:
    asked = Asked.read({"span": span, "until": f"{until:%Y}".zfill(4) + f"{until:-%m-%dT%H:%MZ}"})
    shape, period = shape_of(asked.span, RULES), asked.period(NOW, RULES)

    assert period.length == shape.length
    assert period.start <= NOW
    assert period.end <= NOW + shape.unit


def test_earlier_and_later_lead_there_and_back() -> None:
    before = Asked.read({"until": "2026-11-22T12:00Z", "state": "short", "page": "3"})

    assert before.period(NOW, RULES).end == Asked().period(NOW, RULES).start
    assert before.later(NOW, RULES) == "/ledger?state=short"
    assert before.earlier(NOW, RULES) == "/ledger?until=2026-11-20T11:00Z&state=short"
    assert Asked().later(NOW, RULES) is None


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-24", "2026-02-30T00:00Z", "2026-11-24T11:00", "2026-11-24T11:00:00+02:00"]
)
def test_what_is_no_time_asks_for_none(text: str) -> None:
    assert Asked.read({"until": text}).until is None


def test_what_makes_no_sense_asks_for_nothing() -> None:
    asked = Asked.read({"span": "year", "state": "noisy", "page": "-1", "organization": " X "})

    assert asked == Asked(organization="X")
    assert Asked.read({"page": "999999999"}) == Asked()


@pytest.mark.parametrize(
    "moment", [at(24, 11), at(24, 11) + timedelta(seconds=7), at(24, 11) + timedelta(milliseconds=7)]
)
def test_the_time_in_an_address_is_read_as_it_was_written(moment: datetime) -> None:
    assert read_moment(write_moment(moment)) == moment
    assert hour_address("a", "b", moment).startswith("/ledger/a/b/2026-11-24T11:00")


@pytest.mark.parametrize(
    ("step", "groups", "names"),
    [
        (HOUR, ["11-24", "11-25"], ["22", "23", "00", "01"]),
        (24 * HOUR, ["2026-11"], ["24", "25", "26", "27"]),
        (timedelta(minutes=1), ["11-24 22:"], ["00", "01", "02", "03"]),
        (timedelta(seconds=1), ["22:00:"], ["00", "01", "02", "03"]),
    ],
)
def test_columns_are_named_by_what_tells_them_apart(step: timedelta, groups: list[str], names: list[str]) -> None:
    over, under = heads(columns_of(Period(at(24, 22), at(24, 22) + 4 * step), step), step)

    assert [group.name for group in over] == groups
    assert sum(group.columns for group in over) == len(under)
    assert [head.name for head in under] == names
    assert sum(head.first for head in under) == len(groups)


def test_lengths_are_said_as_people_say_them() -> None:
    assert [step_in_words(n * HOUR) for n in (1, 6, 24)] == ["an hour", "6 hours", "a day"]
    assert [span_in_words(span, RULES) for span in SPANS] == ["49 hours", "a day", "a week", "31 days"]
    assert span_in_words("day", RULES.compressed(60)) == "24 minutes"
