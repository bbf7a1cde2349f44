import pytest

from cdrelay.records.fields import BY_COLUMN, BY_NAME, FIELDS, Field, field_for, fold
from cdrelay.records.wire import read_record
from tests.support.records import RECORD_FILES, example


def test_there_are_87_fields() -> None:
    assert len(FIELDS) == 87


@pytest.mark.parametrize("label", ["name", "column"])
def test_no_two_fields_are_called_alike(label: str) -> None:
    assert len({getattr(field, label) for field in FIELDS}) == len(FIELDS)


def test_folded_names_stay_distinct() -> None:
    assert len({fold(field.name) for field in FIELDS}) == len(FIELDS)


def test_columns_are_names_that_no_query_need_quote() -> None:
    assert [field.column for field in FIELDS if not field.column.isidentifier() or not field.column.islower()] == []


def test_a_complete_capture_has_the_fields_in_the_order_of_the_table() -> None:
    assert list(example("captured_inbound_unanswered")) == [field.name for field in FIELDS]


@pytest.mark.parametrize("name", RECORD_FILES)
def test_no_key_of_an_example_is_unknown(name: str) -> None:
    assert [key for key in example(name) if field_for(key) is None] == []


def test_the_documented_spellings_differ_in_letter_case_for_ten_keys() -> None:
    assert len([key for key in example("documented_example") if key not in BY_NAME]) == 10


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("reportId", "Report ID"),
        ("Device Mac", "Device MAC"),
        ("Report  time", "Report time"),
        ("call_transfer_time", "Call transfer time"),
        ("WXCC CONSULT MERGE STATUS", "WxCC consult merge status"),
    ],
)
def test_a_key_is_known_in_any_spelling(spelling: str, name: str) -> None:
    assert field_for(spelling) is BY_NAME[name]


@pytest.mark.parametrize("key", ["", " ", "Report", "Report ID 2", "Report ID" + " " * 80])
def test_other_keys_are_unknown(key: str) -> None:
    assert field_for(key) is None


@pytest.mark.parametrize("column", ["international_country", "wxcc_consult_merge_status"])
def test_na_is_a_value_where_it_is_documented(column: str) -> None:
    assert read_record({BY_COLUMN[column].name: "NA"}).values == {column: "NA"}


@pytest.mark.parametrize("field", [field for field in FIELDS if not field.na_is_value], ids=lambda field: field.column)
@pytest.mark.parametrize("gap", ["", "NA", "na", None])
def test_elsewhere_it_is_a_gap_like_the_others(field: Field, gap: str | None) -> None:
    assert read_record({field.name: gap}).values == {}


def test_every_field_is_described() -> None:
    assert [field.name for field in FIELDS if not field.description.endswith(".")] == []
