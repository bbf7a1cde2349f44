"""The public SDK's model as an outside reader of what we write: no field is lost on the way to it.

The model knows all 87 fields, each by its name in lower case with underscores, save for four that it knows by an alias
(`local_sessionid`). What it does not know: that `NA` is a value of International country and of WxCC consult merge
status; it reads a gap there. Enumerations it does not know it extends, or keeps as text.
"""

from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest
from wxc_sdk.cdr import CDR

from cdrelay.records.fields import FIELDS, Field, Kind
from cdrelay.records.wire import CallRecord, decode_object, read_record, write_record
from cdrelay.traffic import Plan, Traffic
from tests.support.records import RECORD_FILES, example

END = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
_ALIASES = {info.alias: name for name, info in CDR.model_fields.items()}
_NOON = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)


def _attribute(field: Field) -> str:
    name = field.name.lower().replace(" ", "_")
    return name if name in CDR.model_fields else _ALIASES[name]


def _plain(field: Field, value: Any) -> Any:
    """The model leaves some numbers as text and makes enumerations of some texts."""
    value = value.value if isinstance(value, Enum) else value
    return float(value) if value is not None and field.kind in (Kind.INTEGER, Kind.NUMBER) else value


def _as_the_sdk_reads(record: CallRecord) -> dict[str, Any]:
    read = CDR.model_validate(write_record(record))
    return {field.column: _plain(field, getattr(read, _attribute(field))) for field in FIELDS}


def _as_we_read(record: CallRecord) -> dict[str, Any]:
    return {field.column: _plain(field, record.values.get(field.column)) for field in FIELDS}


def test_the_model_knows_all_87_fields_and_no_others() -> None:
    assert {_attribute(field) for field in FIELDS} == set(CDR.model_fields)


@pytest.mark.parametrize("name", RECORD_FILES)
def test_the_model_reads_all_values_of_an_example(name: str) -> None:
    record = read_record(example(name))
    assert _as_the_sdk_reads(record) == _as_we_read(record)


def test_the_model_reads_all_values_of_synthetic_records() -> None:
    raws = list(Traffic(Plan(seed=3)).records(400, END - timedelta(hours=1), END))
    records = [read_record(decode_object(raw)) for raw in raws]
    assert [_as_the_sdk_reads(record) for record in records] == [_as_we_read(record) for record in records]


def test_the_model_reads_what_no_example_has_too() -> None:
    """Every field filled, so that none is equal only because both sides find nothing."""
    kinds: dict[str, Any] = {"timestamp": _NOON, "boolean": True, "integer": 7, "number": 2.5}
    record = CallRecord({field.column: kinds.get(field.kind.value, f"x {field.column}") for field in FIELDS}, {})
    assert _as_the_sdk_reads(record) == _as_we_read(record)


def test_the_model_reads_no_delivery_key_that_we_do_not() -> None:
    records = [read_record(item) for item in example("delivery")["items"]]
    assert [CDR.model_validate(write_record(record)).model_extra for record in records] == [{}, {}]
