"""Call records of every kind: the example files, strategies for Hypothesis, and JSON with numbers to the letter."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from cdrelay.records.fields import BY_COLUMN, FIELDS, Field, Kind, field_for
from cdrelay.records.values import Value

DATA = Path(__file__).parent.parent / "data"
RECORD_FILES = (
    "captured_inbound_unanswered",
    "captured_answered",
    "relayed_first_70_keys",
    "documented_example",
    "camel_case",
)


def example(name: str) -> dict[str, Any]:
    """What the example file of that name holds."""
    found: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text("utf-8"))
    return found


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number by its text: `1.50` is not `1.5`."""

    text: str


def json_text(value: Any) -> str:
    """JSON of a value that may hold Numbers."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(key)}:{json_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _camel(name: str) -> str:
    first, *rest = name.split(" ")
    return first.lower() + "".join(word.capitalize() for word in rest)


_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    str.lower,
    str.upper,
    str.title,
    _camel,
    lambda name: name.replace(" ", "  "),
    lambda name: name.replace(" ", "_"),
    lambda name: f" {name.replace(' ', '-')}:",
)

known_keys = st.builds(
    lambda field, spell: spell(field.name),
    st.sampled_from(FIELDS),
    st.sampled_from(_SPELLINGS),
)
unknown_keys = st.text(max_size=12).filter(lambda key: field_for(key) is None) | st.sampled_from(
    ("Answer reason 2", "новое поле", "Report ID of parent", "x" * 70)
)
gaps = st.sampled_from((None, "", "NA", "na"))
numbers = st.builds(
    Number,
    st.integers().map(str)
    | st.integers(-(10**60), 10**60).map(str)
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:f}"[:300])
    | st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,25})?", fullmatch=True),
)
_uuids = st.uuids().map(str)
_likely_texts = st.sampled_from(
    (
        "true", "FALSE", "12", "-7", "5.0", "2.5", "-0", "1e3", "9223372036854775807", "9223372036854775808",
        "2026-03-02T14:03:41.223Z", "2026-03-02 14:03:41.223", "2026-03-02T16:03:41.223+02:00", "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+14:00", "Na", "N/A", " ", "US", "\u0000", "Zoë Åström 📞",
    )
)  # fmt: skip
scalars = gaps | st.booleans() | numbers | st.text(max_size=20) | _uuids | _uuids.map(str.upper) | _likely_texts
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
wire_objects = st.dictionaries(known_keys | unknown_keys, json_values, max_size=15)
"""Any JSON object that a provider could send for a record: Numbers in it, nothing promised."""


@st.composite
def stored_records(draw: st.DrawFn) -> dict[str, Any]:
    """JSON objects most of which have an identity, and any other keys beside it."""
    identity: dict[str, Any] = {
        "Org UUID": draw(_uuids | _uuids.map(str.upper) | scalars),
        "Report ID": draw(_uuids | _uuids.map(str.upper) | scalars),
        "Report time": draw(st.just("2026-03-02T14:03:41.223Z") | _likely_texts | scalars),
    }
    spell = draw(st.sampled_from(_SPELLINGS))
    others: dict[str, Any] = draw(wire_objects)
    return others | {spell(key): value for key, value in identity.items()}


_moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - UTC
_VALUES: dict[Kind, st.SearchStrategy[Value]] = {
    Kind.TEXT: st.text(min_size=1, max_size=15),
    Kind.UUID: _uuids | st.text(min_size=1, max_size=15).map(lambda text: f"no {text}"),
    Kind.TIMESTAMP: _moments | _moments.map(lambda moment: moment.replace(microsecond=223000)),
    Kind.BOOLEAN: st.booleans(),
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0),
}


@st.composite
def meanings(draw: st.DrawFn) -> dict[str, Value]:
    """What a record can say: typed values by column, absent ones left out."""
    found = {}
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=12, unique=True)):
        value = draw(_VALUES[field.kind])
        if value not in ("NA", "na") or field.na_is_value:
            found[field.column] = value
    return found


def _times(moment: datetime) -> st.SearchStrategy[Any]:
    ahead = timezone(timedelta(hours=5, minutes=30))
    spaced = moment.replace(tzinfo=None).isoformat(" ")
    return st.sampled_from(
        (
            moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            moment.astimezone(ahead).isoformat(),
            spaced,
            spaced.replace(" ", "T"),
        )
    )


def _forms(field: Field, value: Value) -> st.SearchStrategy[Any]:
    if isinstance(value, datetime):
        return _times(value)
    if isinstance(value, bool):
        text = str(value)
        return st.sampled_from((value, text, text.lower(), text.upper()))
    if isinstance(value, int):
        return st.sampled_from((value, str(value), f"{value}.0", Number(f"{value}.00")))
    if isinstance(value, float):
        return st.sampled_from((Number(repr(value)), repr(value), repr(value).replace("e", "E")))
    canonical_uuid = field.kind is Kind.UUID and not value.startswith("no ")
    return st.sampled_from((value, value.upper())) if canonical_uuid else st.just(value)


@st.composite
def encodings(draw: st.DrawFn, meaning: Mapping[str, Value]) -> dict[str, Any]:
    """One of the many wire objects that say `meaning`: order, spellings, forms and gaps as it comes."""
    pairs = []
    for column, value in meaning.items():
        field = BY_COLUMN[column]
        pairs.append((draw(st.sampled_from(_SPELLINGS))(field.name), draw(_forms(field, value))))
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=8, unique=True)):
        if field.column not in meaning:
            gap = draw(st.sampled_from((None, "")) if field.na_is_value else gaps)
            pairs.append((draw(st.sampled_from(_SPELLINGS))(field.name), gap))
    return dict(draw(st.permutations(pairs)))
