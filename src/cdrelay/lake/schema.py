"""The columns of the lake, derived from the table of fields, and the SQL pieces that follow from them.

The keys come first: Delta Lake keeps statistics of the first columns, and files are chosen by them.
"""

import json

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
"""Every column of the table, in order, with its DuckDB type."""


def delta_schema() -> deltalake.Schema:
    """The table's schema for delta-rs."""
    return deltalake.Schema(
        [
            deltalake.Field(name, deltalake.schema.PrimitiveType(_DELTA_TYPE[kind]))
            for name, kind in COLUMN_TYPES.items()
        ]
    )


def literal(text: str) -> str:
    """A text as an SQL literal, for places that take no parameter; never for what comes from outside."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: list[str]) -> str:
    """A list of texts as an SQL list."""
    return "[" + ", ".join(literal(text) for text in texts) + "]"


def _quoted(field: Field) -> str:
    return '"' + field.name + '"'


def json_structure() -> str:
    """The structure argument of from_json: every documented field as text."""
    return literal(json.dumps({field.name: "VARCHAR" for field in FIELDS}))


def _gap(field: Field) -> str:
    gaps = "('')" if field.na_is_value else "('', 'NA', 'na')"
    return f"{_quoted(field)} IN {gaps}"


def typed_columns() -> str:
    """The select list that makes typed columns of a record's texts; only right where `misfit()` is false."""
    pieces = []
    for field in FIELDS:
        name = _quoted(field)
        value = {
            Kind.TEXT: f"CASE WHEN {_gap(field)} THEN NULL ELSE {name} END",
            Kind.UUID: f"CASE WHEN {_gap(field)} THEN NULL ELSE {name} END",
        }.get(field.kind, f"TRY_CAST({name} AS {_SQL_TYPE[field.kind]})")
        pieces.append(f"{value} AS {field.column}")
    return ", ".join(pieces)


def misfit() -> str:
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
    # Of a key that comes twice in one record the engine takes the first and the parser the last.
    tests += [f"{_quoted(BY_COLUMN[name])} IS DISTINCT FROM key_{name}" for name in IDENTITY_COLUMNS]
    return " OR ".join(tests)


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


def _wire_value(field: Field) -> str:
    column = f'"{field.column}"'
    if field.kind is Kind.TIMESTAMP:
        return (
            f"CASE WHEN {column} IS NULL THEN '' WHEN microsecond({column}) % 1000 = 0"
            f" THEN strftime({column}, '%Y-%m-%dT%H:%M:%S.%gZ') ELSE strftime({column}, '%Y-%m-%dT%H:%M:%S.%fZ') END"
        )
    if field.wire_number:
        return f"coalesce(to_json({column}), '\"\"'::JSON)"
    if field.kind in (Kind.TEXT, Kind.UUID):
        return f"coalesce({column}, '')"
    return f"coalesce(CAST({column} AS VARCHAR), '')"


def wire_json() -> str:
    """The SQL expression of a row as canonical wire JSON, without what is in extra."""
    return "to_json({" + ", ".join(f"{literal(field.name)}: {_wire_value(field)}" for field in FIELDS) + "})"


FRAGMENTS = {
    "columns": ", ".join(f'"{name}"' for name in COLUMN_TYPES),
    "nothing": ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in COLUMN_TYPES.items()),
    "json_structure": json_structure(),
    "typed_columns": typed_columns(),
    "misfit": misfit(),
    "identity_as_read": ", ".join(f"a.{name} AS key_{name}" for name in IDENTITY_COLUMNS),
    "sure_report_time": sure_time("report_time"),
    "wire_json": wire_json(),
}
"""What `{{name}}` in the .sql files stands for."""
