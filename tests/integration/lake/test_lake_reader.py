"""A reader beside the server: questions in SQL and exports, which see the lake and change nothing."""

import csv
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from cdrelay.contract.windows import Period
from cdrelay.errors import CdrelayError
from cdrelay.lake.export import Format, LakeMissing, QueryRefused, Reader
from tests.support.lake_builder import ORG, OTHER_ORG, SMALL, LakeBuilder, record, report_id

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = Period(NOON, NOON + timedelta(hours=1))


@pytest.fixture
def filled(lake: LakeBuilder) -> LakeBuilder:
    """Two organizations, two days, an odd record, text that CSV must quote."""
    lake.load(
        record("a", NOON, User='Zoë, "the first"\nof all', Duration=12),
        record("b", NOON + timedelta(minutes=30), New={"x": [1, 2.50]}, Duration="long"),
        record("at the end", HOUR.end),
    )
    lake.load(record("c", NOON, org=OTHER_ORG), record("old", NOON - timedelta(days=1)))
    return lake


@pytest.fixture
def reader(filled: LakeBuilder, tmp_path: Path) -> Iterator[Reader]:
    """A reader of its own, as `cdrelay export` opens beside a running server."""
    with Reader(filled.table.folder, SMALL, tmp_path / "scratch") as opened:
        yield opened


def counted(reader: Reader) -> int:
    return int(next(reader.ask("SELECT count(*) FROM records").rows)[0])


def test_a_question_is_answered_with_names_and_rows(reader: Reader) -> None:
    answer = reader.ask("SELECT org_uuid AS org, count(*) AS n FROM records GROUP BY org ORDER BY org")
    assert (list(answer.columns), list(answer.rows)) == (["org", "n"], [(ORG, 4), (OTHER_ORG, 1)])


def test_one_reader_answers_several_questions_and_sees_new_loads(reader: Reader, filled: LakeBuilder) -> None:
    before = counted(reader)
    filled.load(record("new", NOON))
    assert (before, counted(reader)) == (5, 6)


@pytest.mark.parametrize("question", ["FROM records", "WITH x AS (SELECT 1) SELECT * FROM x", "DESCRIBE records"])
def test_other_ways_to_put_a_question_are_taken(reader: Reader, question: str) -> None:
    assert list(reader.ask(question).rows)


REFUSED = [
    "",
    "SELEC 1",
    "SELECT 1; SELECT 2",
    "SELECT nothing_of_the_kind FROM records",
    "INSERT INTO records SELECT * FROM records",
    "DELETE FROM records",
    "DROP VIEW records",
    "CREATE TABLE kept AS SELECT * FROM records",
    "COPY records TO '{folder}/stolen.csv'",
    "COPY (SELECT 1) TO '{lake}/stolen.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/stolen.csv'",
    "EXPLAIN ANALYZE DROP VIEW records",
    "ATTACH '{folder}/stolen.db'",
    "ATTACH '{lake}/stolen.db'",
    "EXPORT DATABASE '{lake}/stolen'",
    "SET enable_external_access = true",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT content FROM read_text('/etc/passwd')",
    "SELECT content FROM read_text('{lake}/../../../../../../../etc/passwd')",
    "SELECT content FROM read_text('{folder}/spool/*')",
    "SELECT getenv('HOME')",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{lake}/stolen.csv''')",
]


def test_what_is_no_question_about_the_records_is_refused_and_changes_nothing(
    reader: Reader, filled: LakeBuilder
) -> None:
    files = sorted(filled.folder.rglob("*"))
    taken = []
    for question in REFUSED:
        with suppress(QueryRefused):
            list(reader.ask(question.format(lake=filled.table.folder, folder=filled.folder)).rows)
            taken.append(question)
    assert taken == []
    assert sorted(filled.folder.rglob("*")) == files
    assert counted(reader) == 5


def test_a_question_that_goes_wrong_while_it_is_answered_is_refused_too(reader: Reader) -> None:
    answer = reader.ask("SELECT CASE WHEN i = 900000 THEN error('late') END FROM range(1000000) AS r(i)")
    with pytest.raises(QueryRefused, match="late"):
        list(answer.rows)


def wires(lake: LakeBuilder, organizations: list[str], period: Period) -> set[bytes]:
    return {text for org in organizations for text in lake.lake.read_organization(org, period)}


ALWAYS = Period(NOON - timedelta(days=9), NOON + timedelta(days=9))


@pytest.mark.parametrize("period", [None, HOUR])
@pytest.mark.parametrize("organization", [None, ORG, OTHER_ORG])
def test_ndjson_is_what_the_records_api_gives(
    reader: Reader, filled: LakeBuilder, tmp_path: Path, period: Period | None, organization: str | None
) -> None:
    target = tmp_path / "out.ndjson"
    count = reader.export(target, "ndjson", period, organization)
    lines = target.read_bytes().splitlines()
    organizations = [ORG, OTHER_ORG] if organization is None else [organization]
    assert set(lines) == wires(filled, organizations, period or ALWAYS)
    times = [json.loads(line)["Report time"] for line in lines]
    assert (times, count) == (sorted(times), len(lines))


def stored_ids(lake: LakeBuilder, period: Period | None, organization: str | None) -> list[str]:
    rows = [
        row
        for row in lake.rows()
        if (period is None or row["report_time"] in period) and organization in (None, row["org_uuid"])
    ]
    return [row["report_id"] for row in sorted(rows, key=lambda row: (row["report_time"], row["report_id"]))]


@pytest.mark.parametrize("period", [None, HOUR])
@pytest.mark.parametrize("organization", [None, ORG])
def test_csv_has_the_rows_by_time(
    reader: Reader, filled: LakeBuilder, tmp_path: Path, period: Period | None, organization: str | None
) -> None:
    target = tmp_path / "out.csv"
    count = reader.export(target, "csv", period, organization)
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["report_id"] for row in rows] == stored_ids(filled, period, organization)
    assert count == len(rows)
    assert [row["user"] for row in rows if row["report_id"] == report_id("a")] == ['Zoë, "the first"\nof all']


@pytest.mark.parametrize("period", [None, HOUR])
@pytest.mark.parametrize("organization", [None, ORG])
def test_parquet_has_the_typed_rows_by_time(
    reader: Reader, filled: LakeBuilder, tmp_path: Path, period: Period | None, organization: str | None
) -> None:
    target = tmp_path / "out.parquet"
    count = reader.export(target, "parquet", period, organization)
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute("SELECT * FROM read_parquet(?)", [str(target)])
        names = [column[0] for column in engine.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in engine.fetchall()]
    by_id = {row["report_id"]: row for row in filled.rows()}
    ids = stored_ids(filled, period, organization)
    assert rows == [by_id[one] for one in ids]
    assert count == len(ids)


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson"])
def test_an_export_of_nothing_is_a_file_without_records(reader: Reader, tmp_path: Path, form: Format) -> None:
    nothing = Period(NOON - timedelta(days=200), NOON - timedelta(days=199))
    assert reader.export(tmp_path / "out", form, nothing, None) == 0
    assert (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["parquet", "csv", "ndjson"])
def test_an_export_that_cannot_be_written_says_so(reader: Reader, tmp_path: Path, form: Format) -> None:
    with pytest.raises(CdrelayError, match="could not be written"):
        reader.export(tmp_path / "no folder" / "out", form, None, None)


def test_what_was_begun_is_removed_and_a_link_such_as_dev_stdout_is_not(reader: Reader, tmp_path: Path) -> None:
    out, link = tmp_path / "out", tmp_path / "link"
    link.symlink_to(out)
    reader.export(link, "ndjson", None, None)
    for file in tmp_path.rglob("*.parquet"):
        file.write_bytes(b"")
    for target in (link, out):
        with pytest.raises(CdrelayError, match="could not be written"):
            reader.export(target, "ndjson", None, None)
    assert link.is_symlink()
    assert not out.exists()


def test_a_name_with_a_quote_is_a_name(reader: Reader, tmp_path: Path) -> None:
    assert reader.export(tmp_path / "it's.csv", "csv", None, None) == 5
    assert reader.export(tmp_path / "out.csv", "csv", None, "nobody' OR 'a' = 'a") == 0


def test_loads_go_on_while_a_reader_reads(filled: LakeBuilder, reader: Reader) -> None:
    filled.load(*(record(number, NOON) for number in range(5000)))
    rows = reader.ask("SELECT report_id FROM records").rows
    next(rows)
    filled.load(record("meanwhile", NOON), record(1, NOON + timedelta(minutes=1)))
    assert len(list(rows)) == 5004
    assert counted(reader) == 5006


def test_a_reader_of_a_lake_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with pytest.raises(LakeMissing):
        Reader(tmp_path / "half" / "lake", SMALL, tmp_path / "scratch")
    assert not (tmp_path / "half").exists()
