"""The columns of a lake's table and the SQL pieces that follow from them.

Most come from the table of fields and are the same everywhere. A table may have more, for keys that nobody documented
(`lake/promote.py`): it says so itself, in its schema, so that whoever opens it knows.
The keys come first: Delta Lake keeps statistics of the first columns, and files are chosen by them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import deltalake

from cdrelay.records.fields import BY_COLUMN, FIELDS, Field, Kind

IDENTITY_COLUMNS = ("org_uuid", "report_id", "report_time")
KEY_COLUMNS = (*IDENTITY_COLUMNS, "release_time")
OWN_COLUMNS = {
    "load_seq": "BIGINT",
    "source": "VARCHAR",
    "channel": "VARCHAR",
    "payload": "VARCHAR",
    "received": "TIMESTAMP WITH TIME ZONE",
}
"""Where a row came from: number of its load, source, channel (intake, webhook, repair), payload, time of receipt."""
EXTRA = "extra"
"""JSON of unknown keys and of values that do not fit their column."""

_SQL_TYPE = {
    Kind.TEXT: "VARCHAR",
    Kind.UUID: "VARCHAR",
    Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.NUMBER: "DOUBLE",
}
_DELTA_TYPE = {
    "VARCHAR": "string",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "BOOLEAN": "boolean",
    "BIGINT": "long",
    "DOUBLE": "double",
}

_REST = tuple(field.column for field in FIELDS if field.column not in KEY_COLUMNS)
COLUMN_TYPES: dict[str, str] = (
    {name: _SQL_TYPE[BY_COLUMN[name].kind] for name in KEY_COLUMNS}
    | OWN_COLUMNS
    | {name: _SQL_TYPE[BY_COLUMN[name].kind] for name in _REST}
    | {EXTRA: "VARCHAR"}
)
"""Every column that all tables have, in order, with its DuckDB type."""

# Under these names the schema of a table remembers the key and the kind of a promoted column.
_KEY, _KIND = "cdrelay.key", "cdrelay.kind"


@dataclass(frozen=True)
class Columns:
    """The columns of one table."""

    promoted: tuple[Field, ...] = ()
    """Keys that were given a column, in the order in which that happened: a table only ever gets more of them."""

    @classmethod
    def of(cls, schema: deltalake.Schema) -> "Columns":
        """Those that a table's schema names."""
        return cls(
            tuple(
                Field(field.metadata[_KEY], field.name, Kind(field.metadata[_KIND]), field.metadata.get("comment", ""))
                for field in schema.fields
                if _KEY in field.metadata
            )
        )

    def promoted_as(self, key: str) -> Field | None:
        """The column of a key, to the letter."""
        return next((field for field in self.promoted if field.name == key), None)

    @cached_property
    def types(self) -> dict[str, str]:
        """Every column in order with its DuckDB type."""
        return COLUMN_TYPES | {field.column: _SQL_TYPE[field.kind] for field in self.promoted}

    def delta_schema(self) -> deltalake.Schema:
        """The table's schema for delta-rs."""
        documented = [
            deltalake.Field(name, deltalake.schema.PrimitiveType(_DELTA_TYPE[kind]))
            for name, kind in COLUMN_TYPES.items()
        ]
        return deltalake.Schema([*documented, *map(delta_field, self.promoted)])

    @cached_property
    def fragments(self) -> dict[str, str]:
        """What `{{name}}` in the .sql files stands for, as far as it depends on the columns."""
        return {
            "columns": ", ".join(f'"{name}"' for name in self.types),
            "nothing": ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in self.types.items()),
            "json_structure": _json_structure((*FIELDS, *self.promoted)),
            "typed_columns": ", ".join([*map(_typed, FIELDS), *map(_promoted_typed, self.promoted)]),
            "misfit": _misfit(self.promoted),
            "wire": f"{_wire_json()}, extra, {_promoted_json(self.promoted)}",
        }


DOCUMENTED = Columns()
"""The columns of a table for which nothing was promoted."""


def delta_field(field: Field) -> deltalake.Field:
    """A promoted column for delta-rs, with what makes it known again."""
    kind = deltalake.schema.PrimitiveType(_DELTA_TYPE[_SQL_TYPE[field.kind]])
    metadata = {_KEY: field.name, _KIND: field.kind.value, "comment": field.description}
    return deltalake.Field(field.column, kind, metadata=metadata)


def literal(text: str) -> str:
    """A text as an SQL literal, for places that take no parameter; never for what comes from outside."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: list[str]) -> str:
    """A list of texts as an SQL list."""
    return "[" + ", ".join(literal(text) for text in texts) + "]"


def _quoted(field: Field) -> str:
    return '"' + field.name.replace('"', '""') + '"'


def _json_structure(fields: Sequence[Field]) -> str:
    """The structure argument of from_json: every field as text."""
    return literal(json.dumps({field.name: "VARCHAR" for field in fields}))


def _gap(field: Field) -> str:
    gaps = "('')" if field.na_is_value else "('', 'NA', 'na')"
    return f"{_quoted(field)} IN {gaps}"


def _typed(field: Field) -> str:
    """A typed column made of a record's text; only right where `_misfit` is false."""
    name = _quoted(field)
    value = {
        Kind.TEXT: f"CASE WHEN {_gap(field)} THEN NULL ELSE {name} END",
        Kind.UUID: f"CASE WHEN {_gap(field)} THEN NULL ELSE {name} END",
    }.get(field.kind, f"TRY_CAST({name} AS {_SQL_TYPE[field.kind]})")
    return f"{value} AS {field.column}"


def _promoted_typed(field: Field) -> str:
    """The same for a promoted one, where nothing but absence is a gap."""
    return f"{typed_text(field, _quoted(field))} AS {field.column}"


def typed_text(field: Field, text: str) -> str:
    """The value of a promoted column from its canonical text."""
    return text if field.kind in (Kind.TEXT, Kind.UUID) else f"TRY_CAST({text} AS {_SQL_TYPE[field.kind]})"


def _misfit(promoted: Sequence[Field]) -> str:
    """The condition that some text is not in the form whose cast is sure; such records are read by `records`.

    Sure means exact: the cast gives back the same text, or, for times, it has one of the forms of the wire.
    """
    tests = []
    for field in FIELDS:
        name = _quoted(field)
        typed = f"TRY_CAST({name} AS {_SQL_TYPE[field.kind]})"
        sure = {
            Kind.UUID: f"{name} = lower({name})",
            Kind.TIMESTAMP: sure_time(name),
            Kind.BOOLEAN: f"{name} IN ('true', 'false')",
            Kind.INTEGER: f"CAST({typed} AS VARCHAR) = {name}",
            Kind.NUMBER: f"isfinite({typed}) AND CAST({typed} AS VARCHAR) = {name}",
        }.get(field.kind)
        if sure:
            tests.append(f"(NOT {_gap(field)} AND NOT coalesce({sure}, false))")
    tests += [test for field in promoted if (test := _promoted_misfit(field))]
    # Of a key that comes twice in one record the engine takes the first and the parser the last.
    tests += [f"{_quoted(BY_COLUMN[name])} IS DISTINCT FROM key_{name}" for name in IDENTITY_COLUMNS]
    return " OR ".join(tests)


def _promoted_misfit(field: Field) -> str:
    """The same of a promoted one: the value must come back to the letter, for the wire knows no form of its own."""
    name = _quoted(field)
    typed = f"TRY_CAST({name} AS {_SQL_TYPE[field.kind]})"
    again = f"{_text(field, typed)} = {name}"
    sure = {
        Kind.UUID: f"regexp_full_match({name}, '[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}')",
        Kind.TIMESTAMP: f"{sure_time(name)} AND {again}",
        Kind.BOOLEAN: f"{name} IN ('true', 'false')",
        Kind.INTEGER: again,
        Kind.NUMBER: f"isfinite({typed}) AND NOT contains({name}, 'e') AND {name} != '-0.0' AND {again}",
    }.get(field.kind)
    return f"({name} IS NOT NULL AND NOT coalesce({sure}, false))" if sure else ""


_WIRE_TIME = (
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}[.]"
    # With Z in milliseconds or microseconds, without it as the documented example has it.
    "(?:[0-9]{3}|[0-9]{3}Z|[0-9]{6}Z)"
)


def sure_time(text: str) -> str:
    """The condition that the engine reads a text as the time that it is on the wire.

    Its cast alone allows more than `records` does: blanks for leading zeros, signs, hour 24, the year 0.
    """
    return (
        f"regexp_full_match({text}, {literal(_WIRE_TIME)}) AND {text} >= '0001'"
        f" AND TRY_CAST({text} AS TIMESTAMP WITH TIME ZONE) IS NOT NULL"
    )


def _text(field: Field, value: str) -> str:
    """A typed value as the canonical text of the wire; NULL where there is none."""
    if field.kind is Kind.TIMESTAMP:
        return (
            f"CASE WHEN microsecond({value}) % 1000 = 0"
            f" THEN strftime({value}, '%Y-%m-%dT%H:%M:%S.%gZ') ELSE strftime({value}, '%Y-%m-%dT%H:%M:%S.%fZ') END"
        )
    return value if field.kind in (Kind.TEXT, Kind.UUID) else f"CAST({value} AS VARCHAR)"


def _wire_value(field: Field) -> tuple[str, bool]:
    """The SQL expression of a field's text on the wire, and whether it stands between quotation marks."""
    column = f'"{field.column}"'
    if field.wire_number or field.kind in (Kind.TEXT, Kind.UUID):
        return f"coalesce(CAST(to_json({column}) AS VARCHAR), '\"\"')", False
    # Nothing in a time, a number or a truth value needs to be escaped.
    return f"coalesce({_text(field, column)}, '')", True


def _wire_json() -> str:
    """The SQL expression of a row as canonical wire JSON, without what is in extra or in promoted columns.

    Put together piece by piece: to_json of a structure of all fields takes nearly twice as long.
    """
    pieces, before = [], "{"
    for field in FIELDS:
        value, quoted = _wire_value(field)
        mark = '"' if quoted else ""
        pieces += [literal(f'{before}"{field.name}":{mark}'), value]
        before = f"{mark},"
    return f"concat({', '.join(pieces)}, {literal(before[:-1] + '}')})"


def _promoted_json(promoted: Sequence[Field]) -> str:
    """The values of promoted columns as JSON by key, null where there is none; NULL where there are none at all."""
    if not promoted:
        return "NULL"
    columns = [f'"{field.column}"' for field in promoted]
    values = ", ".join(
        f"{literal(field.name)}: {_text(field, column)}" for field, column in zip(promoted, columns, strict=True)
    )
    some = " OR ".join(f"{column} IS NOT NULL" for column in columns)
    return f"CASE WHEN {some} THEN to_json({{{values}}}) END"


FRAGMENTS = {
    "identity_as_read": ", ".join(f"a.{name} AS key_{name}" for name in IDENTITY_COLUMNS),
    "sure_report_time": sure_time("report_time"),
}
"""What `{{name}}` in the .sql files stands for in every table."""
