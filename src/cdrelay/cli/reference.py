"""The reference pages, made from the code: commands, settings, fields, mappings. A test says when they are stale."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from cdrelay.cli.api_document import openapi_page
from cdrelay.publisher.sources.mapping import asterisk, freeswitch
from cdrelay.publisher.sources.mapping.rows import Row
from cdrelay.records.fields import FIELDS
from cdrelay.settings import described


def pages(app: typer.Typer) -> dict[str, str]:
    """The reference pages by file name."""
    return {
        "commands.md": commands_page(app),
        "settings.md": settings_page(),
        "fields.md": fields_page(),
        "mappings.md": mappings_page(),
        "openapi.json": openapi_page(),
    }


def write_pages(app: typer.Typer, folder: Path) -> None:
    """Write them all; again changes nothing unless the code has."""
    for name, text in pages(app).items():
        (folder / name).write_text(text, "utf-8")


def settings_page() -> str:
    """Every setting with its default and what it does."""
    rows = [f"| `{one.name}` | `CDRELAY_{one.name.upper()}` | `{one.default}` | {one.help} |" for one in described()]
    return "\n".join(
        [
            "# Settings",
            "",
            "Defaults are overridden by `settings.toml` in the home folder, and that by the variables.",
            "`cdrelay settings` shows the effective values. This page is made by `./dev docs`.",
            "",
            "| setting | variable | default | what it does |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def fields_page() -> str:
    """Every field of a call record: its key on the wire, its column, its meaning."""
    rows = []
    for number, field in enumerate(FIELDS, 1):
        kind = field.kind.value + (f", {field.unit}" if field.unit else "")
        leg = "" if field.leg == "both" else f" Only on {field.leg} records."
        about = f"{kind} | {field.side} | {field.description}{leg}"
        rows.append(f"| {number} | {field.name} | `{field.column}` | {about} |")
    return "\n".join(
        [
            "# Fields of a call record",
            "",
            "In wire order. A value that does not fit its type and a key that is not listed are kept in the column",
            "`extra` and come out again. A field that holds personal data says whose: of the user (the owner of the",
            "record), of who was calling, called, redirecting or called originally, or of the owner of the device; see",
            "[data.md](../data.md). This page is made by `./dev docs`.",
            "",
            "| # | key on the wire | column | type | personal | meaning |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def mappings_page() -> str:
    """How the CDRs of each platform become records: the table that the code itself follows."""
    return "\n".join(
        [
            "# Mappings",
            "",
            "How a platform's own CDR becomes a call record. These tables are what the code follows. A field without",
            "a row, and one of which the platform tells nothing, is empty: nothing is invented. How to connect a",
            "platform is told in [Sources of records](../sources.md). This page is made by `./dev docs`.",
            "",
            "## FreeSWITCH",
            "",
            "One CDR of `mod_json_cdr` is one leg and becomes one record. Names in `code` are channel variables of",
            "`variables`; *profile* is the newest `caller_profile` of `callflow`.",
            "",
            *_mapping(freeswitch.ROWS, ("hangup_cause", freeswitch.OUTCOMES)),
            "## Asterisk",
            "",
            "One CDR becomes the record of party A (`channel`) and, where there is one, of party B (`dstchannel`).",
            "Names in `code` are those of `CDR()`.",
            "",
            *_mapping(asterisk.ROWS, ("disposition", asterisk.OUTCOMES)),
        ]
    )


def _mapping(rows: Sequence[Row[Any]], outcomes: tuple[str, Mapping[str, tuple[str, str]]]) -> list[str]:
    name, table = outcomes
    return [
        "| field | from | note |",
        "| --- | --- | --- |",
        *(f"| {row.field} | {row.source} | {row.note} |" for row in rows),
        "",
        f"| `{name}` | Call outcome | Call outcome reason |",
        "| --- | --- | --- |",
        *(f"| `{said}` | {outcome} | {reason} |" for said, (outcome, reason) in table.items()),
        "| any other | | as it is |",
        "",
    ]


def commands_page(app: typer.Typer) -> str:
    """Every command with its arguments and options."""
    root = get_command(app)
    sections = [section for command, path in _commands(root, ("cdrelay",)) for section in _section(command, path)]
    intro = ["# Commands", "", "Data goes to stdout, talk to stderr. This page is made by `./dev docs`.", ""]
    return "\n".join([*intro, *sections])


def _commands(
    command: typer.core.TyperCommand | object, path: tuple[str, ...]
) -> Iterator[tuple[object, tuple[str, ...]]]:
    subcommands = getattr(command, "commands", None)
    if subcommands is None or len(path) == 1 or getattr(command, "invoke_without_command", False):
        yield command, path
    for name, subcommand in (subcommands or {}).items():
        yield from _commands(subcommand, (*path, name))


def _section(command: object, path: tuple[str, ...]) -> list[str]:
    lines = [f"## {' '.join(path)}", "", _one_line(getattr(command, "help", "") or ""), ""]
    for parameter in getattr(command, "params", []):
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            lines.append(f"* `{parameter.metavar or (parameter.name or '').upper()}` {_one_line(parameter.help or '')}")
        else:
            names = "`, `".join([*parameter.opts, *parameter.secondary_opts])
            lines.append(f"* `{names}` {_one_line(parameter.help or '')}{_default(parameter)}")
    return [*lines, ""]


def _default(parameter: object) -> str:
    value = getattr(parameter, "default", None)
    return f" Default `{value}`." if isinstance(value, str | int | float) and value not in ("", False) else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
