"""The reference pages are what the code says; `./dev docs` writes them anew."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cdrelay.cli.main import app
from cdrelay.cli.reference import pages, write_pages
from cdrelay.publisher.sources.mapping import asterisk, freeswitch
from cdrelay.publisher.sources.mapping.rows import Row
from cdrelay.records.fields import FIELDS
from cdrelay.settings import described

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def _commands(command: object, path: str) -> Iterator[tuple[str, object]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}")


COMMANDS = dict(_commands(get_command(app), "cdrelay"))


@pytest.mark.parametrize("name", ["commands.md", "settings.md", "fields.md", "mappings.md", "openapi.json"])
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == pages(app)[name]


def test_pages_are_written_as_they_are_compared(tmp_path: Path) -> None:
    write_pages(app, tmp_path)
    assert {page.name: page.read_text("utf-8") for page in tmp_path.iterdir()} == pages(app)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_says_what_it_does(path: str) -> None:
    assert len(getattr(COMMANDS[path], "help", None) or "") > 15


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_says_what_it_does(path: str) -> None:
    options = [one for one in getattr(COMMANDS[path], "params", []) if one.param_type_name == "option"]
    assert [one.name for one in options if not one.help] == []


@pytest.mark.parametrize("path", [path for path, command in COMMANDS.items() if not hasattr(command, "commands")])
def test_every_command_has_a_section(path: str) -> None:
    assert f"## {path}\n" in pages(app)["commands.md"]


def test_every_setting_has_a_row() -> None:
    page = pages(app)["settings.md"]
    assert [one.name for one in described() if f"| `{one.name}` | `CDRELAY_{one.name.upper()}` |" not in page] == []


def test_every_field_has_a_row_in_wire_order() -> None:
    rows = pages(app)["fields.md"].split("| --- | --- | --- | --- | --- |\n")[1].splitlines()
    assert [row.split(" | ")[1] for row in rows] == [field.name for field in FIELDS]


@pytest.mark.parametrize("rows", [freeswitch.ROWS, asterisk.ROWS])
def test_every_row_of_a_mapping_is_on_its_page(rows: Sequence[Row[Any]]) -> None:
    page = pages(app)["mappings.md"]
    assert [row.field for row in rows if f"| {row.field} | {row.source} | {row.note} |\n" not in page] == []


def test_no_cell_of_a_mapping_breaks_its_table() -> None:
    cells = [text for row in (*freeswitch.ROWS, *asterisk.ROWS) for text in (row.field, row.source, row.note)]
    assert [text for text in cells if "|" in text or "\n" in text] == []
