"""The .sql files: every statement can be rendered, and nothing is left open in it."""

import re
from importlib.resources import files

import deltalake
import duckdb
import pytest

from cdrelay.lake.schema import COLUMN_TYPES, DOCUMENTED, KEY_COLUMNS, OWN_COLUMNS, Columns, literal, literals
from cdrelay.lake.selection import whose
from cdrelay.lake.statements import statement
from cdrelay.records.fields import FIELDS, Field, Kind

PIECES = {
    "label": literal("k1"),
    "key": literal("0123456789abcdef"),
    "level": "3",
    "rows_in_group": "8192",
    "bytes_in_group": literal("16MB"),
    "organizations": literals(["11111111-2222-4333-8444-555555555555"]),
    "known_by": '"user"',
    "personal": '"user"',
    "most": "10",
    "earliest": "TIMESTAMP WITH TIME ZONE '2026-11-24 00:00:00+00'",
    "latest": "TIMESTAMP WITH TIME ZONE '2026-11-25 00:00:00+00'",
    "day": "DATE '2026-11-24'",
    "load_seq": "1",
    "target": literal("b.parquet"),
    "unsure": "false",
    "mark": literal(" misfit"),
    "order": "ORDER BY org_uuid",
    "moment": "report_time",
    "start": "NULL",
    "end": "NULL",
    "organization": literal("11111111-2222-4333-8444-555555555555"),
    "select": "SELECT 1",
    "options": "FORMAT csv",
    "folder": literal("lake"),
    **whose(by_holder=True),
    "claimed": "true",
    "selected": "true",
    "filled": "false",
    "replaced": "r.extra",
}


EXPRESSIONS = "conditions.sql"
"""The file that has no statements but parts of them."""


def texts(*, expressions: bool = False) -> dict[str, str]:
    """The statements, or else the expressions, as they are written, by name."""
    found: dict[str, str] = {}
    for file in (files("cdrelay.lake") / "sql").iterdir():
        if (file.name == EXPRESSIONS) != expressions:
            continue
        for block in file.read_text("utf-8").split("-- name: ")[1:]:
            name, _, text = block.partition("\n")
            assert name not in found, f"{name} is there twice"
            found[name] = text
    return found


MORE = Columns(tuple(Field(f'it\'s "{kind.value}"', f"more_{kind.value}", kind, "promoted") for kind in Kind))
"""A table in which a key of every kind was promoted, with names that must be quoted."""


@pytest.mark.parametrize("columns", [DOCUMENTED, MORE], ids=["documented", "promoted"])
@pytest.mark.parametrize("name", sorted(texts()))
def test_a_statement_renders_to_sql_that_parses(name: str, columns: Columns) -> None:
    needed = {piece: PIECES[piece] for piece in set(re.findall(r"\{\{(\w+)\}\}", texts()[name])) & PIECES.keys()}
    rendered = statement(name, parquet=["x.parquet"], columns=columns, **needed)
    assert "{{" not in rendered
    with duckdb.connect() as engine:
        assert engine.extract_statements(rendered)


@pytest.mark.parametrize("name", sorted(texts(expressions=True)))
def test_an_expression_renders_to_sql_that_parses(name: str) -> None:
    with duckdb.connect() as engine:
        assert engine.extract_statements(f"SELECT {statement(name, **whose(by_holder=True))}")


@pytest.mark.parametrize(
    "name", sorted(name for name, text in texts().items() if "{{day}}" in text or "{{rows}}" in text)
)
def test_a_missing_piece_is_an_error(name: str) -> None:
    with pytest.raises(KeyError):
        statement(name)


def test_an_unknown_statement_is_an_error() -> None:
    with pytest.raises(KeyError):
        statement("drop_everything")


def test_no_files_are_no_rows_of_the_same_columns() -> None:
    with duckdb.connect() as engine:
        nothing = {"start": "NULL", "end": "NULL", "organization": "NULL"}
        engine.execute(statement("export_columns", parquet=[], columns=MORE, **nothing))
        assert [column[0] for column in engine.description or ()] == list(MORE.types)
        assert engine.fetchall() == []


def test_a_quote_in_a_path_stays_in_its_literal() -> None:
    with duckdb.connect() as engine:
        path = "it's ''here'"
        assert engine.execute(f"SELECT {literal(path)}").fetchall() == [(path,)]


def test_the_keys_come_first_where_statistics_are_kept() -> None:
    assert list(COLUMN_TYPES)[: len(KEY_COLUMNS) + 1] == [*KEY_COLUMNS, "load_seq"]


def test_every_field_has_one_column_and_ours_are_beside_them() -> None:
    assert set(COLUMN_TYPES) == {field.column for field in FIELDS} | OWN_COLUMNS.keys() | {"extra"}
    assert len(COLUMN_TYPES) == len(FIELDS) + len(OWN_COLUMNS) + 1


def test_the_table_has_the_columns_of_the_engine() -> None:
    assert [field.name for field in MORE.delta_schema().fields] == list(MORE.types)
    assert list(MORE.types)[: len(COLUMN_TYPES)] == list(COLUMN_TYPES)


def test_a_table_says_itself_what_was_promoted() -> None:
    said = MORE.delta_schema().to_json()
    assert Columns.of(deltalake.Schema.from_json(said)) == MORE


def test_a_statement_that_carries_whole_rows_needs_the_columns_of_the_table() -> None:
    with pytest.raises(KeyError):
        statement("rewrite_file", parquet=["x.parquet"])
